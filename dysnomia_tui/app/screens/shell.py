"""The server's own client on a component: the app steps aside until it ends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from dysnomia_base.environment import child_environment
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present.text import visible

if TYPE_CHECKING:
    from dysnomia_tui.app.services import Services


def open_shell(app: Services, key: ComponentKey) -> None:
    """Ask the engine for the client's argv and environment, and run it in this terminal."""
    app.client.ask("shell", lambda engine: engine.shell(key), lambda client: _run(app, key, *client), app.trouble)


def _run(app: Services, key: ComponentKey, argv: Sequence[str], env: Mapping[str, str]) -> None:
    title = f"{key}: {argv[0]}; exit it to return to dysnomia-tui"
    hand_over(app, title, argv, {**child_environment(os.environ), **env})
    app.poller.look(everything=True)


def hand_over(app: Services, title: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Give this terminal to a program until it ends; say how it ended where that was not well."""
    problem = ""
    try:
        with app.suspend():
            print(f"\n{visible(title)}\n", flush=True)
            status = app.run_client(argv, env)
            problem = f"{argv[0]} ended with status {status}" if status else ""
    except SuspendNotSupported:
        problem = "this terminal cannot be given to another program"
    except OSError as error:
        problem = f"{argv[0]}: {error.strerror}"
    if problem:
        app.trouble(problem)
