"""What the engine reads of this machine: settings, store, types, configured containers and components."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from dysnomia_base.ownership import refusal
from dysnomia_base.records import replace
from dysnomia_plugins.base import Component, Plugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.registry import Registry
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.config import Settings
from dysnomia_tui.config.nix import NIX_STORE_DIR, nix_store
from dysnomia_tui.engine.errors import ConfigError, EngineError
from dysnomia_tui.engine.machine.command_line import real_component, with_overrides
from dysnomia_tui.engine.machine.inventory import NOT_OURS, Inventory, read_inventory
from dysnomia_tui.engine.machine.listed import FOLDER, Listing, with_listed

Stamp = tuple[tuple[str, int, int, int], ...]


class Machine:
    """One state directory and one configuration. Safe to use from any thread."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime] | None = None,
        extra_types: Mapping[str, Callable[[], Plugin]] | None = None,
    ) -> None:
        self.settings = settings
        self.store = Store(settings.statedir, clock=clock, group=settings.group)
        self.registry = Registry(settings.modules_path, libexec=settings.libexec, extra=extra_types)
        self._guard = threading.Lock()
        self._inventory: tuple[Stamp, Inventory] | None = None
        self._unkept: dict[str, Listing] = {}

    @property
    def jobs(self) -> Path:
        return self.settings.statedir / "jobs"

    def inventory(self) -> Inventory:
        """What is configured, read again when a file or folder on the search paths changed.

        A ``$(…)`` in a file is run when the file is read, not at each look.
        """
        stamp = self._stamp()
        with self._guard:
            if self._inventory is None or self._inventory[0] != stamp:
                fresh = read_inventory(self.settings.containers_path, self.settings.components_path)
                given = with_overrides(fresh, self.settings, os.environ)
                self._inventory = (stamp, with_listed(given, self.settings.statedir, self._unkept))
            return self._inventory[1]

    @property
    def unkept(self) -> Mapping[str, Listing]:
        """By container, what its server said to this process, and nobody else is told."""
        return self._unkept

    def take_unkept(self, container: str, listing: Listing) -> None:
        """Let a container have the components of a listing, in this process alone."""
        with self._guard:
            self._unkept[container] = listing
            self._inventory = None

    def component(self, key: ComponentKey) -> Component:
        """What an activity is about. One that is no longer configured, but still active or garbage, is as it was
        when it was activated. Raises Unknown, ConfigError."""
        inventory = self.inventory()
        known = key in inventory.components or key in inventory.left_out
        left = self.store.activated_path(key) if not known else None
        recorded = cache(partial(self._recorded, key))  # asked at each look at what is gone, and reads all generations
        if left is not None:
            properties = inventory.container(key.container).properties_for(key.component)
            component = Component(key, left, properties, recorded)
        else:
            component = inventory.component(key)
            path = real_component(component.path, key.component, os.environ)
            component = replace(component, path=path, recorded=recorded)
        refused = refusal(component.path)
        if refused:
            raise ConfigError(refused, NOT_OURS)
        if NIX_STORE_DIR in os.environ and str(component.path).startswith(nix_store(os.environ) + "/"):
            # A module takes the hash out of the path by itself, and has to know of what store.
            component = replace(
                component, properties={**component.properties, NIX_STORE_DIR: os.environ[NIX_STORE_DIR]}
            )
        return component

    def _recorded(self, key: ComponentKey) -> Mapping[str, Any]:
        """The surroundings of its newest generation that was made here; nothing where there is none."""
        from dysnomia_tui.engine.component.trust import made_here

        for generation in reversed(self.store.generations(key)):
            if generation.metadata is not None and made_here(self.store, generation):
                return generation.metadata.surroundings
        return {}

    def place_elsewhere(self, source: ComponentKey, key: ComponentKey) -> Component:
        """``key`` as it is configured, or, where its container alone is, with the files of ``source``.

        Raises Unknown, ConfigError."""
        container = self.inventory().container(key.container)
        if key in self.inventory().components:
            return self.component(key)
        return Component(key, self.component(source).path, container.properties_for(key.component))

    def plugin(self, key: ComponentKey) -> Plugin:
        """The plugin of a component: that of its container's type, or what the type has for such a component.

        Raises Unknown, ConfigError, PluginError."""
        plugin = self.registry.get(self.inventory().container(key.container).type)
        return for_component(plugin, lambda: self.component(key))

    def dump_reader(self, key: ComponentKey) -> str:
        """Who may read what is imported for a component besides the store's owner: see ``ComponentJob``."""
        from dysnomia_tui.engine.component.context import dump_reader

        compression = self.settings.compression_by_container.get(key.container, self.settings.compression)
        try:
            return dump_reader(self.plugin(key), self.component(key), compression)
        except (EngineError, PluginError):
            return ""  # nothing is configured that would restore it

    def plugin_of_type(self, type_name: str) -> Plugin | None:
        """None where the type is not known here, or is broken."""
        try:
            return self.registry.get(type_name) if type_name else None
        except PluginError:
            return None

    def _stamp(self) -> Stamp:
        """Changes whenever anything the inventory was read from does."""
        stamps: list[tuple[str, int, int, int]] = []
        for folder in (*self.settings.containers_path, *self.settings.components_path):
            _add_stamp(stamps, folder)
            try:
                with os.scandir(folder) as entries:
                    paths = sorted(Path(entry.path) for entry in entries)
            except OSError:
                continue
            for path in paths:
                _add_stamp(stamps, path)
        _add_stamp(stamps, self.settings.statedir / FOLDER)
        for given in self.settings.given_containers.values():
            if given.file is not None:
                _add_stamp(stamps, given.file)
        return tuple(stamps)


def for_component(plugin: Plugin, component: Callable[[], Component]) -> Plugin:
    """What a type has for a component, which is looked for only where that matters; the type's own plugin for one
    that is no longer configured, or is not obeyed."""
    if type(plugin).for_component is Plugin.for_component:
        return plugin
    try:
        return plugin.for_component(component())
    except EngineError:
        return plugin


def _add_stamp(stamps: list[tuple[str, int, int, int]], path: Path) -> None:
    try:
        status = path.stat()
    except OSError:
        stamps.append((str(path), 0, 0, 0))
        return
    owned = hash((status.st_ino, status.st_mode, status.st_uid, status.st_gid))
    stamps.append((str(path), status.st_mtime_ns, status.st_size, owned))
