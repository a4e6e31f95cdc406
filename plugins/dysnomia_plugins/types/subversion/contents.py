"""What a snapshot of a repository holds, and how it is written and read.

Four artefacts: ``dump``, the whole history as ``svnadmin load`` takes it; ``revisions``, a line of JSON for each with
a digest of it, so that they are listed and compared without the dump; ``locks``, a line each; ``files.tar``, what else
stands in the repository's folder: hooks, configuration. Another tool's snapshot has ``dump`` alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import BinaryIO, Protocol

from dysnomia_plugins.base import Draft, Row, Stored
from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.toolkit.files_reader import content_row
from dysnomia_plugins.toolkit.repositories.files import FILES
from dysnomia_plugins.toolkit.trees.contents import member_rows, rescan_tar
from dysnomia_plugins.types.subversion.dumpfile import BadDump, DumpReader
from dysnomia_plugins.types.subversion.locks import COLUMNS, Lock, cells_of, line_of, lock_of
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import Buffer, ContentSink

DUMP = "dump"
REVISIONS = "revisions"
LOCKS = "locks"

HISTORY = ("history", "revisions")
LOCKED = ("list", "locks")
REVISION_COLUMNS = ("rev", "author", "log", "date", "paths", "content")
"""The log before the date: both are wide, and in a narrow terminal it is the log that tells."""
_BATCH = 500
_MAX_LINE = 1 << 20
MAX_LOCKS = 64 << 20
"""Bytes of the list of locks, which is held in memory: some 300,000 of them."""


def begin_revisions(sink: ContentSink) -> None:
    sink.begin_section(*HISTORY, Form.ROWS, columns=REVISION_COLUMNS, key=("rev",))


class Takes(Protocol):
    """Where a dump's bytes go."""

    def write(self, data: Buffer) -> None: ...


def write_history(reader: DumpReader, dump: Takes, rows: ContentSink, *, stored: bool = True) -> int:
    """A dump and the list of its revisions. Returns how many there are. Raises Truncated, BadDump.

    ``stored``: False where the list is worked out for a snapshot that holds none."""
    begin_revisions(rows)
    count = 0
    for revision in reader.revisions(dump.write):
        if not revision.padding:
            (rows.write if stored else rows.digest_only)(revision.row())
            count += 1
    rows.end_section(count)
    return count


def write_locks_list(sink: ContentSink, locks: Sequence[Lock]) -> None:
    """The list of locks as a section; one without a line where there are none."""
    sink.begin_section(*LOCKED, Form.ROWS, columns=COLUMNS, key=("path",))
    for lock in locks:
        sink.write(line_of(lock))
    sink.end_section(len(locks))


def read_locks_list(stored: Stored) -> list[Lock]:
    """The locks that a snapshot holds. Raises BadDump."""
    if LOCKS not in stored.artefacts():
        return []
    with stored.open(LOCKS) as stream:
        locks: list[Lock] = []
        size = 0
        for line in _lines(stream):
            size += len(line)
            if size > MAX_LOCKS:
                raise BadDump(
                    f"the snapshot's list of locks is longer than {MAX_LOCKS:,} bytes", "it was not made here"
                )
            locks.append(lock_of(line))
        return locks


def rescan(stored: Stored, draft: Draft) -> bool | None:
    """Work out digests and contents again. Returns whether it is complete: unknown where it holds a dump alone,
    since a dump has no end marker."""
    names = stored.artefacts()
    ours = REVISIONS in names
    try:
        with ExitStack() as stack:
            dump = stack.enter_context(draft.artefact(DUMP))
            rows = stack.enter_context(draft.artefact(REVISIONS))
            reader = DumpReader(stack.enter_context(stored.open(DUMP)))
            write_history(reader, dump, rows, stored=ours)
    except Truncated:
        return False
    with draft.artefact(LOCKS) as sink:
        write_locks_list(sink, read_locks_list(stored))
    if FILES not in names:
        return None
    with draft.artefact(FILES) as sink, stored.open(FILES) as stream:
        whole = rescan_tar(stream, sink)
    if not ours:
        return None if whole else False
    return whole and _same_revisions(stored)


def _same_revisions(stored: Stored) -> bool:
    """Whether the list says what the dump holds. A dump that was cut between two revisions holds fewer."""
    with stored.open(REVISIONS) as listed, stored.open(DUMP) as dump:
        lines = _lines(listed)
        for revision in DumpReader(dump).revisions(_nowhere):
            if not revision.padding and next(lines, None) != revision.row():
                return False
        return next(lines, None) is None


def _nowhere(_data: Buffer) -> None:
    return None


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """Revisions and locks as lines of JSON; files as fileset does."""
    if (section.kind, section.name) == HISTORY:
        yield from _batches(_revision_lines(stored))
    elif (section.kind, section.name) == LOCKED:
        yield from _batches(map(line_of, read_locks_list(stored)))
    else:
        yield from member_rows(stored, section)


def _revision_lines(stored: Stored) -> Iterator[bytes]:
    if REVISIONS in stored.artefacts():
        with stored.open(REVISIONS) as stream:
            yield from _lines(stream)
        return
    with stored.open(DUMP) as stream:
        for revision in DumpReader(stream).revisions(_nowhere):
            if not revision.padding:
                yield revision.row()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(1 << 18):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > _MAX_LINE:
            raise BadDump("the snapshot's list of revisions holds a line without an end")
    if rest:
        yield rest


def _batches(lines: Iterator[bytes]) -> Iterator[Sequence[bytes]]:
    while batch := list(islice(lines, _BATCH)):
        yield batch


def parse_row(section: Section, raw: bytes) -> Row:
    """A revision, a lock, or a line of a file, as cells."""
    if (section.kind, section.name) == HISTORY:
        return _revision_row(raw)
    if (section.kind, section.name) == LOCKED:
        cells = cells_of(lock_of(raw))
        return Row(key=cells[:1], cells=cells)
    return content_row(section, raw)


def _revision_row(raw: bytes) -> Row:
    try:
        number, author, date, log, changes, digest = json.loads(raw)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadDump("the snapshot's list of revisions holds an invalid line", repr(raw[:60])) from error
    message = _text(log)
    cells = (
        f"r{number}", _text(author), None if message is None else message.rstrip(), _date(_text(date)), str(changes),
        str(digest)[:12],
    )  # fmt: skip
    return Row(key=cells[:1], cells=cells)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _date(value: str | None) -> str | None:
    """To the second: ``2026-11-22 12:44:30Z``. What is no date of Subversion's stays as it is."""
    if value is None or len(value) != 27 or value[10] != "T" or not value.endswith("Z"):
        return value
    return f"{value[:10]} {value[11:19]}Z"
