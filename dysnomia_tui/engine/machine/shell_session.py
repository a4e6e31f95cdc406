"""What a shell on a component is opened with: the container's properties, the type's hints, names for what it is on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Component, Plugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.external import ExternalModule, ModuleConvention, module_environment
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.machine.machine import Machine

_AS_ANOTHER_USER = "setpriv"
"""What a client is put behind that runs as another user."""
_OBEYED = frozenset({"HOME", "GIT_DIR"})
"""Variables of such a client that this shell must not have: it reads start files in HOME, and git obeys the
configuration in GIT_DIR, whoever owns it. They are that user's, and the shell is ours, usually root's."""
_SHELL = re.compile(rb"#!.*[/ ](ba|da)?sh\b")


@dataclass(frozen=True)
class Session:
    """A shell on a component. Secrets are in ``environment`` and nowhere else."""

    key: ComponentKey
    environment: Mapping[str, str]
    """The properties, and the names ``this_component``, ``this_container`` and ``this_dysnomia_module``."""
    arrays: Mapping[str, tuple[str, ...]]
    """Properties that are arrays: in ``environment`` they can only be joined."""
    module: tuple[str, ...] = ()
    """A module's own call for the activity ``shell``; empty for a type of ours."""
    sourced: bool = False
    """Whether that module is a shell script: then it is read into the shell, so that what it sets is there."""
    hints: tuple[str, ...] = ()


def session(machine: Machine, key: ComponentKey) -> Session:
    """Raises Unknown, ConfigError, PluginError."""
    component = machine.component(key)
    plugin = machine.plugin(key)
    module = _module(plugin, component)
    environment = {
        **module_environment(component.properties),
        **_client(plugin, component),
        "DYSNOMIA_STATEDIR": str(machine.settings.statedir),
        "this_component": str(component.path),
        "this_container": key.container,
        "this_dysnomia_module": module[0] if module else plugin.type,
    }
    return Session(
        key=key,
        environment=environment,
        arrays={name: value for name, value in component.properties.items() if isinstance(value, tuple)},
        module=module,
        sourced=isinstance(plugin, ExternalModule) and _is_script(Path(module[0])),
        hints=tuple(plugin.hints(component)),
    )


def _module(plugin: Plugin, component: Component) -> tuple[str, ...]:
    if not isinstance(plugin, ModuleConvention):
        return ()
    command = plugin.command(component, "shell")
    return tuple(word if isinstance(word, str) else word.decode("utf-8", "surrogateescape") for word in command)


def _client(plugin: Plugin, component: Component) -> Mapping[str, str]:
    """What the type's own client finds its server by."""
    if isinstance(plugin, ModuleConvention):
        return {}
    try:
        argv, environment = plugin.shell(component)
    except PluginError:  # none of its own, or its container does not run: the shell is there to look at that
        return {}
    if Path(argv[0]).name == _AS_ANOTHER_USER:
        return {name: value for name, value in environment.items() if name not in _OBEYED}
    return environment


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return _SHELL.match(first) is not None
