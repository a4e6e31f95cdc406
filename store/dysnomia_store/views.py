"""From what was read of a component to the records the engine sees."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from dysnomia_store import records
from dysnomia_store.component import Gen, Reading, Snap
from dysnomia_store.model import Check, Generation, Marks, Metadata, Reason
from dysnomia_store.names import ComponentKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_MARKS = Marks()


def at(micros: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=micros)


def generations(key: ComponentKey, reading: Reading, numbers: Iterable[int] | None = None) -> tuple[Generation, ...]:
    """The generations of a reading, in the order of their numbers."""
    metadata: dict[str, tuple[Metadata | None, Check | None]] = {}
    wanted = sorted(reading.gens) if numbers is None else numbers
    return tuple(_generation(key, reading.gens[number], reading.snaps, metadata) for number in wanted)


def _generation(
    key: ComponentKey, gen: Gen, snaps: dict[str, Snap], known: dict[str, tuple[Metadata | None, Check | None]]
) -> Generation:
    if gen.id not in known:
        known[gen.id] = _of_snapshot(snaps.get(gen.id))
    metadata, check = known[gen.id]
    history = None if gen.history is None else records.history_of(records.load(gen.history, "history"))
    as_of = at(gen.as_of) if history is None else history.as_of
    return Generation(
        key=key,
        number=gen.number,
        id=gen.id,
        as_of=as_of,
        as_of_estimated=gen.estimated,
        unchanged_until=as_of if gen.until <= gen.as_of else at(gen.until),
        seen=gen.seen,
        reason=Reason.UNKNOWN if history is None else history.reason,
        text="" if history is None else history.text,
        restored=None if history is None else history.restored,
        who="" if history is None else history.who,
        job="" if history is None else history.job,
        delta=None if history is None else history.delta,
        metadata=metadata,
        marks=_NO_MARKS if gen.marks is None else records.marks_of(records.load(gen.marks, "marks")),
        last_check=check,
        suspicious=gen.suspicious,
        problem=gen.trouble,
    )


def _of_snapshot(snap: Snap | None) -> tuple[Metadata | None, Check | None]:
    if snap is None:
        return None, None
    metadata = None if snap.metadata is None else records.metadata_of(records.load(snap.metadata, "metadata"))
    return metadata, None if snap.check is None else records.check_of(records.load(snap.check, "check"))


def newest_good_before(reading: Reading, when: datetime) -> int | None:
    """The newest good generation whose state held at or before a time.

    Numbers say what came after what; clocks may have been set back or forth in between. The times that agree with the
    order (the longest rising run of them) are believed; one that does not is taken for that of the next which does,
    so that nothing is said to have been before a time when it was after it.
    """
    numbers = sorted(reading.gens)
    times = believed([reading.gens[number].as_of for number in numbers])
    limit = round(when.timestamp() * 1_000_000)
    for position in range(bisect_right(times, limit) - 1, -1, -1):
        if reading.gens[numbers[position]].good:
            return numbers[position]
    return None


def believed(times: Sequence[int]) -> list[int]:
    """Times in the order of the numbers, made to rise: see ``newest_good_before``."""
    if all(times[i] <= times[i + 1] for i in range(len(times) - 1)):
        return list(times)
    kept = _longest_rising(times)
    result: list[int] = []
    following = 0
    for position, time in enumerate(times):
        while following < len(kept) and kept[following] < position:
            following += 1
        if following < len(kept):
            result.append(times[kept[following]])
        else:
            result.append(max(time, result[-1]) if result else time)
    return result


def _longest_rising(times: Sequence[int]) -> list[int]:
    """Positions of a longest non-falling run of times; of several, one that keeps later entries: a clock that was
    set is more often right than one that had to be."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for position, time in enumerate(times):
        place = bisect_right(tails, time)
        before.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(time)
            ends.append(position)
        else:
            tails[place] = time
            ends[place] = position
    kept: list[int] = []
    position = ends[-1] if ends else -1
    while position >= 0:
        kept.append(position)
        position = before[position]
    return kept[::-1]
