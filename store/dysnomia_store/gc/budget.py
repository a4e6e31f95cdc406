"""What a component takes beyond its budget: the oldest of the generations that rules keep, until it is met."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from dysnomia_store.gc.state import GcState, young_since
from dysnomia_store.records.retention import Policy

MAX_SIZE = "max_size"
"""The rule, as it is called where its reason is told."""


def over_budget(
    state: GcState,
    policy: Policy,
    kept: Collection[int],
    fixed: Collection[int],
    at: datetime,
    weigh: Callable[[str], int] | None = None,
) -> frozenset[int]:
    """The numbers of those that go for the budget of ``policy``.

    What the rules keep can go. The ``fixed`` (of a pin, a mark, a job) are counted first and stay; so do the newest,
    the last good one, and what ``at_least`` and ``min_age`` keep. From the newest on each is counted with the bytes
    that it needs beyond those before it, and goes with all that are older as soon as they are too many.
    """
    if policy.max_size is None or policy.nothing:
        return frozenset()
    counted: set[str] = set()

    def more(snapshot_id: str) -> int:
        if snapshot_id in counted:
            return 0
        counted.add(snapshot_id)
        return state.snapshots.get(snapshot_id, 0) if weigh is None else weigh(snapshot_id)

    newest_first = [gen for gen in reversed(state.generations) if gen.number in kept]
    stay = {gen.number for gen in newest_first if gen.number in fixed}
    good = [gen.number for gen in newest_first if gen.good]
    stay.update(good[: max(policy.at_least, 1)], (gen.number for gen in newest_first[:1]))
    if policy.min_age is not None:
        since = young_since(state.generations, at, policy.min_age)
        stay.update(gen.number for gen in newest_first if gen.until >= since)
    total = sum(more(gen.id) for gen in newest_first if gen.number in stay)
    over: set[int] = set()
    for gen in newest_first:
        if gen.number in stay:
            continue
        if not over:
            total += more(gen.id)
        if over or total > policy.max_size:
            over.add(gen.number)
    return frozenset(over)
