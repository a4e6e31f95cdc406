"""What a garbage collection looks at: the state of a component, small enough for 100,000 generations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from dysnomia_store.catalog.component import MARKS_UNREAD, ComponentReading
from dysnomia_store.model import Marks, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records


def micros_before(at: datetime, span: timedelta) -> int:
    """``at`` less ``span`` in microseconds since 1970 UTC, as ``until`` is."""
    return round((at - span).timestamp() * 1_000_000)


class GcGeneration(NamedTuple):
    """One generation whose link leads to a snapshot."""

    number: int
    id: str
    until: int
    """When its state was last seen, in microseconds since 1970 UTC: its age counts from there."""
    good: bool
    content_size: int | None
    stored_size: int
    marks: Marks | None = None
    note: str = ""
    """Why it is not good, in a few words."""
    unread: bool = False
    """Its marks cannot be read: it may be pinned."""

    @property
    def known_good(self) -> bool:
        return self.marks is not None and self.marks.verdict is Verdict.GOOD


def young_since(generations: Sequence[GcGeneration], at: datetime, span: timedelta) -> int:
    """Since when a generation is younger than ``span``, in microseconds since 1970 UTC.

    Counted back from the newest good one where that is older than now: where snapshots stopped months ago, or the
    clock of a machine that just started is years ahead, time alone takes none of the good ones there are. Newest by its
    number: what a clock that was ahead once has dated does not count for years.
    """
    now = micros_before(at, timedelta(0))
    newest = next((gen.until for gen in reversed(generations) if gen.good), now)
    return micros_before(at, span) - max(0, now - newest)


@dataclass(frozen=True, slots=True)
class GcState:
    """One component."""

    key: ComponentKey
    generations: tuple[GcGeneration, ...]
    """In the order of their numbers."""
    snapshots: Mapping[str, int]
    """Stored bytes of every snapshot that is there, by id."""
    broken: tuple[int, ...]
    """Numbers of broken links."""
    digest: str
    """Changes with any of its generations, marks and snapshots."""


def gc_state(key: ComponentKey, reading: ComponentReading) -> GcState:
    """The part of a reading that a collection looks at."""
    states = []
    broken = []
    for number in sorted(reading.gens):
        gen = reading.gens[number]
        snap = reading.snaps.get(gen.id)
        if snap is not None and snap.file:
            continue  # it leads to what another tool restores
        if snap is None or not snap.exists or not gen.id:
            broken.append(number)
            continue
        marks = None if gen.marks is None else records.marks_of(records.load(gen.marks, "marks"))
        note = ""
        if not gen.good:
            bad = marks is not None and marks.verdict is Verdict.BAD
            note = "known bad" if bad else ("suspicious" if gen.suspicious else "not good")
        unread = MARKS_UNREAD in gen.problem
        states.append(
            GcGeneration(number, gen.id, gen.until, gen.good, snap.content_size, snap.stored_size, marks, note, unread)
        )
    return GcState(
        key=key,
        generations=tuple(states),
        snapshots={snap.id: snap.stored_size for snap in reading.snaps.values() if snap.exists},
        broken=tuple(broken),
        digest=digest_of(reading),
    )


def digest_of(reading: ComponentReading) -> str:
    """What tells that a component is still the one a plan was made from."""
    lines = [f"{gen.number} {gen.id} {gen.mark_name} {int(gen.good)}" for _, gen in sorted(reading.gens.items())]
    lines.append("")
    lines.extend(sorted(snap.id for snap in reading.snaps.values() if snap.exists))
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()
