"""From what was read of a component to the records the engine sees."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from dysnomia_base.gc_pause import gc_paused
from dysnomia_store.catalog.component import ComponentReading
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.links import link_of
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Generation, History, Marks, Metadata, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_MARKS = Marks()
_UNTOLD = History(0, "", _EPOCH, _EPOCH, Reason.UNKNOWN)
_BATCH = 2000


def at(micros: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=micros)


class Line(NamedTuple):
    """A generation's row of the index."""

    number: int
    id: bytes
    as_of: int
    estimated: int
    until: int
    seen: int
    history: str | None
    marks: str | None
    suspicious: str
    trouble: str
    metadata: str | None
    check: str | None


def generations(key: ComponentKey, lines: Iterable[Line]) -> tuple[Generation, ...]:
    """The records of a component's generations, in the order of the lines."""
    return generations_of((key, line) for line in lines)


def generations_of(lines: Iterable[tuple[ComponentKey, Line]]) -> tuple[Generation, ...]:
    """The same of several components; a key comes with each line."""
    result: list[Generation] = []
    metadata: dict[tuple[int, bytes], Metadata | None] = {}
    rest = _with_snapshots(lines)
    with gc_paused():
        while batch := list(islice(rest, _BATCH)):
            # One call of the parser for many records: what a call costs is more than what most of them do.
            histories = _parsed(line.history for _, line, _ in batch)
            described = _parsed(None if snap in metadata else line.metadata for _, line, snap in batch)
            for (key, line, snap), history, description in zip(batch, histories, described, strict=True):
                if snap not in metadata:
                    metadata[snap] = None if description is None else records.metadata_of(description)
                result.append(_generation(key, line, history, metadata[snap]))
    return tuple(result)


def _with_snapshots(
    lines: Iterable[tuple[ComponentKey, Line]],
) -> Iterator[tuple[ComponentKey, Line, tuple[int, bytes]]]:
    """With what tells the snapshots of all components apart: the hash of a key takes longer than all else here."""
    before: ComponentKey | None = None
    turn = 0
    for key, line in lines:
        if key is not before:
            before, turn = key, turn + 1
        yield key, line, (turn, line.id)


def just_made(layout: Layout, key: ComponentKey, number: int) -> Generation | None:
    """A generation that was made this moment, from its own records: nothing else of the component is read, and
    nobody has said anything of it yet. None where they do not tell of it."""
    snapshot_id = link_of(layout, key, number)
    if not snapshot_id:
        return None
    try:
        history = records.read_file(layout.history(key, number, snapshot_id))
        metadata = records.read_file(layout.metadata(key, snapshot_id))
        record = typed.history(history, "history")
        if (record.number, record.id) != (number, snapshot_id):
            return None
        if typed.metadata(metadata, "metadata").id != snapshot_id:
            return None
    except (OSError, Corrupt):
        return None
    as_of = round(record.as_of.timestamp() * 1_000_000)
    texts = history.decode(), metadata.decode()
    line = Line(number, os.fsencode(snapshot_id), as_of, 0, as_of, 1, texts[0], None, "", "", texts[1], None)
    return generations(key, [line])[0]


def _parsed(texts: Iterable[str | None]) -> list[records.Json | None]:
    whole: list[records.Json | None] = json.loads("[" + ",".join(text or "null" for text in texts) + "]")
    return whole


def _generation(key: ComponentKey, line: Line, history: records.Json | None, metadata: Metadata | None) -> Generation:
    record = _UNTOLD if history is None else records.history_of(history)
    as_of = at(line.as_of) if history is None else record.as_of
    return Generation(
        key=key,
        number=line.number,
        id=os.fsdecode(line.id),
        as_of=as_of,
        as_of_estimated=line.estimated == 1,
        unchanged_until=as_of if line.until <= line.as_of else at(line.until),
        seen=line.seen,
        reason=record.reason,
        text=record.text,
        restored=record.restored,
        who=record.who,
        job=record.job,
        delta=record.delta,
        metadata=metadata,
        marks=_NO_MARKS if line.marks is None else records.marks_of(records.load(line.marks, "marks")),
        last_check=None if line.check is None else records.check_of(records.load(line.check, "check")),
        suspicious=line.suspicious,
        problem=line.trouble,
    )


def newest_good_before(reading: ComponentReading, when: datetime) -> int | None:
    """The newest good generation whose state held at or before a time.

    Numbers say what came after what; clocks may have been set back or forth in between. The times that agree with the
    order (the longest rising run of them) are believed; one that does not is taken for that of the next which does,
    so that nothing is said to have been before a time when it was after it.
    """
    numbers = sorted(reading.gens)
    times = monotonic_times([reading.gens[number].as_of for number in numbers])
    limit = round(when.timestamp() * 1_000_000)
    for position in range(bisect_right(times, limit) - 1, -1, -1):
        if reading.gens[numbers[position]].good:
            return numbers[position]
    return None


def monotonic_times(times: Sequence[int]) -> list[int]:
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
