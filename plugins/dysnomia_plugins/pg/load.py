"""Loading a dump into a new database: every byte checked as it streams, every row counted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from dysnomia_plugins.base import Context, Stored
from dysnomia_plugins.errors import NotSafe, PluginError, Truncated
from dysnomia_plugins.pg.client import Client
from dysnomia_plugins.pg.contents import SCHEMA, SEQUENCE, TABLE
from dysnomia_plugins.pg.names import identifier, split_qualified
from dysnomia_plugins.pg.scanner import DumpScanner, Part
from dysnomia_plugins.pg.surroundings import Surroundings, creation
from dysnomia_plugins.sqldump.names import decode
from dysnomia_plugins.sqldump.ranges import PiecesReader, stored_range
from dysnomia_plugins.sqldump.reader import Readable
from dysnomia_store.model import Section

_ALTER_TABLE = re.compile(rb"ALTER TABLE (?:ONLY )?")
_CONSTRAINT = re.compile(rb"\s*ADD CONSTRAINT\s+")
_COPIED = re.compile(rb"COPY (\d+)\Z")


def create(client: Client, database: str, around: Surroundings | None) -> None:
    """An empty database for a load, like ``around`` in what cannot be changed later.

    Where we are a superuser, nobody else may connect until it is given its surroundings."""
    options = creation(around, client.version)
    limit = " CONNECTION LIMIT 0" if client.superuser else ""
    client.script(f"CREATE DATABASE {identifier(database)} WITH {options}{limit};")


class Loader:
    """One load: the pieces of a dump through psql, wrapped in a restrict pair of our own.

    A restrict line within another fails in psql, so the dump's own pair is dropped, by its place. No other command
    for the client may be in a dump at all. Rows are counted three times: as they are sent, against the contents
    index, and by the server.
    """

    def __init__(self, ctx: Context, client: Client, database: str) -> None:
        self.left_out: list[str] = []
        """Foreign keys a partial load leaves out."""
        self._ctx = ctx
        self._client = client
        self._database = database
        self._sent: list[int] = []
        self._taken: list[int] = []

    def whole(self, source: Readable, counts: Iterator[Section], total: int | None) -> None:
        """Load a whole dump. ``counts`` are the tables of its contents index, in the order of the dump.

        Raises Truncated, NotSafe, ServerDown, ProcessFailed, and what ``source`` raises; what is loaded by then is to
        be dropped."""
        scanner = self._load(source, counts, total, partial=False)
        if not scanner.complete:
            raise Truncated("the dump ends before its end marker", "restore another generation")

    def some(self, source: Readable, counts: Iterator[Section], total: int | None) -> None:
        """Load sections that come one after the other. Foreign keys are left out: what they refer to may be."""
        self._load(source, counts, total, partial=True)

    def _load(self, source: Readable, counts: Iterator[Section], total: int | None, *, partial: bool) -> DumpScanner:
        scanner = DumpScanner(source)
        done = rows = 0
        with self._psql() as stdin:
            for part, data in scanner.pieces():
                if part in (Part.META, Part.STATEMENT) and self._skips(part, data, partial):
                    continue
                if part not in (Part.RESTRICT, Part.UNRESTRICT):
                    stdin.write(data)
                if part is Part.ROWS:
                    rows += data.count(b"\n")
                elif part is Part.ROWS_END:
                    self._count(rows, counts)
                    rows = 0
                done += len(data)
                self._ctx.progress.advance(done, total)
            if not partial and not scanner.complete:
                raise Truncated("the dump ends before its end marker", "restore another generation")
        self._compare()
        return scanner

    def _skips(self, part: Part, data: bytes, partial: bool) -> bool:
        if part is Part.META:
            raise NotSafe(
                f"the dump holds a command for the client ({data[:40].decode('utf-8', 'replace').strip()!r})",
                "it was not made by pg_dump for one database, and is not loaded",
            )
        if partial and (name := foreign_key(data)):
            self.left_out.append(name)
            return True
        return False

    def _count(self, rows: int, counts: Iterator[Section]) -> None:
        """A table was sent: the index must know it with as many rows."""
        self._sent.append(rows)
        expected = next(counts, None)
        if expected is not None and expected.rows is not None and expected.rows != rows:
            raise PluginError(f"{expected.name} has {rows} rows in the dump, and {expected.rows} in its contents index")

    def _compare(self) -> None:
        """The server must have taken what was sent."""
        if self._taken != self._sent:
            at = next((n for n, (a, b) in enumerate(zip(self._sent, self._taken, strict=False)) if a != b), -1)
            said = f"{self._sent[at]} rows were sent and {self._taken[at]} taken" if at >= 0 else "tables are missing"
            raise PluginError(f"the server did not take the whole dump: {said}")

    def _output(self, line: bytes) -> None:
        if copied := _COPIED.match(line):
            self._taken.append(int(copied[1]))

    @contextmanager
    def _psql(self) -> Iterator[BinaryIO]:
        argv = [self._client.psql.path, "-X", "-w", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-f", "-"]
        key = secrets.token_hex(24).encode() if self._client.psql.restricts else b""
        with (
            self._client.explained(),
            self._client.runner.writing(
                argv,
                env=self._client.environment(self._database),
                user=self._client.server.os_user,
                on_stdout=self._output,
            ) as stdin,
        ):
            if key:
                stdin.write(b"\\restrict " + key + b"\n")
            yield stdin
            if key:
                stdin.write(b"\n\\unrestrict " + key + b"\n")


def foreign_key(statement: bytes) -> str:
    """The constraint's and the table's name where ``statement`` adds a foreign key; else ``""``."""
    head = _ALTER_TABLE.match(statement)
    table = split_qualified(statement[head.end() :]) if head else None
    added = _CONSTRAINT.match(table[1]) if table else None
    constraint = split_qualified(table[1][added.end() :]) if table and added else None
    if table is None or constraint is None or not constraint[1].lstrip().startswith(b"FOREIGN KEY"):
        return ""
    return f"{decode(constraint[0])} on {decode(table[0])}"


class SectionsReader(PiecesReader):
    """Some sections of a stored dump, one after the other, as one readable; a newline between them."""

    def __init__(self, stored: Stored, sections: Sequence[Section]) -> None:
        self._stored = stored
        super().__init__(self._read(sections))

    def _read(self, sections: Sequence[Section]) -> Iterator[bytes]:
        for section in sections:
            if section.offset is None or section.length is None:
                raise PluginError(f"it is not known where {section.name} is in the dump", "restore the whole of it")
            yield from stored_range(self._stored, section.artefact, section.offset, section.length)
            yield b"\n"


def chosen_sections(stored: Stored, wanted: Sequence[Section]) -> tuple[list[Section], list[str], int]:
    """What a partial load reads, in the order of the dump: definitions, the chosen data, all sequences, what comes
    after the data. And the names of the tables it leaves out (the first few), and how many those are."""
    keys = {(section.kind, section.name) for section in wanted}
    taken: list[Section] = []
    missing: list[str] = []
    count = 0
    for section in stored.sections():
        if section.kind in (SCHEMA, SEQUENCE) or (section.kind, section.name) in keys:
            taken.append(section)
        elif section.kind == TABLE and section.rows:
            count += 1
            if len(missing) < 20:
                missing.append(section.name)
    return taken, missing, count
