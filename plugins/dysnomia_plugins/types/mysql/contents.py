"""The contents of a dump: its pieces turned into sections while they stream into a sink.

Each table gives two sections: ``schema`` (its CREATE TABLE) and ``table`` (its rows, from LOCK TABLES to UNLOCK
TABLES, and its AUTO_INCREMENT: a row that comes is no change of the schema). There is one ``sequence``, ``view``,
``trigger``, ``event``, ``function``, ``procedure``, ``package`` or ``package body`` for each of these. All else (SET
statements, what stands in for a view until the end) belongs to none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dysnomia_plugins.toolkit.sqldump.names import decode
from dysnomia_plugins.toolkit.sqldump.pending_comments import TriviaKeeper
from dysnomia_plugins.types.mysql.created import SCHEMA, SEQUENCE, TABLE, TRIGGER, VIEW, Created, created
from dysnomia_plugins.types.mysql.names import names_in, unquoted
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part, Piece, canonical, unqualified
from dysnomia_plugins.types.mysql.sequences import own
from dysnomia_plugins.types.mysql.views import own_names
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

_LOCK = re.compile(rb"LOCK TABLES (`(?:[^`]|``)*+`) WRITE\s*\Z", re.IGNORECASE)
_UNLOCK = re.compile(rb"UNLOCK TABLES\s*\Z", re.IGNORECASE)
_INSERT_INTO = re.compile(rb"[^`]*(`(?:[^`]|``)*+`)\s*+(\((?:[^`)]|`(?:[^`]|``)*+`)*+\))?")
_NAMES = re.compile(rb"`(?:[^`]|``)*+`|\w++")
_SETVAL = re.compile(rb"DO SETVAL\((`(?:[^`]|``)*+`), (-?\d+), (\d)\)")
_COLUMN = re.compile(rb"^  (`(?:[^`\n]|``)*+`) ", re.MULTILINE)
_COUNTER = re.compile(rb"^\) ENGINE=\S+ (AUTO_INCREMENT=(\d+) )", re.MULTILINE)
_DATABASE = re.compile(rb"Database: ([^\n]*)\n")
_PRIMARY_KEY = re.compile(rb"^  PRIMARY KEY (\(.*\))", re.MULTILINE)


def table_columns(statement: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns and primary key of a CREATE TABLE as the server prints it."""
    columns = tuple(unquoted(name) for name in _COLUMN.findall(statement))
    key = _PRIMARY_KEY.search(statement)
    return columns, names_in(key[1]) if key else ()


def insert_target(head: bytes) -> tuple[str, tuple[str, ...]]:
    """The table of an INSERT's head, and its columns where they are named."""
    match = _INSERT_INTO.match(head)
    if match is None:
        return decode(head), ()
    return unquoted(match[1]), tuple(unquoted(name) for name in _NAMES.findall(match[2] or b""))


class ContentsWriter(TriviaKeeper):
    """Writes the pieces of one dump into a sink, section by section."""

    def __init__(self, sink: ContentSink) -> None:
        super().__init__(sink)
        self._open = ""
        self._rows = 0
        self._locked = False
        self._table: tuple[str, tuple[str, ...], tuple[str, ...]] = ("", (), ())
        self._sequence: tuple[str, bytes] | None = None
        self._counter = ("", "")
        self._database = ""
        self._named: set[int] = set()

    def write(self, piece: Piece) -> None:
        """Take the next piece."""
        part, data = piece.part, piece.data
        if part is Part.ROWS:
            self._rows += piece.rows
            self._sink.write(data)
        elif part is Part.TRIVIA:
            self._keep(data)
        elif part is Part.INSERT:
            self._insert(data)
        elif part is Part.STATEMENT:
            self._statement(data)
        elif part is Part.DELIMITER:
            self._between(data)
        else:
            self._masked(piece)

    def finish(self) -> None:
        """End what is open: at the dump's end, or where a cut one stops."""
        self._end_sequence(None)
        self._end()
        self._flush()
        self._tell()

    # Outside of sections.

    def _between(self, data: bytes) -> None:
        self._end_sequence(None)
        if not self._locked:
            self._end()
        self._flush()
        self._sink.write(data)

    def _masked(self, piece: Piece) -> None:
        self._end_sequence(None)
        self._end()
        self._flush()
        if piece.part is Part.HEADER and (named := _DATABASE.search(piece.data)):
            self._database = decode(named[1])
        statement = canonical(piece)
        if statement is None:
            self._sink.write(piece.data)
        else:
            self._sink.write_masked(piece.data, statement)

    # Sections.

    def _begin(self, kind: str, name: str, form: Form, attributes: Mapping[str, str] | None = None) -> None:
        self._end()
        self._flush()
        following = self._told(name) if kind in (TABLE, SCHEMA) else ""
        count, plain = 1, name
        while (mark := hash((kind, name))) in self._named:
            count += 1
            name = f"{plain} ({count})"
        self._named.add(mark)
        columns, key = self._table[1:] if kind == TABLE and self._table[0] == plain else ((), ())
        self._sink.begin_section(
            kind, name, form, columns=columns, key=key, attributes={"next": following} if following else attributes
        )
        self._open = kind
        self._rows = 0

    def _end(self) -> None:
        if self._open:
            kind, self._open = self._open, ""
            self._locked = False
            self._sink.end_section(self._rows if kind == TABLE else None)

    def _statement(self, data: bytes) -> None:
        text = data.rstrip(b"; \n")
        if self._end_sequence(data):
            return
        if lock := _LOCK.match(text):
            self._begin(TABLE, unquoted(lock[1]), Form.ROWS)
            self._locked = True
            self._sink.write(data)
        elif self._locked:
            self._flush()
            self._sink.write(data)
            if _UNLOCK.match(text):
                self._end()
        else:
            self._create(data)

    def _create(self, data: bytes) -> None:
        made = created(data)
        if made is None or made.stands_in:
            self._between(data)
        elif made.kind == SEQUENCE:
            self._end()
            self._flush()
            self._sequence = made.name, data
        else:
            if made.kind == SCHEMA:
                self._table = made.name, *table_columns(data)
            self._begin(made.kind, made.name, Form.TEXT)
            self._text(made, data)
            self._end()

    def _text(self, made: Created, data: bytes) -> None:
        """The statement of a section, less what is told elsewhere."""
        statement = unqualified(data) if made.kind == TRIGGER else None
        if statement is not None:
            self._sink.write_masked(data, statement)
            return
        masked = list(own(data, [self._database])) if made.kind == SCHEMA else []
        if made.kind == VIEW:
            masked = list(own_names(data, self._database))
        if made.kind == SCHEMA and (counter := _COUNTER.search(data)):
            self._counter = made.name, decode(counter[2])
            masked.append(counter.span(1))
        position = 0
        for start, end in masked:
            self._sink.write(data[position:start])
            self._sink.write_masked(data[start:end], b"")
            position = end
        self._sink.write(data[position:])

    def _told(self, name: str) -> str:
        """The AUTO_INCREMENT of a table whose rows begin: it is theirs, and each row that comes changes it."""
        owner, value = self._counter
        if owner == name:
            self._counter = "", ""
            return value
        self._tell()
        return ""

    def _tell(self) -> None:
        """A table that has one and no section for its rows."""
        value, self._counter = self._counter[1], ("", "")
        if value:
            self._sink.digest_only(b"AUTO_INCREMENT=" + value.encode())

    def _end_sequence(self, data: bytes | None) -> bool:
        """A sequence waits for the statement that sets it. Returns whether ``data`` is that one."""
        if self._sequence is None:
            return False
        name, statement = self._sequence
        self._sequence = None
        value = _SETVAL.match(data) if data is not None else None
        trivia, self._trivia = self._trivia, b""
        self._begin(SEQUENCE, name, Form.TEXT, {"value": decode(value[2])} if value else None)
        self._sink.write(statement)
        if value is not None and data is not None:
            self._sink.write(trivia + data)
        self._end()
        if value is None:
            self._trivia = trivia
        return value is not None

    def _insert(self, data: bytes) -> None:
        self._end_sequence(None)
        name, columns = insert_target(data)
        if not self._locked and (self._open != TABLE or self._table[0] != name):
            self._begin(TABLE, name, Form.ROWS)
        self._flush()
        if columns:
            self._sink.describe_section(columns=columns)
        self._sink.write(data)


def scan(scanner: DumpScanner, sink: ContentSink) -> Iterator[Piece]:
    """Write a whole dump into ``sink``, and tell of each piece."""
    writer = ContentsWriter(sink)
    for piece in scanner.pieces():
        writer.write(piece)
        yield piece
    writer.finish()
