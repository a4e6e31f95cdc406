"""Rows of a stored page copy, for browsing and comparing: the copy is written out once, to a private folder."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.toolkit.process import NeverCancelled
from dysnomia_plugins.types.sqlite import by_key
from dysnomia_plugins.types.sqlite.cells import decode_row, show_cell
from dysnomia_plugins.types.sqlite.load import rewrite, write_out
from dysnomia_plugins.types.sqlite.reader import Reader, find_table
from dysnomia_store.model import Form, Section

NAME = "copy.sqlite"
LINES = 512
"""Lines of a schema in a batch."""


class _Copy:
    """A page copy in a folder of its own, and the reader that has it open: opening one reads the whole schema, and
    there may be a thousand tables to be read."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="dysnomia-sqlite-", ignore_cleanup_errors=True)
        self.path = Path(self.folder.name) / NAME
        self._reader: tuple[tuple[int, int], Reader] | None = None

    def reader(self) -> Reader:
        """SQLite lets a connection be used by the thread that opened it, and by no process that was forked."""
        here = os.getpid(), threading.get_ident()
        if self._reader is None or self._reader[0] != here:
            self._reader = here, Reader(self.path)
        return self._reader[1]

    def let_go(self) -> None:
        """The file is about to be changed: what a reader knows of it is no longer so."""
        self._reader = None


class Extracts:
    """Page copies written out for reading, one for each snapshot; each goes when its snapshot is let go.

    They stand in the temporary folder (``TMPDIR``), readable by this user alone.
    """

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[Stored, _Copy] = weakref.WeakKeyDictionary()

    def path(self, stored: Stored) -> Path:
        """The page copy of ``stored`` as a file. Raises what reading it raises."""
        return self._copy(stored).path

    def reader(self, stored: Stored) -> Reader:
        """What reads it, open for as long as the snapshot is held. Raises as ``path``, PluginError."""
        return self._copy(stored).reader()

    def _copy(self, stored: Stored) -> _Copy:
        copy = self._made.get(stored)
        if copy is None:
            copy = _Copy()
            try:
                write_out(stored, copy.path, NeverCancelled())
            except BaseException:
                copy.folder.cleanup()
                raise
            self._made[stored] = copy
        return copy

    def change(self, stored: Stored, before: Stored, parts: Sequence[tuple[int, int]], size: int) -> None:
        """Make the copy of ``before`` that of ``stored``; where there is none, nothing. Raises as ``path``."""
        copy = self._made.pop(before, None)
        if copy is None or stored in self._made:
            return
        copy.let_go()
        try:
            rewrite(stored, copy.path, parts, size)
        except BaseException:
            copy.folder.cleanup()
            raise
        self._made[stored] = copy


def raw_rows(extracts: Extracts, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The canonical bytes of each row, or each line of the schema, in batches."""
    reader = extracts.reader(stored)
    if section.form is Form.TEXT:
        batch: list[bytes] = []
        for line in reader.schema_lines(reader.objects()):
            batch.append(line.encode("utf-8", "surrogateescape"))
            if len(batch) >= LINES:
                yield batch
                batch = []
        if batch:
            yield batch
    else:
        yield from reader.batches(find_table(reader, section))


def rows_of_key(extracts: Extracts, stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
    """The canonical bytes of the rows that may have the key."""
    reader = extracts.reader(stored)
    yield from by_key.rows_of_key(reader, find_table(reader, section), key)


def parse_row(section: Section, raw: bytes) -> Row:
    """One row as cells to show; a line of the schema is a row of one cell."""
    if section.form is Form.TEXT:
        return Row((), (os.fsdecode(raw),))
    values = decode_row(raw)
    affinities = section.attributes.get("affinity", "").split()
    affinities += ["BLOB"] * (len(values) - len(affinities))
    encoding = section.attributes.get("encoding", "UTF-8").lower()
    encoding = {"utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}.get(encoding, "utf-8")
    cells = tuple(show_cell(value, one, encoding) for value, one in zip(values, affinities, strict=False))
    places = {column: place for place, column in reversed(list(enumerate(section.columns)))}
    return Row(tuple(cells[places[name]] for name in section.key if places.get(name, len(cells)) < len(cells)), cells)
