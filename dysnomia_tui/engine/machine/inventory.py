"""Which containers and components are configured: the files on Dysnomia's search paths.

A container is a file of properties, found by name, the first on the path winning. A component is a file or folder
``<container>/<component>``. One that cannot be read spoils only itself. Light to import: the query commands use it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.ownership import refusal
from dysnomia_base.records import dataclass, field
from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.errors import BadProperties
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.engine.errors import ConfigError, Unknown
from dysnomia_tui.engine.machine.computed import read_values

if TYPE_CHECKING:
    from dysnomia_tui.engine.machine.listed import Listing

NOT_OURS = "give it to root (chown, chmod go-w), or to the user who calls"
"""The way out where a file or folder is not obeyed."""


@dataclass(frozen=True, slots=True)
class ConfiguredContainer:
    """A container's file, as read."""

    name: str
    path: Path
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    problem: str = ""
    """Why it cannot be used: names file and line."""
    unread: bool = False
    """Its properties are not known: the file cannot be read, or has a fault."""
    left_out: bool = False
    """It is not obeyed: others may write it."""
    from_environment: bool = False
    """Its properties are the environment of whoever called, and more than that."""
    computed: frozenset[str] = frozenset()
    """Which of its properties bash computed."""
    by_component: bool = False
    """They are others for each of its components."""

    @property
    def type(self) -> str:
        value = self.properties.get("type", "")
        return value if isinstance(value, str) else ""

    def properties_for(self, component: str) -> Mapping[str, PropertyValue]:
        """Its properties as they are for one of its components. Raises ConfigError."""
        if not self.by_component:
            return self.properties
        try:
            return {**self.properties, **read_values(self.path, self.name, component).properties}
        except BadProperties as error:
            raise ConfigError(error.message, error.hint) from error


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is configured on this machine."""

    containers: Mapping[str, ConfiguredContainer]
    components: Mapping[ComponentKey, Path]
    problems: tuple[str, ...] = ()
    """Odd names, unreadable folders and what others may write, in words."""
    left_out: Mapping[ComponentKey, str] = field(default_factory=dict)
    """Components that are not obeyed because others may write them, and why."""
    listings: Mapping[str, Listing] = field(default_factory=dict)
    """Of each container with ``components=*``, what its server held when it was last asked."""
    gone: Mapping[ComponentKey, float] = field(default_factory=dict)
    """Those of ``components`` that a server held and holds no more, and when each was last seen there."""

    def components_of(self, container: str) -> tuple[ComponentKey, ...]:
        """Those that are there: without what a server held once."""
        return tuple(sorted(key for key in self.components if key.container == container and key not in self.gone))

    def container(self, name: str) -> ConfiguredContainer:
        """Raises Unknown where there is none, ConfigError where its file has a fault."""
        container = self.containers.get(name)
        if container is None:
            known = ", ".join(sorted(self.containers)) or "none"
            raise Unknown(f"there is no container {name!r}", f"configured containers: {known}")
        if container.problem:
            raise ConfigError(container.problem, NOT_OURS if container.left_out else "correct the file")
        return container

    def component(self, key: ComponentKey) -> Component:
        """What an activity is about. Raises Unknown or ConfigError."""
        container = self.container(key.container)
        path = self.components.get(key)
        if path is None and key in self.left_out:
            raise ConfigError(self.left_out[key], NOT_OURS)
        if path is None:
            known = ", ".join(one.component for one in self.components_of(key.container)) or "none"
            if key.container in self.listings:
                known += f"; to ask its server again: dysnomia-tui look {key.container}"
            raise Unknown(f"there is no component {key}", f"configured in this container: {known}")
        return Component(key=key, path=path, properties=container.properties_for(key.component))


def read_inventory(containers_path: Sequence[Path], components_path: Sequence[Path]) -> Inventory:
    """Look along the search paths. Never raises for what it finds there."""
    problems: list[str] = []
    containers: dict[str, ConfiguredContainer] = {}
    for entry in _entries(containers_path, "container", problems):
        before = containers.get(entry.name)
        if before is None or before.left_out:
            container = _container(entry.name, entry)
            if before is not None and not container.left_out:
                problems.append(before.problem)
            containers[entry.name] = container if before is None or not container.left_out else before
    components: dict[ComponentKey, Path] = {}
    left_out: dict[ComponentKey, str] = {}
    for folder in _entries(components_path, "container", problems):
        if not folder.is_dir():
            problems.append(f"{folder} is not a folder of components")
            continue
        for entry in _entries([folder], "component", problems):
            key = ComponentKey(folder.name, entry.name)
            refused = refusal(entry) if key not in components else ""
            if refused:
                problems.append(refused)
                left_out.setdefault(key, refused)
            else:
                components.setdefault(key, entry)
    for key in sorted(components):
        if key.container not in containers:
            problems.append(f"component {key} is configured, but no container {key.container!r} is")
    return Inventory(
        dict(sorted(containers.items())),
        dict(sorted(components.items())),
        tuple(dict.fromkeys(problems)),
        {key: why for key, why in left_out.items() if key not in components},
    )


def read_container(path: Path, name: str, *, default_type: str = "") -> ConfiguredContainer:
    """A container given by its file. ``default_type`` is that of a file that names none."""
    return _container(name, path, default_type)


def _entries(folders: Iterable[Path], what: str, problems: list[str]) -> Iterable[Path]:
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{folder} cannot be read ({error.strerror})")
            continue
        for name in names:
            if name.startswith(".") or name.endswith("~"):
                continue
            try:
                validate_name(name, what)
            except NameRejected as error:
                problems.append(f"in {folder}: {error.message}")
                continue
            yield folder / name


def _container(name: str, path: Path, default_type: str = "") -> ConfiguredContainer:
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return ConfiguredContainer(
                name, path, problem=f"{path} is a folder, not a file of key=value lines", unread=True
            )
        refused = refusal(path)
        if refused:
            return ConfiguredContainer(name, path, problem=refused, unread=True, left_out=True)
        values = read_values(path, name)
    except BadProperties as error:
        return ConfiguredContainer(name, path, problem=error.message, unread=True)
    except OSError as error:
        return ConfiguredContainer(name, path, problem=f"{path} cannot be read ({error.strerror})", unread=True)
    properties = values.properties
    if default_type and "type" not in properties:
        properties = {**properties, "type": default_type}
    container = ConfiguredContainer(name, path, properties, computed=values.computed, by_component=values.by_component)
    if not container.type:
        return ConfiguredContainer(name, path, properties, problem=f"{path} names no type (a line type=…)")
    return container
