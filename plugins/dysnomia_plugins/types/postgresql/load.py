"""Loading a dump into a new database: every byte checked as it streams, every row counted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from dysnomia_plugins.base import Context, Stored
from dysnomia_plugins.errors import NotSafe, PluginError, Truncated
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.toolkit.sqldump.ranges import PiecesReader, stored_range
from dysnomia_plugins.toolkit.sqldump.reader import Readable
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.confined import refusals_in_words
from dysnomia_plugins.types.postgresql.contents import LARGE_OBJECT, SCHEMA, SEQUENCE, TABLE
from dysnomia_plugins.types.postgresql.names import identifier
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part, Piece
from dysnomia_plugins.types.postgresql.sessions import Session, opening
from dysnomia_plugins.types.postgresql.statements import Statements
from dysnomia_plugins.types.postgresql.surroundings import Surroundings, creation, setting
from dysnomia_store.model import Section

_COPIED = re.compile(rb"COPY (\d+)\Z")


def create(client: Client, database: str, around: Surroundings | None, owner: str = "") -> None:
    """An empty database for a load, like ``around`` in what cannot be changed later, and with its settings: what is
    loaded may depend on them.

    Where we are a superuser, nobody else may connect until it is given its surroundings, but an ``owner`` who loads it.
    """
    options = creation(around, client.version)
    name = identifier(database)
    if owner:
        options += f" OWNER {identifier(owner)}"
    elif client.superuser:
        options += " CONNECTION LIMIT 0"
    client.script(f"CREATE DATABASE {name} WITH {options};")
    settings = setting(around, database) if around else ""
    if owner:
        settings += f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
    if settings:
        client.script(settings)


class Loader:
    """One load: the pieces of a dump through psql, wrapped in a restrict pair of our own.

    A restrict line within another fails in psql, so the dump's own pair is dropped, by its place. No other command
    for the client may be in a dump at all. Rows are counted three times: as they are sent, against the contents
    index, and by the server.
    """

    def __init__(
        self, ctx: Context, client: Client, database: str, statements: Statements, *, own: Mapping[str, str]
    ) -> None:
        self._ctx = ctx
        self._client = client
        self._database = database
        self._statements = statements
        self._own = own
        self._last: list[bytes] = []
        """Statements that are run after all others."""
        self._skipping = self._waiting = False
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
        self._statements.partial = True
        self._load(source, counts, total, partial=True)

    def _load(self, source: Readable, counts: Iterator[Section], total: int | None, *, partial: bool) -> DumpScanner:
        scanner = DumpScanner(source)
        done = rows = 0
        with refusals_in_words(), self._psql() as stdin:
            for part, data in self._passed(scanner):
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
            stdin.write(b"\n" + self._statements.ending() + b"\n".join(self._last))
        self._compare()
        return scanner

    def _passed(self, scanner: DumpScanner) -> Iterator[Piece]:
        """The pieces that psql is given: what is left out is not among them, what is wrapped has its wrapping."""
        rules = self._statements
        after = b""
        for part, data in scanner.pieces():
            if part in (Part.RESTRICT, Part.UNRESTRICT):
                continue
            if part is Part.META:
                raise NotSafe(
                    f"the dump holds a command for the client ({data[:40].decode('utf-8', 'replace').strip()!r})",
                    "it was not made by pg_dump for one database, and is not loaded",
                )
            if part is not Part.MORE and after:
                yield Part.TRIVIA, after
                after = b""
            if self._left(part, data):
                continue
            if part is Part.STATEMENT:
                if before := rules.before(data, standard=scanner.standard):
                    yield Part.TRIVIA, before
                after = rules.after(data)
                data = rules.instead(data)
            elif part is Part.COPY:
                yield Part.TRIVIA, rules.before_rows(standard=scanner.standard)
            yield part, data
            if part is Part.ROWS_END:
                yield Part.TRIVIA, rules.after_rows()
        if after:
            yield Part.TRIVIA, after

    def _left(self, part: Part, data: bytes) -> bool:
        """Whether a piece is of a statement that is left out, or kept for the end."""
        if part is Part.STATEMENT:
            self._skipping = self._statements.skips(data)
            self._waiting = not self._skipping and self._statements.waits(data)
            if self._waiting:
                self._last.append(data)
        elif part is Part.MORE and self._waiting:
            self._last[-1] += data
        return part in (Part.STATEMENT, Part.MORE) and (self._skipping or self._waiting)

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
            counts = f"{self._sent[at]} rows were sent and {self._taken[at]} taken" if at >= 0 else "tables are missing"
            raise PluginError(f"the server did not load the whole dump: {counts}")

    def _output(self, line: bytes) -> None:
        if copied := _COPIED.match(line):
            self._taken.append(int(copied[1]))
        else:
            self._statements.heard(line)

    @contextmanager
    def _psql(self) -> Iterator[BinaryIO]:
        argv = [self._client.psql.path, "-X", "-w", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-f", "-"]
        key = secrets.token_hex(24).encode() if self._client.psql.restricts else b""
        with (
            self._client.explained(),
            self._client.runner.writing(
                argv,
                env=self._client.environment(self._database, Session.LOAD),
                user=self._client.server.os_user,
                on_stdout=self._output,
            ) as stdin,
        ):
            if key:
                stdin.write(b"\\restrict " + key + b"\n")
            stdin.write(encode(opening(self._own, money=self._statements.money)))
            stdin.write(self._statements.opening())
            yield stdin
            if key:
                stdin.write(b"\n\\unrestrict " + key + b"\n")


class SectionsReader(PiecesReader):
    """Some sections of a stored dump, one after the other, as one readable; a newline between them."""

    def __init__(self, stored: Stored, sections: Sequence[Section]) -> None:
        self._stored = stored
        super().__init__(self._read(sections))

    def _read(self, sections: Sequence[Section]) -> Iterator[bytes]:
        for section in sections:
            if section.offset is None or section.length is None:
                raise PluginError(f"the position of {section.name} in the dump is not known", "restore the whole of it")
            # pg_dump has one transaction around all large objects, outside of their sections: a descriptor needs it.
            large = section.kind == LARGE_OBJECT
            yield b"BEGIN;\n" if large else b"\n"
            yield from stored_range(self._stored, section.artefact, section.offset, section.length)
            yield b"\nCOMMIT;\n" if large else b"\n"


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
