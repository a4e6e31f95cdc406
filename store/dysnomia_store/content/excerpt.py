"""What two sections of rows do not share: frames that both hold are left out, and a comparison does not read them.

A row is a line, and frames end with lines nearly always; whether they do is looked at where a run of shared frames
begins and ends. Rows are compared as a multiset, so it does not matter where in either section a shared run is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from dysnomia_base.records import dataclass
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.snapshots import StoredSnapshot
from dysnomia_store.model import Metadata, Section

LEAST_RUN = 2
"""Frames: of one alone, looking where its lines end would cost about what reading it does. In dumps of MariaDB runs are
short after a change: each MiB of rows begins anew with an INSERT, and where it stands moves."""
_TRIES = 3
"""Frames at either end of a run that are looked at for one that ends with a line."""


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that follow one another on both sides."""

    old: int
    new: int
    count: int


class Excerpt:
    """A snapshot in which one section is read without some of its frames (the plugin layer's ``Stored``)."""

    def __init__(
        self, stored: StoredSnapshot, artefact: FolderReader, section: Section, left_out: frozenset[int]
    ) -> None:
        self._stored = stored
        self._artefact = artefact
        self._section = section
        self._left_out = left_out

    @property
    def kept(self) -> int:
        """Bytes of the section that are read."""
        return (self._section.length or 0) - sum(map(self._artefact.frames.size, self._left_out))

    @property
    def metadata(self) -> Metadata | None:
        return self._stored.metadata

    @property
    def folder(self) -> Path:
        return self._stored.folder

    def artefacts(self) -> tuple[str, ...]:
        return self._stored.artefacts()

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        return self._stored.open(artefact)

    def open_range(self, artefact: str, offset: int, length: int) -> AbstractContextManager[BinaryIO]:
        """As of the snapshot; of the section, without what was left out."""
        if (artefact, offset, length) == (self._section.artefact, self._section.offset, self._section.length):
            return self._artefact.open_range(offset, length, self._left_out)
        return self._stored.open_range(artefact, offset, length)

    def sections(self) -> Iterator[Section]:
        return self._stored.sections()


def unshared(
    old: StoredSnapshot, old_section: Section, new: StoredSnapshot, new_section: Section
) -> tuple[Excerpt, Excerpt] | None:
    """Both snapshots without what these sections share; None where they share nothing that need not be read.

    Every line of the sections between their first and last frames must be a row. Raises NotFound, Corrupt.
    """
    before, after = _frames(old, old_section), _frames(new, new_section)
    if before is None or after is None:
        return None
    left_out: tuple[set[int], set[int]] = (set(), set())
    for run in _runs(before[0], before[1], after[0], after[1]):
        whole = _in_lines(before[0], after[0], run)
        left_out[0].update(range(whole.old, whole.old + whole.count))
        left_out[1].update(range(whole.new, whole.new + whole.count))
    if not left_out[0]:
        return None
    return (
        Excerpt(old, before[0], old_section, frozenset(left_out[0])),
        Excerpt(new, after[0], new_section, frozenset(left_out[1])),
    )


def _frames(stored: StoredSnapshot, section: Section) -> tuple[FolderReader, range] | None:
    """The artefact of a section, and the frames in it that hold neither its beginning nor its end."""
    if section.offset is None or section.length is None:
        return None
    artefact = stored.reader(section.artefact)
    if not isinstance(artefact, FolderReader):
        return None
    covering = artefact.frames.table.covering(section.offset, section.length)
    return artefact, range(covering.start + 1, max(covering.start + 1, covering.stop - 1))


def _runs(old: FolderReader, in_old: range, new: FolderReader, in_new: range) -> Iterator[Run]:
    """Runs of frames that both have in these ranges, each frame in one run at the most."""
    where: dict[bytes, list[int]] = {}
    for number in reversed(in_new):
        where.setdefault(new.frames.digest(number), []).append(number)
    used: set[int] = set()
    at = in_old.start
    while at < in_old.stop:
        places = where.get(old.frames.digest(at), [])
        while places and places[-1] in used:
            places.pop()
        if not places:
            at += 1
            continue
        start, count = places[-1], 0
        while (
            at + count < in_old.stop
            and start + count < in_new.stop
            and start + count not in used
            and old.frames.digest(at + count) == new.frames.digest(start + count)
        ):
            used.add(start + count)
            count += 1
        if count >= LEAST_RUN:
            yield Run(at, start, count)
        at += count


def _in_lines(old: FolderReader, new: FolderReader, run: Run) -> Run:
    """The part of a run that begins where a line begins, on both sides, and ends where one ends."""
    first, last = 0, run.count
    if not (_ends_line(old, run.old - 1) and _ends_line(new, run.new - 1)):
        first = next((at for at in range(1, _TRIES + 1) if at < last and _ends_line(old, run.old + at - 1)), last)
    tries = range(last, max(first, last - _TRIES), -1)
    last = next((at for at in tries if _ends_line(old, run.old + at - 1)), first)
    return Run(run.old + first, run.new + first, last - first)


def _ends_line(artefact: FolderReader, number: int) -> bool:
    return artefact.frame(number).endswith(b"\n")
