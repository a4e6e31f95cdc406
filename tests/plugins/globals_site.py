"""A component on a server that a test replaces by another one: the store stays, the machine is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from dysnomia_plugins.base import Component, Preflight, StatePlugin
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World


class Site:
    """As much of a world as a driver needs."""

    copy_prefix = ""

    def __init__(self, plugin: StatePlugin, name: str, properties: Mapping[str, str], folder: Path) -> None:
        self.plugin = plugin
        folder.mkdir(parents=True, exist_ok=True)
        self.component = Component(ComponentKey.of("server", name), folder, dict(properties))

    def belongs_to(self, store: Store) -> None:
        """Nothing of it is shared."""

    def moved(self, properties: Mapping[str, str]) -> None:
        """The server is another one now."""
        self.component = replace(self.component, properties=dict(properties))


class SiteDriver(Driver):
    """Jobs on a site."""

    def __init__(
        self, plugin: StatePlugin, name: str, properties: Mapping[str, str], folder: Path, *, compression: str = "zstd"
    ) -> None:
        self.site = Site(plugin, name, properties, folder / "component")
        super().__init__(cast("World", self.site), folder / "store", compression=compression)

    def preflight(self, number: int) -> Preflight:
        """What a plan would say of a restore."""
        stored = self.store.stored(self.key, self.store.generation(self.key, number).id)
        with self.context() as ctx:
            return self.site.plugin.preflight(ctx, stored, replace=True)
