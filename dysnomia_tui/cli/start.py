"""What the script of each command calls: imports the command, and runs it.

What is imported stays until the end, and makes nearly all objects that a short command has. The collector of cyclic
garbage would look through them some twenty times while they are made, and three times more at the end of the process:
a fifth of the whole time of ``dysnomia-tui status``. So it stands still for the imports and is not told of what is
left at the end, as the documentation of ``gc.freeze`` proposes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module


def tui() -> int:
    return _run("tui.command", "main")


def dysnomia() -> int:
    return _run("dysnomia", "main")


def snapshots() -> int:
    return _run("snapshots.command", "main")


def containers() -> int:
    return _run("containers.command", "main")


def add_users() -> int:
    return _run("accounts", "add_users")


def delete_users() -> int:
    return _run("accounts", "delete_users")


def add_groups() -> int:
    return _run("accounts", "add_groups")


def delete_groups() -> int:
    return _run("accounts", "delete_groups")


def _run(module: str, function: str) -> int:
    gc.disable()
    command: Callable[[], int] = getattr(import_module(f"dysnomia_tui.cli.{module}"), function)
    gc.freeze()
    gc.enable()
    try:
        return command()
    finally:
        gc.freeze()
