"""The typed reader: what an SQLite database holds, independent of how its pages are laid out.

State, and so part of the identity: the schema as declared, every row of every table with its storage classes and its
rowid (where that is no column of its own), the tables behind virtual tables, ``user_version``, ``application_id``, the
text encoding, ``sqlite_sequence`` and the statistics of ANALYZE.

Not state: page size, order of pages, free pages, auto_vacuum, the journal mode, counters of the file's header, and the
order in which objects were created. Virtual tables are read through the ordinary tables behind them, so no module is
needed and nothing of theirs is missed. Virtual generated columns are worked out by SQLite, and are not read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import CancelToken
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.sqlite import large as sqlite_large
from dysnomia_plugins.types.sqlite.cells import Value, affinity_of, encode_row, quoted
from dysnomia_plugins.types.sqlite.many_columns import most_at_once, rows_of
from dysnomia_plugins.types.sqlite.opening import connect, explained
from dysnomia_plugins.types.sqlite.site import Site
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

PREAMBLE = b"sqlite-database content 1\n"
_STEPS = 1_000_000
"""Instructions of SQLite's machine between two looks at the cancel token."""
BATCH = 1 << 18
"""Bytes of canonical rows handed on at once."""
SCHEMA_KIND, SCHEMA_NAME = "schema", "main"
_TYPES = ("table", "index", "view", "trigger")
_SHADOWS = {
    "fts3": ("content", "segments", "segdir", "docsize", "stat"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": ("node", "rowid", "parent"),
    "rtree_i32": ("node", "rowid", "parent"),
    "geopoly": ("node", "rowid", "parent"),
}
"""What SQLite's own modules keep in ordinary tables, by suffix. A fixed list: ids may not depend on what is loaded."""
_MOST_LINES = 1_000_000
_SHOWN = 5
_OF_PAGES = "*** in database "
_VALUE = re.compile(r"(NULL|TEXT|NUMERIC|non-\w+) value in |CHECK constraint failed in ")
"""What the quick check says of values against their declaration, after all that it says of pages. No damage: SQLite
keeps such values, as those from before the declaration was changed. And 3.40 says ``NULL value`` of a sound table
without rowid whose key has another order than its columns."""
_NEVER_USED = re.compile(r"Page \d+(:| is) never used")
"""Of a page that is lost, and nothing else with it."""
_NAME = r"""(?:"(?:[^"]|"")*"|\[[^\]]*\]|`(?:[^`]|``)*`|'(?:[^']|'')*'|[^\s(."\[`']+)"""
_MODULE = re.compile(rf"\s*CREATE\s+VIRTUAL\s+TABLE\s+{_NAME}\s+USING\s+[\"\[`']?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """A row of sqlite_master that somebody declared."""

    type: str
    name: str
    table: str
    sql: str
    virtual: bool = False

    @property
    def module(self) -> str:
        """What a virtual table is one of, in lower case."""
        match = _MODULE.match(self.sql) if self.virtual else None
        return match.group(1).lower() if match else ""


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of a table are read."""

    name: str
    kind: str
    """``table``, or ``shadow`` behind a virtual table."""
    columns: tuple[str, ...]
    affinities: tuple[str, ...]
    key: tuple[str, ...]
    rowid: str
    """The name under which the rowid is read as the first column, or ``""``."""
    ordered: str
    """The name under which rows are ordered, or ``""`` (WITHOUT ROWID: the order is the key's own)."""

    @property
    def key_is_rowid(self) -> bool:
        """Whether the key is the rowid, under that name or as an INTEGER PRIMARY KEY."""
        own = bool(self.ordered) and not self.rowid and not self.name.lower().startswith("sqlite_")
        return own or (bool(self.rowid) and self.key == (self.rowid,))

    @property
    def shown_columns(self) -> tuple[str, ...]:
        return (self.rowid, *self.columns) if self.rowid else self.columns

    @property
    def shown_affinities(self) -> tuple[str, ...]:
        return ("INTEGER", *self.affinities) if self.rowid else self.affinities


class Reader:
    """Reads a private page copy, in a folder of ours or at a site. Use as a context manager.

    Raises PluginError where the copy cannot be read to its end.
    """

    def __init__(
        self, at: Path | Site, cancel: CancelToken | None = None, live: sqlite3.Connection | None = None
    ) -> None:
        """``live``: an open connection to read by instead, with its locks; whoever opened it closes it."""
        self.path = at if isinstance(at, Path) else at.path
        self._cancel = cancel
        self._kinds: Mapping[str, str] | None = None
        self._ours = live is None
        with explained(self.path):
            if live is not None:
                self._db = live
                self._db.text_factory = bytearray
                self.settings = self._settings()
                self.wide = self.settings["encoding"] != "UTF-8"
                return
            if isinstance(at, Path):
                self._db = connect(at, mode="ro", immutable=True)
            else:
                self._db = at.connect("ro", immutable=True)
            self._db.text_factory = bytearray
            if cancel is not None:  # a schema can make a statement run for ever
                self._db.set_progress_handler(lambda: int(cancel.cancelled), _STEPS)
            for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON", "mmap_size=0"):
                self._db.execute(f"PRAGMA {pragma}")
            self.settings = self._settings()
            self._stand_in()
        self.wide = self.settings["encoding"] != "UTF-8"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._db.close()

    def _settings(self) -> dict[str, str]:
        return {name: self._pragma(name) for name in ("encoding", "user_version", "application_id")}

    def _pragma(self, name: str) -> str:
        value = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value.decode() if isinstance(value, bytearray) else str(value)

    # Schema.

    def objects(self) -> list[SchemaObject]:
        """Everything declared, in an order that does not depend on when it was."""
        with explained(self.path):
            rows = self._db.execute("SELECT type, name, tbl_name, sql, rootpage FROM sqlite_master").fetchall()
        result = [
            SchemaObject(text_of(kind), text_of(name), text_of(table), text_of(sql), kind == b"table" and not root)
            for kind, name, table, sql, root in rows
            if sql is not None
        ]
        return sorted(result, key=lambda one: (_TYPES.index(one.type) if one.type in _TYPES else 9, one.name))

    def schema_lines(self, objects: Sequence[SchemaObject]) -> Iterator[str]:
        """The schema as text, to be read and compared."""
        yield f"PRAGMA encoding = '{self.settings['encoding']}';"
        yield f"PRAGMA user_version = {self.settings['user_version']};"
        yield f"PRAGMA application_id = {self.settings['application_id']};"
        for one in objects:
            yield ""
            yield f"-- {one.type} {one.name}".replace("\n", " ")
            yield from (one.sql + ";").split("\n")

    # Tables.

    def tables(self, objects: Sequence[SchemaObject]) -> Iterator[Table]:
        """Every table that holds rows of its own."""
        for name, kind in _kinds(objects).items():
            with explained(self.path):
                yield self._table(name, kind)

    def table(self, name: str) -> Table | None:
        """One of them by its name, None where there is none. The schema is taken to be what it was at the first."""
        if self._kinds is None:
            self._kinds = _kinds(self.objects())
        kind = self._kinds.get(name)
        if kind is None:
            return None
        with explained(self.path):
            return self._table(name, kind)

    def _table(self, name: str, kind: str) -> Table:
        info = [
            (text_of(column), text_of(declared), primary)
            for _, column, declared, _, _, primary, hidden in self._db.execute(f"PRAGMA table_xinfo({quoted(name)})")
            if hidden != 2  # a virtual generated column
        ]
        columns = tuple(column for column, _, _ in info)
        primary = tuple(column for column, _, place in sorted(info, key=lambda one: one[2]) if place)
        alias = self._rowid_name(name, columns)
        own = bool(alias) and self._is_rowid(name, [declared for _, declared, place in info if place])
        shown = alias if alias and not own and not name.lower().startswith("sqlite_") else ""
        return Table(
            name=name,
            kind=kind,
            columns=columns,
            affinities=tuple(affinity_of(declared) for _, declared, _ in info),
            key=primary or ((shown,) if shown else ()),
            rowid=shown,
            ordered=alias,
        )

    def _rowid_name(self, table: str, columns: Sequence[str]) -> str:
        """The name that reads the rowid, or ``""`` where there is none or every name for it is a column's."""
        taken = {column.lower() for column in columns}
        for alias in ("rowid", "_rowid_", "oid"):
            if alias not in taken:
                try:
                    self._db.execute(f"SELECT {alias} FROM {quoted(table)} NOT INDEXED LIMIT 0")
                except sqlite3.OperationalError as error:
                    if "no such column" in str(error):  # WITHOUT ROWID
                        return ""
                    raise
                return alias
        return ""

    def _is_rowid(self, table: str, primary_types: Sequence[str]) -> bool:
        """Whether the primary key is the rowid itself: one INTEGER column, without an index of its own."""
        if len(primary_types) != 1 or primary_types[0].upper() != "INTEGER":
            return False
        indexes = self._db.execute(f"PRAGMA index_list({quoted(table)})").fetchall()
        return all(text_of(row[3]) != "pk" for row in indexes)

    def written_columns(self, table: Table) -> tuple[str, ...]:
        """The columns that a statement may give a value: none that SQLite works out."""
        info = self._db.execute(f"PRAGMA table_xinfo({quoted(table.name)})")
        worked_out = {text_of(column) for _, column, _, _, _, _, hidden in info if hidden in (2, 3)}
        return tuple(column for column in table.columns if column not in worked_out)

    def rows(self, table: Table, where: str = "", values: Sequence[str | int | float] = ()) -> Iterator[bytes]:
        """The canonical bytes of each row, in the order of the rowid or of the key."""
        yield from self._read(table, where, values)

    def found(self, table: Table, where: str, values: Sequence[object]) -> Iterator[bytes]:
        """The canonical bytes of the rows of which ``where`` is true, by whatever index SQLite finds them."""
        yield from self._read(table, where, values, indexed=True)

    def batches(self, table: Table, where: str = "", values: Sequence[str | int | float] = ()) -> Iterator[list[bytes]]:
        """The rows in batches of some ``BATCH`` bytes; with ``where`` only those of which it is true."""
        batch: list[bytes] = []
        size = 0
        for raw in self.rows(table, where, values):
            batch.append(raw)
            size += len(raw)
            if size >= BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def stream(self, table: Table) -> Iterator[tuple[int, bytes]]:
        """(how many rows ended, their canonical bytes), in pieces of bounded size."""
        with explained(self.path):
            fits = not self.wide and sqlite_large.width(table.columns) <= most_at_once(self._db)
            large = bool(table.ordered) and fits and sqlite_large.has_large_rows(self._db, table.name)
        if not large:
            yield from ((len(batch), b"".join(batch)) for batch in self.batches(table))
            return
        with explained(self.path):
            yield from sqlite_large.stream(self._db, table.name, table.ordered, table.columns, shown=bool(table.rowid))

    def count(self, table: Table) -> int:
        with explained(self.path):
            return int(self._db.execute(f"SELECT count(*) FROM {quoted(table.name)} NOT INDEXED").fetchone()[0])

    def damage(self) -> str:
        """What SQLite's own quick check finds, or ``""``. What it cannot check for want of a module is no damage."""
        damage: list[str] = []
        try:
            for row in self._db.execute(f"PRAGMA quick_check({_MOST_LINES})"):
                damage += _damage_in(text_of(row[0]))
                if len(damage) >= _SHOWN:
                    break
        except sqlite3.OperationalError as error:
            if self._cancel is not None:
                self._cancel.check()
            if not damage and ("no such" in str(error) or "unknown" in str(error)):
                return ""
            damage.append(str(error))
        except sqlite3.DatabaseError as error:
            damage.append(str(error))
        return "; ".join(damage[:_SHOWN])

    def _read(self, table: Table, where: str, values: Sequence[object], *, indexed: bool = False) -> Iterator[bytes]:
        def select(names: Sequence[str]) -> str:
            only = f" WHERE {where}" if where else ""
            if indexed:
                return f"SELECT {', '.join(names)} FROM main.{quoted(table.name)}{only}"
            order = f" ORDER BY {table.ordered}" if table.ordered else ""
            return f"SELECT {', '.join(names)} FROM {quoted(table.name)} NOT INDEXED{only}{order}"

        with explained(self.path), rows_of(self._db, self._selected(table), select, values) as rows:
            yield from map(encode_row, map(_narrowed, rows) if self.wide else rows)

    def _selected(self, table: Table) -> list[str]:
        names = [*([table.rowid] if table.rowid else []), *map(quoted, table.columns)]
        if self.wide:  # SQLite would convert texts to UTF-8, and lose what is not valid
            names = [
                part
                for name in names
                for part in (
                    f"CASE typeof({name}) WHEN 'text' THEN NULL ELSE {name} END",
                    f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) END",
                )
            ]
        return names

    def _stand_in(self) -> None:
        """Stand-ins for the collations an application brings: reading in stored order never calls them."""
        known = {"BINARY", "NOCASE", "RTRIM"}  # pragma_collation_list also names those that are only asked for
        pattern = re.compile(r"\bCOLLATE\s+[\"\[`']?(\w+)", re.IGNORECASE)
        for (sql,) in self._db.execute("SELECT sql FROM sqlite_master WHERE sql LIKE '%collate%'").fetchall():
            for name in pattern.findall(text_of(sql)):
                if name.upper() not in known:
                    self._db.create_collation(name, _by_bytes)
                    known.add(name.upper())


def scan(reader: Reader, sink: ContentSink, cancel: CancelToken) -> None:
    """Tell a sink everything the copy holds: schema first, then the tables by name. Nothing of it is stored."""
    objects = reader.objects()
    sink.digest_only(PREAMBLE)
    _scan_schema(reader, objects, sink)
    for table in reader.tables(objects):
        attributes = {"affinity": " ".join(table.shown_affinities)}
        if reader.wide:
            attributes["encoding"] = reader.settings["encoding"]
        sink.begin_section(
            table.kind, table.name, Form.ROWS, columns=table.shown_columns, key=table.key, attributes=attributes
        )
        sink.digest_only(b"")  # also of an empty table: what it holds is not found by offset
        count = 0
        for rows, canonical in reader.stream(table):
            cancel.check()
            sink.digest_only(canonical)
            count += rows
        sink.end_section(count)


def _scan_schema(reader: Reader, objects: Sequence[SchemaObject], sink: ContentSink) -> None:
    sink.begin_section(SCHEMA_KIND, SCHEMA_NAME, Form.TEXT)
    for name, value in sorted(reader.settings.items()):
        sink.digest_only(encode_row([_bytes(name), _bytes(value)]))
    for one in objects:
        sink.digest_only(encode_row([_bytes(part) for part in (one.type, one.name, one.table, one.sql)]))
    sink.end_section(size=sum(len(_bytes(line)) + 1 for line in reader.schema_lines(objects)))


def _kinds(objects: Sequence[SchemaObject]) -> Mapping[str, str]:
    """The tables that hold rows of their own, in order: ``table``, or ``shadow`` behind a virtual one."""
    shadows = {f"{one.name}_{suffix}".lower() for one in objects for suffix in _SHADOWS.get(one.module, ())}
    return {
        one.name: "shadow" if one.name.lower() in shadows else "table"
        for one in objects
        if one.type == "table" and not one.virtual
    }


def find_table(reader: Reader, section: Section) -> Table:
    """The table a section of the contents index is about. Raises PluginError."""
    if (table := reader.table(section.name)) is not None:
        return table
    raise PluginError(f"the snapshot holds no table {section.name!r}", "its contents index is of another snapshot")


def text_of(value: bytearray | str | None) -> str:
    """A text that SQLite handed out as it is stored."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytearray:
    return bytearray(text.encode("utf-8", "surrogateescape"))


def _narrowed(row: Sequence[Value]) -> list[Value]:
    """The row of a UTF-16 database: each cell came as a pair, the second one the bytes of a text."""
    return [bytearray(raw) if isinstance(raw, bytes) else value for value, raw in zip(row[::2], row[1::2], strict=True)]


def _damage_in(text: str) -> list[str]:
    """What is damage in one row of the quick check; what it says of pages is several lines."""
    if text == "ok" or _VALUE.match(text):
        return []
    if not text.startswith(_OF_PAGES):
        return [] if _NEVER_USED.match(text) else [text]
    return [line for line in text.splitlines()[1:] if not _NEVER_USED.match(line)]


def _by_bytes(left: str, right: str) -> int:
    return (left > right) - (left < right)
