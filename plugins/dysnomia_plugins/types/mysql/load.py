"""Loading a dump into a new schema: every byte checked as it streams, every row counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

from dysnomia_plugins.base import Context, Stored
from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.toolkit.sqldump.names import decode, encode
from dysnomia_plugins.toolkit.sqldump.ranges import PiecesReader, stored_range
from dysnomia_plugins.toolkit.sqldump.reader import Readable
from dysnomia_plugins.types.mysql import session, vetting
from dysnomia_plugins.types.mysql.accounts import Account
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.contents import insert_target
from dysnomia_plugins.types.mysql.created import CODE, EVENT, SCHEMA, SEQUENCE, TABLE, VIEW, Created, created
from dysnomia_plugins.types.mysql.engines import refuse_missing, supported
from dysnomia_plugins.types.mysql.kept_events import EventsFinder
from dysnomia_plugins.types.mysql.lending import Lender
from dysnomia_plugins.types.mysql.names import identifier, literal
from dysnomia_plugins.types.mysql.packets import RowWriter
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part, Piece, renamed, unqualified
from dysnomia_plugins.types.mysql.sequences import moved
from dysnomia_plugins.types.mysql.views import found_in, without_schema
from dysnomia_store.model import Section

_ARCHIVE_COUNTER = re.compile(rb"(?<=\n\) ENGINE=ARCHIVE) AUTO_INCREMENT=(\d+)")
_MODE = re.compile(rb"SET\s+@OLD_SQL_MODE\s*=\s*@@SQL_MODE\s*,\s*SQL_MODE\s*=", re.IGNORECASE)
"""In the header of a dump, before all tables and rows."""
_NAMES = re.compile(rb"\bNAMES\s+'?(\w+)", re.IGNORECASE)


class Loader:
    """One load: the pieces of a dump through a client that has its own commands switched off.

    The sandbox line is dropped, by its place: not every client takes it, and this one needs none. Only statements
    that a dump of one schema is made of are sent. Rows are counted three times: as they are sent, against the contents
    index, and by the server."""

    def __init__(
        self, ctx: Context, client: Client, database: str, lender: Lender | None = None, *, closely: bool = False
    ) -> None:
        """``lender`` lends the definers of views what they need in the new schema. ``closely``: the dump is not
        trusted,
        and the client is an account that has rights on the schema alone."""
        self.events = b""
        """The text of the dump's events: none is made."""
        self.broken: dict[str, bytes] = {}
        """The views that did not work when they were dumped, as their comments have them: none is made."""
        self.definers: dict[tuple[str, str], tuple[Account | None, bytes]] = {}
        """The definer of each object of code, and its clause, where the dump is looked at closely: it is left out."""
        self._closely = closely
        self._lender = lender
        self._ctx = ctx
        self._client = client
        self._database = database
        self._name = encode(identifier(database))
        self._sent: list[tuple[str, int]] = []
        self._taken: list[int] = []
        self._packet = 0
        self._counters: dict[str, int] = {}
        self._engines: frozenset[str] = frozenset()

    def load(self, source: Readable, counts: Iterator[Section], total: int | None, *, unmarked: bool = False) -> None:
        """Load a dump. ``counts`` are the tables of its contents index, in the order of the dump; ``unmarked`` says
        that it may lack its end marker (another tool's snapshot).

        Raises Truncated, NotSafe, ServerDown, ProcessFailed, and what ``source`` raises; what is loaded by then is to
        be dropped."""
        self._packet = int(self._client.ask("SELECT JSON_ARRAY(@@max_allowed_packet)")[0])
        self._engines = supported(self._client)
        scanner = DumpScanner(source)
        with self._client.loading(self._database, self._output) as stdin:
            self._send(scanner, stdin, total)
            if scanner.complete is False or (scanner.complete is None and not unmarked):
                raise Truncated("the dump ends before its end marker", "restore another generation")
        self._compare(counts)
        self._set_counters()
        if self._closely and self.events:
            self._note_definers(self.events)

    def _send(self, scanner: DumpScanner, stdin: BinaryIO, total: int | None) -> None:
        stdin.write(encode(session.script(session.LOADING)))
        finder = EventsFinder()
        done = 0
        writer = RowWriter(stdin, self._packet)
        self._sent = writer.sent
        for piece in scanner.pieces():
            if finder.takes(piece):
                self.events += piece.data
                if piece.part is Part.DELIMITER:
                    stdin.write(piece.data)
            elif piece.part is Part.INSERT:
                writer.begin(insert_target(piece.data)[0], piece.data)
            elif piece.part is Part.ROWS:
                if self._closely:
                    vetting.check_rows(piece.data)
                writer.write(piece.data, piece.rows)
            elif piece.part is Part.TRIVIA and (broken := found_in(piece.data)):
                self.broken |= broken
            elif piece.part not in (Part.SANDBOX, Part.HEADER, Part.NAMED, Part.END):
                stdin.write(self._statement(scanner, piece))
                if piece.part is Part.STATEMENT and (names := _NAMES.search(vetting.plain(piece.data[:200]))):
                    writer.charset = names[1]
                if piece.part is Part.STATEMENT and _MODE.match(vetting.plain(piece.data[:200])):
                    stdin.write(encode(session.script((session.AFTER_MODE,))))
            done += len(piece.data)
            self._ctx.progress.advance(done, total)

    def _statement(self, scanner: DumpScanner, piece: Piece) -> bytes:
        """What is sent for it. Raises NotSafe where it is not of a dump of one schema."""
        if piece.part is Part.ALTER_DATABASE:
            return renamed(piece.data, self._name)
        if piece.part is not Part.STATEMENT:
            return piece.data
        if vetting.SKIPPED.match(vetting.plain(piece.data)):
            return b""
        made = vetting.check(piece.data, scanner.database)
        data = piece.data
        if made is not None and made.kind in (SCHEMA, SEQUENCE):
            refuse_missing(made.name, data, self._engines)
        if self._closely:
            vetting.check_closely(data, made)
            data = self._without_definer(data, made)
        if made is not None and made.kind == SCHEMA:
            data = self._without_counter(made.name, data)
            return moved(data, [decode(scanner.database)], self._database)
        if made is not None and made.kind == VIEW:
            lent = self._lender.lending(made) if self._lender is not None else b""
            return lent + without_schema(data, decode(scanner.database))
        return unqualified(data) or data

    def _without_counter(self, table: str, data: bytes) -> bytes:
        """A table of ARCHIVE takes no value below its AUTO_INCREMENT, and so no row of its own dump."""
        if counter := _ARCHIVE_COUNTER.search(data):
            self._counters[table] = int(counter[1])
            return data[: counter.start()] + data[counter.end() :]
        return data

    def _set_counters(self) -> None:
        """Where the rows left it behind: the rows of a table that has some would be refused again."""
        if not self._counters:
            return
        names = ", ".join(map(literal, self._counters))
        behind = self._client.rows(
            "SELECT JSON_ARRAY(table_name, auto_increment) FROM information_schema.tables"
            f" WHERE table_schema = {literal(self._database)} AND table_name IN ({names}) AND table_rows = 0"
        )
        for table, counter in behind:
            if counter != self._counters[table]:
                sql = f"ALTER TABLE {identifier(table)} AUTO_INCREMENT = {self._counters[table]};"
                self._client.script(sql, self._database)

    def _without_definer(self, data: bytes, made: Created | None) -> bytes:
        """Code of a dump that is not trusted is made as the account that loads it, and gets its definer afterwards."""
        if made is None or made.stands_in or made.kind not in (*CODE, EVENT):
            return data
        self.definers[made.kind, made.name] = vetting.definer(made), made.definer
        return vetting.with_definer(data, b"") if made.definer else data

    def _note_definers(self, text: bytes) -> None:
        for piece in DumpScanner(BytesIO(text)).pieces():
            if piece.part is Part.STATEMENT:
                self._without_definer(piece.data, created(piece.data))

    def _output(self, line: bytes) -> None:
        if line.isdigit():
            self._taken.append(int(line))

    def _compare(self, counts: Iterator[Section]) -> None:
        """The server must have taken what was sent, and the index must know it."""
        if len(self._taken) != len(self._sent):
            raise PluginError("the server did not load the whole dump: statements are missing")
        sums: dict[str, int] = {}
        for (table, sent), taken in zip(self._sent, self._taken, strict=True):
            if sent != taken:
                raise PluginError(f"the server did not load the whole dump: {table}: {sent} rows sent, {taken} taken")
            sums[table] = sums.get(table, 0) + sent
        for section in counts:
            rows = sums.get(section.name, 0)
            if section.rows is not None and section.rows != rows:
                raise PluginError(
                    f"{section.name} has {rows} rows in the dump, and {section.rows} in its contents index"
                )


class WithoutSections(PiecesReader):
    """A stored dump less the rows of some tables, as one readable."""

    def __init__(self, stored: Stored, left_out: Sequence[Section], size: int) -> None:
        self._stored = stored
        super().__init__(self._read(left_out, size))

    def _read(self, left_out: Sequence[Section], size: int) -> Iterator[bytes]:
        position = 0
        for section in left_out:
            assert section.offset is not None
            assert section.length is not None
            yield from stored_range(self._stored, section.artefact, position, section.offset - position)
            position = section.offset + section.length
        artefact = left_out[0].artefact if left_out else self._stored.artefacts()[0]
        yield from stored_range(self._stored, artefact, position, size - position)


def unwanted(stored: Stored, wanted: Sequence[Section]) -> list[Section]:
    """The tables whose rows a partial load leaves out, in the order of the dump.

    Raises PluginError where it is not known where they are in the dump."""
    names = {section.name for section in wanted if section.kind == TABLE}
    tables = [one for one in stored.sections() if one.kind == TABLE and one.name not in names]
    if any(one.offset is None or one.length is None for one in tables):
        raise PluginError("the positions of the tables in the dump are not known", "restore the whole of it")
    return tables
