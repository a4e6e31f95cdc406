"""The server of this machine: the one that ejabberdctl's settings are about, in their usual place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dysnomia_plugins.base import Component, Found, Runner
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.toolkit.process import TimedOut
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS
from dysnomia_plugins.types.ejabberd.node import USER, USUAL_SETTINGS, USUAL_USER, Server, State
from dysnomia_store.names import ComponentKey

_NAME = "ejabberd"


def discover(runner: Runner) -> Iterator[Found]:
    """Nothing where it does not run; one line that says how it can be seen, where we may not ask it."""
    if not any(map(os.path.lexists, USUAL_SETTINGS)) or shutil.which("erl") is None:
        return
    properties = {"type": "ejabberd-dump", USER: USUAL_USER}
    component = Component(ComponentKey.of(_NAME, _NAME), Path("/"), properties)
    try:
        server = Server.of(component)
        state = State.of(server, runner, timeout=PROBE_SECONDS)
    except (ServerDown, TimedOut):
        return
    except PluginError as error:
        if os.geteuid() != 0:
            yield Found("ejabberd-dump", _NAME, _NAME, properties, detail=error.message, readable=False,
                        remedy="sudo dysnomia-tui")  # fmt: skip
        return
    yield Found("ejabberd-dump", _NAME, _NAME, properties, size=state.size, detail=f"{state.rows} rows, {server.node}")
