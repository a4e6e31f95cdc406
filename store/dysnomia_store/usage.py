"""Where the space is, and how it grew."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_store.catalog.generations import at
from dysnomia_store.errors import NotPermitted
from dysnomia_store.gc.sharing import on_disk
from dysnomia_store.records.summary import Usage

if TYPE_CHECKING:
    from dysnomia_store.catalog.component import ComponentReading
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.store_reader import ReadableStore

MOST_DAYS = 3660
"""Days of growth that are shown; older growth is in the first point."""


def usage(store: ReadableStore) -> Usage:
    """Add up a store. What may not be read counts as nothing; a frame counts for the snapshot that came first."""
    shares = store.shares
    by_component: dict[ComponentKey, int] = {}
    orphans = content = generations = 0
    seen: set[int] = set()
    days: dict[int, int] = {}
    for key in store.keys():  # noqa: SIM118 (no mapping)
        try:
            reading = store.reading(key)
        except NotPermitted:
            continue
        generations += len(reading.gens)
        by_component[key] = 0
        first = _first_links(reading)
        for snap in sorted(reading.snaps.values(), key=lambda snap: first.get(snap.id, 1 << 62)):
            if not snap.exists:
                continue
            content += snap.content_size or snap.stored_size
            folder = store.root / "snapshots" / key.container / key.component / snap.id
            size = on_disk([(folder, snap.stored_size, shares and store.may_share(snap.content_size))], seen)
            by_component[key] += size
            if snap.id not in first:
                orphans += size
            else:
                day = first[snap.id] // 86_400_000_000
                days[day] = days.get(day, 0) + size
    total, free = _disk(store)
    trash = sum(entry.stored_size for entry in store.trash())
    return Usage(by_component, orphans, trash, total, free, _growth(days), generations, content)


def _first_links(reading: ComponentReading) -> dict[str, int]:
    """When each snapshot that is linked came, in microseconds."""
    first: dict[str, int] = {}
    for number in sorted(reading.gens):
        gen = reading.gens[number]
        first.setdefault(gen.id, gen.as_of)
    return first


def _growth(days: dict[int, int]) -> tuple[tuple[datetime, int], ...]:
    """Bytes that were there at each day's end, of those that are there now."""
    if not days:
        return ()
    last = max(days)
    first = max(min(days), last - MOST_DAYS)
    total = sum(size for day, size in days.items() if day < first)
    points = []
    for day in range(first, last + 1):
        total += days.get(day, 0)
        points.append((at(day * 86_400_000_000), total))
    return tuple(points)


def _disk(store: ReadableStore) -> tuple[int, int]:
    where = store.root
    while not where.is_dir() and where != where.parent:
        where = where.parent
    space = os.statvfs(where)
    return space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
