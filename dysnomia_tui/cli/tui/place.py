"""A place to open the app at: ``shop/orders``, ``shop/orders@14:05``, ``shop/orders@211``, ``shop@-2h``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.moments import moment
from dysnomia_tui.cli.shared.parser import Usage, open_engine
from dysnomia_tui.cli.shared.selection import component, numbered
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.records import Opening

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings


def opening_at(place: str, settings: Settings) -> Opening:
    """Where the app is to open. Raises Usage, Unknown, NameRejected."""
    name, at, text = place.partition("@")
    if at and not text.strip():
        raise Usage(f"{place!r} names no time and no generation after @", "write shop/orders@14:05 or shop/orders@211")
    if "/" not in name:
        return Opening(group=_known_group(name, settings), when=moment(text, settings, f"@{text}") if at else None)
    key = component(name)
    if not at:
        return Opening(key)
    engine = open_engine(settings, read_only=True)
    if all(view.key != key for container in engine.overview().containers for view in container.components):
        raise Unknown(f"there is no component {key}", "dysnomia-tui status lists them")
    if text.isdecimal() and len(text) <= 9:
        return Opening(key, numbered(engine, key, int(text)).number)
    when = moment(text, settings, f"@{text}")
    generation = engine.find_time(key, when)
    if generation is None:
        raise Unknown(f"{key} has no good generation before {when:%Y-%m-%d %H:%M:%S} UTC")
    return Opening(key, generation.number)


def _known_group(name: str, settings: Settings) -> str:
    overview = open_engine(settings, read_only=True).overview()
    if name not in {*(one.name for one in overview.groups), *(one.name for one in overview.containers)}:
        raise Unknown(f"there is no group and no container {name!r}", "write CONTAINER/COMPONENT for a component")
    return name
