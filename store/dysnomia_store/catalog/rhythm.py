"""How often a component is usually snapshotted, from the times at which its last generations were seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from dysnomia_store.catalog.middle import median

LOOKED_AT = 11
"""Generations, counted from the newest."""
ENOUGH = 3
"""Distances from which a rhythm can be told."""


def usual_distance(times: Sequence[tuple[int, int, int]]) -> timedelta | None:
    """The median distance between two snapshots; None where there are too few to tell.

    ``times``: of generations in their order when their state was first and last seen, in microseconds, and how
    often. A state that was seen five times counts four equal distances: it is snapshotted, and has not changed."""
    distances: list[float] = []
    before: int | None = None
    for first, last, seen in times:
        if before is not None and first > before:
            distances.append(first - before)
        if seen > 1 and last > first:
            distances += [(last - first) / (seen - 1)] * min(seen - 1, LOOKED_AT)
        before = max(last, first) if before is None else max(before, last, first)
    return timedelta(microseconds=median(distances)) if len(distances) >= ENOUGH else None
