"""What changed between two contents indexes, without reading what they index.

Both are walked side by side. A section that waits for its counterpart is kept by identity; since dumps keep their
order, few wait at any time. Should more wait than is good for memory (everything renamed), the rest is spread over
small files by identity, and each pair of files is joined alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import IO

from dysnomia_store.content.index import Index, decode, identity_of, lines_of, without_place
from dysnomia_store.model import Delta, Form, Section

Pair = tuple[Section | None, Section | None]
"""A section as it was and as it is; None where it was not, or is no longer. Never both."""

MOST_WAITING = 50_000
_BUCKETS = 64

_Lines = Iterator[bytes]
_LinePair = tuple[bytes | None, bytes | None]


def changed_between(old: Path, new: Path, *, spill: Path | None = None) -> Iterator[Pair]:
    """The sections in which two index files differ, in no particular order. Raises Corrupt.

    Args:
        old, new: the index files.
        spill: the folder for temporary files, should any be needed.
    """
    with Index(old) as before, Index(new) as after:
        yield from _changed(before.lines(), after.lines(), spill)


def changed_sections(old: Iterable[Section], new: Iterable[Section], *, spill: Path | None = None) -> Iterator[Pair]:
    """The same for sections that are not in an index file."""
    return _changed(lines_of(old), lines_of(new), spill)


def differs(old: Section, new: Section) -> bool:
    """Whether the content of a section changed (its offset and key do not count)."""
    return old.digest != new.digest or dict(old.attributes) != dict(new.attributes) or old.form is not new.form


def is_schema(section: Section) -> bool:
    """Whether it says what the others look like."""
    return section.form is Form.TEXT and section.kind == "schema"


def delta(pairs: Iterable[Pair], *, since: int, since_id: str) -> Delta:
    """Count what changed since a generation.

    Net rows are None where no changed section counts rows. A table (form ROWS) that came or went, or a schema that
    differs, is a change of schema; a file that came or went is not.
    """
    changed = added = removed = 0
    net: int | None = None
    schema = False
    for old, new in pairs:
        if old is not None and new is not None:
            changed += 1
        elif old is None:
            added += 1
        else:
            removed += 1
        for section, sign in ((old, -1), (new, 1)):
            if section is not None and section.rows is not None:
                net = (net or 0) + sign * section.rows
            if section is not None and is_schema(section):
                schema = True
        if old is None or new is None:
            schema = schema or (old or new).form is Form.ROWS  # type: ignore[union-attr]
    return Delta(since, since_id, changed, added, removed, net, schema)


def _changed(old: _Lines, new: _Lines, spill: Path | None) -> Iterator[Pair]:
    for before, after in _joined(old, new, spill):
        if before is not None and after is not None:
            if without_place(before) == without_place(after):
                continue
            pair = decode(before), decode(after)
            if differs(*pair):
                yield pair
        else:
            yield decode(before) if before else None, decode(after) if after else None


def _joined(old: _Lines, new: _Lines, spill: Path | None) -> Iterator[_LinePair]:
    """Every section once, its two lines together."""
    waiting: tuple[dict[bytes, bytes], dict[bytes, bytes]] = {}, {}
    for before, after in zip_longest(old, new):
        if before is not None and after is not None and without_place(before) == without_place(after):
            continue
        for side, line in ((0, before), (1, after)):
            if line is None:
                continue
            name = identity_of(line)
            other = waiting[1 - side].pop(name, None)
            if other is None:
                waiting[side][name] = line
            else:
                yield (other, line) if side else (line, other)
        if len(waiting[0]) + len(waiting[1]) > MOST_WAITING:
            yield from _spread(waiting, old, new, spill)
            return
    yield from ((line, None) for line in waiting[0].values())
    yield from ((None, line) for line in waiting[1].values())


def _spread(
    waiting: tuple[dict[bytes, bytes], dict[bytes, bytes]], old: _Lines, new: _Lines, spill: Path | None
) -> Iterator[_LinePair]:
    """Join what waits and what is left by way of files that each hold a 64th of the identities."""
    with ExitStack() as stack:
        files: list[list[IO[bytes]]] = [
            [stack.enter_context(tempfile.TemporaryFile(dir=spill)) for _ in range(_BUCKETS)] for _ in range(2)
        ]
        for side, rest in ((0, old), (1, new)):
            for line in waiting[side].values():
                files[side][identity_of(line)[0] % _BUCKETS].write(line + b"\n")
            waiting[side].clear()
            for line in rest:
                files[side][identity_of(line)[0] % _BUCKETS].write(line + b"\n")
        for before, after in zip(*files, strict=True):
            before.seek(0)
            after.seek(0)
            lines = {identity_of(line): line[:-1] for line in before}
            for line in after:
                yield lines.pop(identity_of(line), None), line[:-1]
            yield from ((line, None) for line in lines.values())
