"""The types that are known here: where each comes from, what it needs, and whether that is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.environment import search_path
from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Plugin, PrivateStatePlugin, StatePlugin
from dysnomia_plugins.errors import PluginError

if TYPE_CHECKING:
    from dysnomia_plugins.loading.registry import Registry


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that a type needs."""

    name: str
    path: str
    """Where it is; ``""`` where it is not installed."""
    package: str
    """The Debian package that has it."""


@dataclass(frozen=True, slots=True)
class TypeView:
    """One type."""

    type: str
    title: str
    origin: str
    """The distribution with its version, or the module's path."""
    module: str
    """``package.module:Class`` of an entry point; the path of an executable."""
    holds_state: bool
    activities: tuple[str, ...]
    tools: tuple[Tool, ...]
    problem: str = ""
    """Why it cannot be used: it cannot be imported."""

    @property
    def missing(self) -> tuple[Tool, ...]:
        return tuple(tool for tool in self.tools if not tool.path)

    @property
    def missing_packages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tool.package for tool in self.missing))


def types(registry: Registry) -> tuple[TypeView, ...]:
    """All types, sorted by name. A broken one is among them, and says why."""
    return tuple(_view(registry, name) for name in registry.types())


def _view(registry: Registry, name: str) -> TypeView:
    source = registry.source(name)
    try:
        plugin = registry.get(name)
    except PluginError as error:
        return TypeView(name, "", source.origin, source.module, False, (), (), problem=str(error))
    holds_state = isinstance(plugin, (StatePlugin, PrivateStatePlugin)) and "snapshot" in plugin.activities()
    activities = tuple(sorted(plugin.activities()))
    return TypeView(name, plugin.title, source.origin, source.module, holds_state, activities, tools_of(plugin))


def tools_of(plugin: Plugin, path: str = "") -> tuple[Tool, ...]:
    """The programs that a plugin needs, looked for where it would run them from."""
    more = (str(folder) for one in plugin.tool_folders for folder in sorted(Path("/").glob(one.removeprefix("/"))))
    where = os.pathsep.join((path or search_path(), *more))
    return tuple(
        Tool(name, _found((name, *plugin.alternatives.get(name, ())), where), plugin.packages.get(name, name))
        for name in plugin.tools
    )


def _found(names: Sequence[str], where: str) -> str:
    """The first of these programs that is there; ``""`` for none."""
    import shutil  # as long as the rest of a short look, which most types do without

    return next((path for name in names if (path := shutil.which(name, path=where))), "")


def what_is_missing(plugin: Plugin) -> str:
    """What has to be installed before a type works, in words; ``""`` if nothing."""
    missing = [tool for tool in tools_of(plugin) if not tool.path]
    if not missing:
        return ""
    packages = dict.fromkeys(tool.package for tool in missing)
    names = ", ".join(tool.name for tool in missing)
    return f"{names} {'is' if len(missing) == 1 else 'are'} not installed: apt-get install {' '.join(packages)}"
