"""The review of a collection: the states are read, the plan is made, and its bytes are counted on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from dysnomia_store.catalog.component import ComponentReading
from dysnomia_store.disk.layout import Layout
from dysnomia_store.gc.plan import plan
from dysnomia_store.gc.sharing import exact, on_disk
from dysnomia_store.gc.state import gc_state
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, Policy


def review(
    layout: Layout,
    readings: Mapping[ComponentKey, ComponentReading],
    policy: Callable[[ComponentKey], Policy],
    *,
    at: datetime,
    keep: Collection[tuple[ComponentKey, int]],
    drop: Collection[tuple[ComponentKey, int]],
    in_use: Mapping[tuple[ComponentKey, str], str],
    may_share: Callable[[int | None], bool] | None,
) -> GcPlan:
    """Plan a collection of what was read.

    Args:
        layout: where the snapshots are.
        readings: of each component, in the order in which the plan names them.
        policy, at, keep, drop, in_use: as of ``gc.plan``.
        may_share: whether a snapshot of a size may hold frames that others hold; None where no snapshot does.
    """
    states = [gc_state(key, reading) for key, reading in readings.items()]

    def shares(key: ComponentKey, snapshot_id: str) -> bool:
        return may_share is not None and may_share(readings[key].snaps[snapshot_id].content_size)

    def weigh(key: ComponentKey) -> Callable[[str], int]:
        seen: set[int] = set()

        def bytes_more(snapshot_id: str) -> int:
            stored = readings[key].snaps[snapshot_id].stored_size
            return on_disk([(layout.snapshot(key, snapshot_id), stored, shares(key, snapshot_id))], seen)

        return bytes_more

    planned = plan(states, policy, at=at, keep=keep, drop=drop, in_use=in_use, weigh=weigh)
    return planned if may_share is None else exact(layout, planned, shares)


def lines(
    readings: Mapping[ComponentKey, ComponentReading], policy: Callable[[ComponentKey], Policy], *, at: datetime
) -> Mapping[tuple[ComponentKey, int], GcLine]:
    """The plan's lines alone, by component and number; nothing is counted on disk."""
    planned = plan([gc_state(key, reading) for key, reading in readings.items()], policy, at=at)
    return {(line.key, line.number): line for line in planned.lines}
