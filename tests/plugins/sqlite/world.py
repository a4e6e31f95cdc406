"""The conformance world of SQLite: one database file, read and changed with SQLite's own library."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer

SERVER = ("python3", "-c", "import sqlite3; print(sqlite3.sqlite_version)")
"""What tells the version."""
SEED = """
CREATE TABLE customers(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, credit REAL DEFAULT 0.5);
CREATE TABLE orders(number TEXT PRIMARY KEY, customer INTEGER REFERENCES customers(id), note, sign BLOB);
CREATE TABLE prices(item TEXT, day TEXT, price NUMERIC, PRIMARY KEY(item, day)) WITHOUT ROWID;
CREATE TABLE loose(v);
CREATE TABLE log(n INTEGER PRIMARY KEY);
CREATE INDEX orders_by_customer ON orders(customer, number DESC);
CREATE VIEW rich AS SELECT * FROM customers WHERE credit > 100;
CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN UPDATE customers SET credit = credit + 1 WHERE id = new.customer; END;
CREATE VIRTUAL TABLE search USING fts5(body);
CREATE VIRTUAL TABLE places USING rtree(id, west, east, south, north);
PRAGMA user_version = 3;
PRAGMA application_id = 77;
"""
INITIAL = "CREATE TABLE greeting(id INTEGER PRIMARY KEY, text TEXT); INSERT INTO greeting(text) VALUES('hello');"
WRITER = """
import sqlite3, sys
path, log = sys.argv[1:]
out = open(log, "a", buffering=1)
n, db = 0, None
while True:
    try:
        if db is None:
            db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=0.2, isolation_level=None)
            db.execute("PRAGMA synchronous=OFF")
        db.execute("INSERT INTO log VALUES(?)", (n,))
        out.write(f"{n}\\n")
    except sqlite3.Error:
        if db is not None:
            db.close()
        db = None
    n += 1
"""


class SqliteWriter(ProgramWriter):
    """Inserts into ``log``; a number is logged when INSERT has returned."""

    def __init__(self, path: str, log: Path) -> None:
        super().__init__(log, [sys.executable, "-c", WRITER, path, str(log)])


class SqliteWorld(World):
    """A database in a folder of its own.

    ``first`` is what is said before anything is made in it, ``more`` what else it holds.

    Args:
        folder: an empty one.
        journal: the journal mode of the live database.
    """

    first: Sequence[str] = ()
    more: str = ""

    def __init__(self, folder: Path, journal: str = "wal") -> None:
        self.plugin = SqliteDatabase()
        self.journal = journal
        self.databases = folder / "databases"
        self.databases.mkdir(parents=True)
        initial = folder / "component" / "sqlite-databases"
        initial.mkdir(parents=True)
        (initial / "greeting.sql").write_text(INITIAL)
        key = ComponentKey.of("sqlite", "orders")
        properties = {"type": "sqlite-database", "sqliteDir": str(self.databases)}
        self.component = Component(key, initial.parent, properties)

    def close(self) -> None:
        shutil.rmtree(self.databases, ignore_errors=True)

    @property
    def live(self) -> str:
        return self.plugin.live(self.component).name

    def connect(self, place: Place | None = None) -> sqlite3.Connection:
        return sqlite3.connect(place.name if place else self.live, isolation_level=None, timeout=30)

    def seed(self) -> None:
        with closing(self.connect()) as db:
            for statement in self.first:
                db.execute(statement)
            db.execute(f"PRAGMA journal_mode={self.journal}")
            db.executescript(SEED)
            for n in range(1, 41):
                db.execute("INSERT INTO customers VALUES(?, ?, ?)", (n, f"name {n} é", n * 1.1))
                values = (f"N{n:04}", n, None if n % 3 else n, os.urandom(9))
                db.execute("INSERT INTO orders VALUES(?, ?, ?, ?)", values)
                db.execute("INSERT INTO prices VALUES(?, ?, ?)", (f"item {n % 7}", f"2026-01-{n:02}", n / 3))
                db.execute("INSERT INTO search VALUES(?)", (f"some words about {n}",))
                db.execute("INSERT INTO places VALUES(?, ?, ?, ?, ?)", (n, n, n + 1, n, n + 2))
            db.executescript(
                "INSERT INTO loose VALUES(1), ('1'), (1.0), (NULL), (x'00'), (9e999), (CAST(x'ff00' AS TEXT));"
            )
            db.executescript(self.more)

    def whole(self, place: Place | None = None) -> object:
        if not Path(place.name if place else self.live).exists():
            return None
        with closing(self.connect(place)) as db:
            return _read(db, _tables(db))

    def changes(self) -> Sequence[str]:
        return tuple(_CHANGES)

    def change(self, name: str, random: Random) -> str:
        with closing(self.connect()) as db:
            done: list[str] = []
            db.set_trace_callback(done.append)
            _CHANGES[name](db, random)
            return f"{name}: {done}"

    def touch(self) -> str:
        with closing(self.connect()) as db:
            db.execute("INSERT INTO log SELECT value + 1000000 FROM json_each(?)", (str(list(range(3000))),))
            db.execute("DELETE FROM log WHERE n >= 1000000")
            db.execute("REINDEX")
            db.execute("UPDATE customers SET name = name")
            other = "delete" if self.journal == "wal" else "wal"
            db.execute(f"PRAGMA journal_mode={other}")
            db.execute(f"PRAGMA journal_mode={self.journal}")
        return "free pages, REINDEX, an UPDATE that changes nothing, another journal mode and back"

    def grow(self, size: int) -> None:
        with closing(self.connect()) as db:
            db.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
            db.execute(
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)"
                " INSERT INTO big SELECT n, printf('%064d', n), randomblob(900) FROM c",
                (size // 970,),
            )

    def some_sections(self) -> tuple[str, ...]:
        return ("table:orders", "shadow:search_content")

    def part(self, place: Place | None = None) -> object:
        with closing(self.connect(place)) as db:
            found = db.execute("SELECT rowid FROM search WHERE search MATCH 'words' ORDER BY rowid").fetchall()
            tables = [name for name in _tables(db) if name == "orders" or name.startswith("search_")]
            indexes = db.execute(
                "SELECT sql FROM sqlite_master WHERE tbl_name = 'orders' AND type = 'index'"
            ).fetchall()
            return [_rows(db, name) for name in tables], found, indexes

    def spoil(self, place: Place) -> None:
        with closing(self.connect(place)) as db:
            db.execute("UPDATE customers SET credit = credit + 1 WHERE id = 7")

    def lose(self) -> Sequence[RowsAsked]:
        with closing(self.connect()) as db:
            db.execute("DELETE FROM prices WHERE item = 'item 1'")
            db.execute("UPDATE prices SET price = price + 1 WHERE item = 'item 2'")
            db.execute("INSERT INTO prices VALUES('new', '2026-05-05', 7)")
        keys = [(f"item {n % 7}", f"2026-01-{n:02}") for n in range(1, 41) if n % 7 in (1, 2)]
        return [RowsAsked("table:prices", (*keys, ("new", "2026-05-05")))]

    def writer(self, log: Path) -> Writer:
        return SqliteWriter(self.live, log)

    def written(self, place: Place | None = None) -> set[int]:
        with closing(self.connect(place)) as db:
            return {n for (n,) in db.execute("SELECT n FROM log")}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.databases.with_name("away")
        self.databases.rename(away)
        try:
            yield
        finally:
            away.rename(self.databases)


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name")
    return [name for (name,) in rows]


def _read(db: sqlite3.Connection, tables: Sequence[str]) -> object:
    schema = sorted(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())
    pragmas = [db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id", "encoding")]
    return schema, pragmas, {name: _rows(db, name) for name in tables}


def _rows(db: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """Each cell with its storage class and its bytes, as SQL itself tells them."""
    plain, table = table, quoted(table)
    names = [quoted(name) for (name,) in db.execute("SELECT name FROM pragma_table_xinfo(?)", (plain,))]
    try:
        db.execute(f"SELECT rowid FROM {table} LIMIT 0")
        names.insert(0, "rowid")
    except sqlite3.OperationalError:
        pass
    cells = ", ".join(f"typeof({name}), hex({name}), {name} IS 9e999" for name in names)
    exact = ", ".join(f"CASE typeof({name}) WHEN 'real' THEN {name} END" for name in names)
    return sorted(db.execute(f"SELECT {cells}, {exact} FROM {table}").fetchall(), key=repr)


def quoted(name: str) -> str:
    """As an identifier."""
    return '"' + name.replace('"', '""') + '"'


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _some(db: sqlite3.Connection, random: Random, table: str, key: str = "rowid") -> object:
    found = db.execute(f"SELECT {key} FROM {table}").fetchall()
    return random.choice(found)[0]


def _sql(statement: str) -> Callable[[sqlite3.Connection, Random], None]:
    """``{word}`` and ``{n}`` are random; ``{table.key}`` is some row's key."""

    def run(db: sqlite3.Connection, random: Random) -> None:
        customer, order = _some(db, random, "customers", "id"), _some(db, random, "orders")
        loose = _some(db, random, "loose")
        db.execute(
            statement.format(
                word=_word(random), n=random.randrange(10**6, 10**9), customer=customer, order=order, loose=loose
            )
        )

    return run


_CHANGES: dict[str, Callable[[sqlite3.Connection, Random], None]] = {
    "text cell": _sql("UPDATE customers SET name = '{word}' WHERE id = {customer}"),
    "real cell, by one unit in the last place": _sql(
        "UPDATE customers SET credit = credit * (1 + 2.220446049250313e-16) WHERE id = 1"
    ),
    "storage class": _sql("UPDATE loose SET v = CASE typeof(v) WHEN 'text' THEN 1 ELSE '1' END WHERE rowid = 2"),
    "integer for real": _sql("UPDATE loose SET v = CASE typeof(v) WHEN 'real' THEN 1 ELSE 1.0 END WHERE rowid = 3"),
    "NULL for empty": _sql("UPDATE loose SET v = CASE WHEN v IS NULL THEN '' ELSE NULL END WHERE rowid = {loose}"),
    "text for blob": _sql(
        "UPDATE loose SET v = CASE typeof(v) WHEN 'blob' THEN CAST(v AS TEXT) WHEN 'text' THEN CAST(v AS BLOB)"
        " ELSE x'00' END WHERE rowid = 5"
    ),
    "text behind NUL": _sql("UPDATE loose SET v = CAST(x'6100' || '{word}' AS TEXT) WHERE rowid = {loose}"),
    "text that is not UTF-8": _sql("UPDATE loose SET v = CAST(x'fffe' || '{word}' AS TEXT) WHERE rowid = {loose}"),
    "blob byte": _sql("UPDATE orders SET sign = randomblob(9) WHERE rowid = {order}"),
    "rowid": _sql("UPDATE loose SET rowid = {n} WHERE rowid = (SELECT max(rowid) FROM loose)"),
    "row of a table without a key": _sql("INSERT INTO loose(v) SELECT v FROM loose LIMIT 1"),
    "row": _sql("INSERT INTO customers(name, credit) VALUES('{word}', NULL)"),
    "row gone": _sql(
        "DELETE FROM prices WHERE (item, day) = (SELECT item, day FROM prices ORDER BY {n} % 7, day LIMIT 1)"
    ),
    "cell WITHOUT ROWID": _sql("UPDATE prices SET price = {n} WHERE day = (SELECT max(day) FROM prices)"),
    "primary key": _sql("UPDATE orders SET number = '{word}' WHERE rowid = {order}"),
    "sequence": _sql("UPDATE sqlite_sequence SET seq = seq + {n} WHERE name = 'customers'"),
    "table": _sql("CREATE TABLE {word}(a)"),
    "column": _sql("ALTER TABLE loose ADD COLUMN {word}"),
    "column's default": _sql("ALTER TABLE loose ADD COLUMN {word} DEFAULT {n}"),
    "check": _sql("ALTER TABLE loose ADD COLUMN {word} CHECK({word} <> {n})"),
    "index": _sql("CREATE INDEX {word} ON customers(credit)"),
    "partial index": _sql("CREATE UNIQUE INDEX {word} ON customers(name) WHERE id > {n}"),
    "view": _sql("CREATE VIEW {word} AS SELECT {n}"),
    "trigger": _sql("CREATE TRIGGER {word} AFTER DELETE ON loose BEGIN SELECT {n}; END"),
    "user_version": _sql("PRAGMA user_version = {n}"),
    "application_id": _sql("PRAGMA application_id = {n}"),
    "full text": _sql("INSERT INTO search VALUES('{word}')"),
    "rtree": _sql("INSERT INTO places VALUES({n}, 1, 2, 3, 4)"),
    "virtual table": _sql("CREATE VIRTUAL TABLE {word} USING fts5(a)"),
}
