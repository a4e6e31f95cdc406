"""The contents of a dump: its pieces turned into sections while they stream into a sink.

The order of a plain dump is fixed: definitions, then data (COPY blocks, large objects, sequence values), then what
needs the data (keys, indexes, triggers, grants). So there are two sections of kind ``schema``, one of kind ``table``
for each COPY block, one ``sequence`` for each setval and one ``large object`` for each object. White space and comments
between data belong to no section.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from dysnomia_plugins.toolkit.sqldump.names import decode, decode_as
from dysnomia_plugins.toolkit.sqldump.pending_comments import TriviaKeeper
from dysnomia_plugins.types.postgresql.names import identifiers, split_qualified
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

SCHEMA, TABLE, SEQUENCE, LARGE_OBJECT = "schema", "table", "sequence", "large object"
DEFINITIONS = "definitions"
AFTER_DATA = "keys, indexes, triggers, grants"


_COPY = re.compile(rb"COPY\s+(.*?)\s+FROM\s+stdin\s*(?:WITH\b.*)?;\Z", re.IGNORECASE | re.DOTALL)
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d+), (true|false)\);\Z", re.DOTALL)
_LO_OPEN = re.compile(rb"SELECT pg_catalog\.lo_open\('(\d+)', \d+\);\Z")
_LO_CLOSE = b"SELECT pg_catalog.lo_close(0);"
_LO_WRITE = re.compile(rb"SELECT pg_catalog\.lowrite\(0, '\\\\?x([0-9a-f]*)'\);\Z")
_BETWEEN = re.compile(rb"(?:BEGIN|COMMIT|RESET\s.*|SET\s.*);\Z", re.DOTALL)
_PRIMARY_KEY = re.compile(rb"ALTER TABLE (?:ONLY )?")
_KEY_COLUMNS = re.compile(rb"\s*ADD CONSTRAINT .*? PRIMARY KEY (\(.*)", re.DOTALL)
_ENCODING = re.compile(rb"SET client_encoding = '([A-Za-z0-9_]+)';\Z")
_SERVER_VERSION = re.compile(rb"-- Dumped from database version ([0-9][0-9A-Za-z.]*)")
_CLIENT_VERSION = re.compile(rb"-- Dumped by pg_dump version ([0-9][0-9A-Za-z.]*)")

_PYTHON_CODECS = {
    "LATIN1": "iso8859-1", "LATIN2": "iso8859-2", "LATIN3": "iso8859-3", "LATIN4": "iso8859-4", "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10", "LATIN7": "iso8859-13", "LATIN8": "iso8859-14", "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16", "WIN1250": "cp1250", "WIN1251": "cp1251", "WIN1252": "cp1252", "WIN1253": "cp1253",
    "WIN1254": "cp1254", "WIN1255": "cp1255", "WIN1256": "cp1256", "WIN1257": "cp1257", "WIN1258": "cp1258",
    "WIN866": "cp866", "WIN874": "cp874", "KOI8R": "koi8-r", "KOI8U": "koi8-u", "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6", "ISO_8859_7": "iso8859-7", "ISO_8859_8": "iso8859-8", "EUC_JP": "euc-jp",
    "EUC_KR": "euc-kr", "EUC_CN": "gb2312", "EUC_JIS_2004": "euc-jis-2004",
}  # fmt: skip


def python_codec(encoding: str) -> str:
    """The codec of Python's for an encoding of PostgreSQL's; UTF-8 where there is none."""
    name = _PYTHON_CODECS.get(encoding.upper(), "utf-8")
    return codecs.lookup(name).name


def copy_target(statement: bytes, codec: str = "utf-8") -> tuple[str, tuple[str, ...]] | None:
    """The table's name, as SQL has it, and the columns of a ``COPY … FROM stdin;``."""
    match = _COPY.match(statement.rstrip())
    parts = split_qualified(match[1]) if match else None
    if parts is None:
        return None
    name, rest = parts
    rest = rest.strip()
    return decode_as(name, codec), identifiers(rest[1:-1], codec) if rest[:1] == b"(" and rest[-1:] == b")" else ()


def primary_key(statement: bytes, codec: str = "utf-8") -> tuple[str, tuple[str, ...]] | None:
    """The table's name and key columns where ``statement`` adds a primary key."""
    head = _PRIMARY_KEY.match(statement)
    parts = split_qualified(statement[head.end() :]) if head else None
    if parts is None:
        return None
    constraint = split_constraint(parts[1], codec)
    return (decode_as(parts[0], codec), constraint) if constraint else None


def split_constraint(text: bytes, codec: str = "utf-8") -> tuple[str, ...]:
    """Columns of ``ADD CONSTRAINT name PRIMARY KEY (a, b) …``."""
    head = re.match(rb"\s*ADD CONSTRAINT\s+", text)
    name = split_qualified(text[head.end() :]) if head else None
    if name is None:
        return ()
    columns = re.match(rb'PRIMARY KEY \(((?:[^"()]|"(?:[^"]|"")*")*)\)', name[1].lstrip(), re.DOTALL)
    return identifiers(columns[1], codec) if columns else ()


class ContentsWriter(TriviaKeeper):
    """Writes the pieces of one dump into a sink, section by section."""

    def __init__(self, sink: ContentSink) -> None:
        super().__init__(sink)
        self.server_version = ""
        self.client_version = ""
        self.large_objects = 0
        self._open = ""
        self._schemas = 0
        self._data_seen = False
        self._rows = 0
        self._size = 0
        self._columns: dict[str, tuple[str, ...]] = {}
        self._encoding = "UTF8"
        self._codec = "utf-8"

    def write(self, part: Part, data: bytes) -> None:
        """Take the next piece."""
        if part is Part.ROWS:
            self._rows += data.count(b"\n")
            self._sink.write(data)
        elif part is Part.TRIVIA:
            self._keep(data)
        elif part is Part.STATEMENT:
            self._statement(data)
        elif part is Part.COPY:
            self._copy(data)
        elif part is Part.ROWS_END:
            self._sink.write(data)
            self._end(rows=self._rows)
        elif part is Part.MORE:
            self._sink.write(data)
        elif part is Part.META:
            self._schema()
            self._sink.write(data)
        else:
            self._masked(part, data)

    def finish(self) -> None:
        """End what is open: at the dump's end, or where a cut one stops."""
        self._end(rows=self._rows if self._open == TABLE else None)
        self._flush()

    # Outside of sections.

    def _masked(self, part: Part, data: bytes) -> None:
        """Restrict and version lines vary without the state varying, and older servers have none: they count as
        nothing."""
        self._end()
        self._flush()
        self._sink.write_masked(data, b"")
        if part is Part.VERSION:
            if server := _SERVER_VERSION.match(data):
                self.server_version = server[1].decode("ascii", "replace")
            elif client := _CLIENT_VERSION.match(data):
                self.client_version = client[1].decode("ascii", "replace")

    # Sections.

    def _begin(
        self,
        kind: str,
        name: str,
        form: Form,
        columns: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self._end()
        self._flush()
        self._sink.begin_section(kind, name, form, columns=columns, attributes=attributes)
        self._open = kind
        self._rows = 0
        self._size = 0

    def _end(self, rows: int | None = None) -> None:
        if self._open:
            kind, self._open = self._open, ""
            self._sink.end_section(rows, size=self._size if kind == LARGE_OBJECT else None)

    def _schema(self) -> None:
        """Be in a section of kind schema; comments kept so far belong to it."""
        if self._open != SCHEMA:
            self._schemas += 1
            name = (DEFINITIONS, AFTER_DATA)[self._schemas - 1] if self._schemas <= 2 else f"more ({self._schemas})"
            if self._schemas == 1 and self._data_seen:
                name, self._schemas = AFTER_DATA, 2
            self._begin(SCHEMA, name, Form.TEXT)
        self._flush()

    def _statement(self, data: bytes) -> None:
        if self._open == LARGE_OBJECT:
            self._large_object(data)
        elif data.startswith(b"SELECT pg_catalog."):
            self._select(data)
        elif self._data_seen and self._open != SCHEMA and _BETWEEN.match(data):
            self._end()
            self._flush()
            self._sink.write(data)
        else:
            self._schema()
            self._sink.write(data)
            if self._data_seen:
                self._note_key(data)
            elif encoding := _ENCODING.match(data):
                self._encoding = encoding[1].decode("ascii")
                self._codec = python_codec(self._encoding)

    def _note_key(self, data: bytes) -> None:
        primary = primary_key(data, self._codec)
        if primary and set(primary[1]) <= set(self._columns.get(primary[0], ())):
            self._sink.amend_section(TABLE, primary[0], key=primary[1])

    def _copy(self, data: bytes) -> None:
        self._data_seen = True
        name, columns = copy_target(data, self._codec) or (decode(data.split(b"\n")[0]), ())
        odd = self._encoding.upper() not in ("UTF8", "SQL_ASCII")
        self._begin(TABLE, name, Form.ROWS, columns, {"encoding": self._encoding} if odd else None)
        self._columns[name] = columns
        self._sink.write(data)

    def _select(self, data: bytes) -> None:
        """Values of sequences and large objects are data; other calls are definitions."""
        if sequence := _SETVAL.match(data):
            self._data_seen = True
            value = f"{sequence[2].decode()}{'' if sequence[3] == b'true' else ' (not yet used)'}"
            self._begin(
                SEQUENCE,
                decode_as(sequence[1].replace(b"''", b"'"), self._codec),
                Form.TEXT,
                attributes={"value": value},
            )
            self._sink.write(data)
            self._end()
        elif opened := _LO_OPEN.match(data):
            self._data_seen = True
            self.large_objects += 1
            self._begin(LARGE_OBJECT, opened[1].decode(), Form.BYTES)
            self._sink.write(data)
        else:
            self._schema()
            self._sink.write(data)

    def _large_object(self, data: bytes) -> None:
        self._flush()
        self._sink.write(data)
        if written := _LO_WRITE.match(data):
            self._size += len(written[1]) // 2
        elif data == _LO_CLOSE:
            self._end()


def scan(scanner: DumpScanner, sink: ContentSink) -> ContentsWriter:
    """Write a whole dump into ``sink``. What came is in the writer, whether it was whole in the scanner."""
    writer = ContentsWriter(sink)
    for part, data in scanner.pieces():
        writer.write(part, data)
    writer.finish()
    return writer
