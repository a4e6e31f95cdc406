"""Tables of config.toml for components and containers that are not there: a name that was mistyped settles nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.machine.inventory import Inventory

NO_PATTERN = "no component has that name, and only NAME/* and */* are patterns, so it settles nothing"


def names_nothing(settings: Settings, inventory: Inventory, stored: Collection[ComponentKey]) -> tuple[str, ...]:
    """The heads of those tables. ``stored``: what is in the store, configured or not."""
    if not (settings.components or settings.compression_by_container):
        return ()  # looks are many, and so may components be
    keys = {*inventory.components, *stored}
    containers = {*inventory.containers, *(key.container for key in keys)}
    known = {"*/*", *map(str, keys), *(f"{name}/*" for name in containers)}
    return (
        *(f'[components."{name}"]' for name in settings.components if name not in known),
        *(f"[containers.{name}]" for name in settings.compression_by_container if name not in containers),
    )
