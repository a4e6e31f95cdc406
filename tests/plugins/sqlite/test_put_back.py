"""Rows put back into a live database: exactly these, whatever is in them, and nothing of what stands against it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_plugins.base import LiveLook, PutRow, Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.component.rows_by_key import wanted_rows
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.conformance.crash import kills
from tests.plugins.conformance.driver import Driver
from tests.plugins.sqlite.test_reader import Contents
from tests.plugins.sqlite.world import SEED, SqliteWorld
from tests.waiting import wait_until

ZOO = Path(__file__).with_name("zoo.sql")


@dataclass
class Shop:
    """A live database, and what one snapshot of it holds."""

    folder: Path
    bare: Bare
    stored: Stored | None = None

    @property
    def live(self) -> Path:
        return self.folder / "orders"

    @property
    def plugin(self) -> SqliteDatabase:
        assert isinstance(self.bare.plugin, SqliteDatabase)
        return self.bare.plugin

    def run(self, script: str) -> None:
        with closing(sqlite3.connect(self.live, isolation_level=None)) as db:
            db.executescript(script)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.live)) as db:
            return db.execute(query).fetchall()

    def keep(self) -> None:
        self.stored = self.bare.dump()

    def sections(self) -> dict[str, Section]:
        assert self.stored is not None
        return {one.name: one for one in self.stored.sections() if one.kind == "table"}

    def wanted(self, table: str, *keys: str | tuple[str, ...]) -> list[PutRow]:
        assert self.stored is not None
        cells = [key if isinstance(key, tuple) else (key,) for key in keys]
        return wanted_rows(self.plugin, self.stored, self.sections()[table], cells)

    def lacking(self, table: str) -> list[PutRow]:
        assert self.stored is not None
        section = self.sections()[table]
        batches = iter(self.plugin.raw_rows(self.stored, section))
        return [
            PutRow(section, tuple(map(str, self.plugin.parse_row(section, raw).key)), raw)
            for raw in self.plugin.lacking(self.bare.context(), section, batches)
        ]

    def look(self, rows: Sequence[PutRow]) -> LiveLook:
        return self.plugin.look_at_rows(self.bare.context(), rows)

    def put(self, rows: Sequence[PutRow], look: LiveLook | None = None) -> Mapping[int, str]:
        """Of those that the look says can be."""
        look = look or self.look(rows)
        chosen = [at for at, row in enumerate(look.rows) if row.digest != row.wanted and at not in look.conflicts]
        seen = [look.rows[at].digest for at in chosen]
        return self.plugin.put_back(self.bare.context(), [rows[at] for at in chosen], seen)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Shop]:
    def made(script: str) -> Shop:
        folder = tmp_path / "live"
        folder.mkdir()
        work = tmp_path / "work"
        work.mkdir()
        shop = Shop(folder, Bare(SqliteDatabase(), work, component(work, sqliteDir=str(folder))))
        shop.run(script)
        shop.keep()
        return shop

    return made


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_one_of_everything_is_back_to_the_last_byte(encoding: str, make: Callable[[str], Shop]) -> None:
    """All rows of all tables that have a key are deleted: what comes back is what was, in the eyes of the reader."""
    shop = make(f"PRAGMA encoding = '{encoding}'; {SEED} {ZOO.read_text()}")
    shop.run("DROP TABLE child")  # its rows refer to nothing: those have a test of their own
    shop.keep()
    before = Contents(shop.live)
    tables = [one for one in shop.sections().values() if one.key and not one.name.startswith("sqlite_")]
    assert len(tables) >= 14
    triggers = shop.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    with closing(sqlite3.connect(shop.live, isolation_level=None)) as db:
        for name, _ in triggers:
            db.execute(f'DROP TRIGGER "{name}"')
        for one in tables:
            name = one.name.replace('"', '""')
            db.execute(f'DELETE FROM "{name}"')
        for _, sql in triggers:
            db.execute(str(sql))
    rows = [row for one in tables for row in shop.lacking(one.name)]
    assert len(rows) == sum(one.rows or 0 for one in tables)
    look = shop.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert shop.put(rows, look) == {}
    after = Contents(shop.live)
    assert after.rows == before.rows
    assert after.digest == before.digest
    assert shop.rows("PRAGMA integrity_check") == [("ok",)]


CUSTOMERS = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE COLLATE NOCASE, boss REFERENCES customers (id));
CREATE TABLE orders (number TEXT PRIMARY KEY, customer REFERENCES customers (id) ON DELETE CASCADE, cents INT);
INSERT INTO customers VALUES (1, 'ada@example.org', NULL), (2, 'bob@example.org', 1);
INSERT INTO orders VALUES ('A1', 1, 100), ('B1', 2, 200), ('B2', 2, 300);
"""


def test_a_unique_value_in_use_by_another_row_is_found(make: Callable[[str], Shop]) -> None:
    shop = make(CUSTOMERS)
    shop.run("DELETE FROM customers WHERE id = 2; INSERT INTO customers VALUES (7, 'BOB@example.org', NULL)")
    look = shop.look(shop.wanted("customers", "2"))
    assert look.conflicts == {0: "email of 2 of table customers is in use by the row 7"}
    together = shop.wanted("customers", "2", "7")  # 7 came since: put back as well, it goes
    assert shop.look(together).conflicts == {}
    assert shop.put(together) == {}
    assert shop.rows("SELECT id, email FROM customers") == [(1, "ada@example.org"), (2, "bob@example.org")]


def test_a_value_taken_since_the_plan_leaves_its_row_and_what_refers_to_it(make: Callable[[str], Shop]) -> None:
    shop = make(CUSTOMERS)
    shop.run("DELETE FROM orders; DELETE FROM customers")
    rows = [*shop.wanted("customers", "1", "2"), *shop.wanted("orders", "A1", "B1")]
    look = shop.look(rows)
    assert look.conflicts == {}
    shop.run("INSERT INTO customers VALUES (7, 'BOB@example.org', NULL)")
    assert shop.put(rows, look) == {
        1: "email of 2 of table customers is in use by the row 7",
        3: "B1 of table orders refers to 2 of customers, which is not there",
    }
    assert shop.rows("SELECT id FROM customers") == [(1,), (7,)]
    assert shop.rows("SELECT number FROM orders") == [("A1",)]


def test_references_that_would_lead_nowhere_are_found_and_follow_from_each_other(make: Callable[[str], Shop]) -> None:
    shop = make(CUSTOMERS)
    shop.run("DELETE FROM orders WHERE customer = 2; DELETE FROM customers WHERE id IN (1, 2)")
    orders = shop.wanted("orders", "B1")
    assert shop.look(orders).conflicts == {0: "B1 of table orders refers to 2 of customers, which is not there"}
    both = [*shop.wanted("customers", "2"), *orders]
    said = shop.look(both).conflicts
    assert said == {
        0: "2 of table customers refers to 1 of customers, which is not there",
        1: "B1 of table orders refers to 2 of customers, which is not there",
    }, "what depends on a row that is left out is left out as well"
    whole = [*orders, *shop.wanted("customers", "2", "1")]
    assert shop.look(whole).conflicts == {}
    assert shop.put(whole) == {}
    assert shop.rows("PRAGMA foreign_key_check") == []
    assert shop.rows("SELECT number FROM orders") == [("A1",), ("B1",)]


def test_a_row_that_others_refer_to_does_not_go(make: Callable[[str], Shop]) -> None:
    shop = make(CUSTOMERS)
    shop.run("INSERT INTO customers VALUES (9, 'new', NULL); INSERT INTO orders VALUES ('N1', 9, 5)")
    alone = shop.wanted("customers", "9")
    assert shop.look(alone).conflicts == {0: "the row N1 of table orders refers to 9 of table customers"}
    seen = [shop.look(alone).rows[0].digest]
    reason = "the row N1 of table orders refers to 9 of table customers"
    assert shop.plugin.put_back(shop.bare.context(), alone, seen) == {0: reason}
    both = [*alone, *shop.wanted("orders", "N1")]
    assert shop.put(both) == {}
    assert len(shop.rows("SELECT * FROM orders")) == 3, "no other order went with its customer"


def test_triggers_do_not_fire_and_are_named(make: Callable[[str], Shop]) -> None:
    shop = make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE log (n INTEGER PRIMARY KEY, id);"
        "INSERT INTO t VALUES (5, 'a'), (6, 'b');"
        "CREATE TRIGGER told AFTER INSERT ON t BEGIN INSERT INTO log (id) VALUES (new.id); END;"
    )
    shop.run("DELETE FROM t; UPDATE sqlite_sequence SET seq = 3")
    look = shop.look(shop.wanted("t", "6"))
    first, second = look.warnings
    assert first.startswith("trigger told of table t would not fire")
    assert second == "the counter of table t would go on from 6, and stay there after an undo"
    shop.put(shop.wanted("t", "6"))
    assert (shop.rows("SELECT * FROM t"), shop.rows("SELECT * FROM log")) == ([(6, "b")], [])
    shop.run("INSERT INTO t (v) VALUES ('c')")
    assert shop.rows("SELECT id FROM t, log USING (id)") == [(7,)], "they fire again"


def test_a_rowid_that_is_no_key_is_no_conflict(make: Callable[[str], Shop]) -> None:
    """Of a table with a key of its own: rows that came since have the rowids of those that went."""
    shop = make("CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2)")
    shop.run("DELETE FROM t WHERE k = 'b'; INSERT INTO t VALUES ('c', 3)")
    assert shop.put(shop.wanted("t", "b")) == {}
    assert sorted(shop.rows("SELECT k, v FROM t")) == [("a", 1), ("b", 2), ("c", 3)]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("DROP TABLE t", "no table t in what is live"),
        ("ALTER TABLE t ADD COLUMN w", "has other columns now (+w)"),
        ("DROP TABLE t; CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)", "have other types now"),
        ("DROP TABLE t; CREATE TABLE t (k TEXT, v, PRIMARY KEY (v))", "have no key"),
    ],
)
def test_a_table_that_is_another_one_now_is_refused(now: str, words: str, make: Callable[[str], Shop]) -> None:
    shop = make("CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1)")
    rows = shop.wanted("t", "a")
    shop.run(now)
    (refusal,) = shop.look(rows).refusals
    assert words in refusal
    with pytest.raises(NotSafe, match="nothing was changed"):
        shop.plugin.put_back(shop.bare.context(), rows, [""])


def test_what_the_schema_does_not_take_any_more_changes_nothing(make: Callable[[str], Shop]) -> None:
    shop = make("CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2)")
    shop.run("DROP TABLE t; CREATE TABLE t (k TEXT PRIMARY KEY, v CHECK (v <> 1))")
    rows = shop.wanted("t", "b", "a")
    with pytest.raises(NotSafe, match="does not take these rows"):
        shop.plugin.put_back(shop.bare.context(), rows, ["", ""])
    assert shop.rows("SELECT * FROM t") == []


def test_a_reader_that_keeps_its_place_is_waited_for(make: Callable[[str], Shop]) -> None:
    """Without WAL a COMMIT has to wait for whoever is still reading."""
    shop = make("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')")
    shop.run("DELETE FROM t")
    rows = shop.wanted("t", "1")
    reader = sqlite3.connect(shop.live, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    done: list[Mapping[int, str]] = []
    thread = threading.Thread(target=lambda: done.append(shop.put(rows)))
    thread.start()
    wait_until(lambda: _pending(shop.live))
    reader.execute("ROLLBACK")
    reader.close()
    thread.join()
    assert (done, shop.rows("SELECT * FROM t")) == ([{}], [(1, "a")])


def _pending(live: Path) -> bool:
    """Whether somebody waits to write: no new reader gets in then."""
    with closing(sqlite3.connect(live, timeout=0)) as db:
        try:
            db.execute("SELECT * FROM t").fetchall()
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
        return False


# --- as the conformance suite does it -------------------------------------------------------------------------------


@pytest.fixture(params=["wal", "delete"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteWorld]:
    with SqliteWorld(tmp_path / "world", request.param) as world:
        yield world


def planned(driver: Driver, number: int, table: str, keys: Sequence[str]) -> list[PlannedRow]:
    """As a plan has them."""
    plugin = driver.world.plugin
    stored = driver.store.stored(driver.key, driver.store.generation(driver.key, number).id)
    section = next(one for one in stored.sections() if (one.name, one.form) == (table, Form.ROWS))
    rows = wanted_rows(plugin, stored, section, [(key,) for key in keys])
    with driver.context() as ctx:
        look = plugin.look_at_rows(ctx, rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    return [
        PlannedRow(f"table:{table}", row.key, now.digest, now.wanted) for row, now in zip(rows, look.rows, strict=True)
    ]


def lose(world: SqliteWorld) -> None:
    with closing(world.connect()) as db:
        db.execute("DELETE FROM orders WHERE customer % 4 = 0")
        db.execute("UPDATE orders SET note = 'changed' WHERE customer % 4 = 1")


def test_killed_at_any_step_all_rows_are_back_or_none(world: SqliteWorld, tmp_path: Path) -> None:
    driver = Driver(world, tmp_path / "store")
    world.seed()
    first = driver.snapshot().generation
    then = world.whole()
    keys = [f"N{n:04}" for n in range(1, 41) if n % 4 in (0, 1)]
    lose(world)
    now = world.whole()
    rows = planned(driver, first.number, "orders", keys)
    seen: set[bool] = set()

    def work(bench: ComponentJob) -> None:
        activities.put_back(bench, first.number, first.id, rows, "put back")

    for job in kills(driver, work, whole=world.journal == "wal"):
        ids = driver.ids()
        said = [activities.recover(driver.bench(), left).text for left in driver.unsettled()]
        assert not driver.unsettled()
        driver.assert_intact(ids)
        assert driver.left_behind(job) == []
        live = world.whole()
        assert live in (then, now)
        seen.add(live == then)
        if live == then:
            assert said in ([], [f"job {job} had put its rows back"])
            lose(world)
        assert world.whole() == now
    assert False in seen
    assert (True in seen) or world.journal != "wal"
    assert world.whole() == then, "the last one ran to its end"


def test_under_load_no_write_is_lost_and_no_row_but_these_changes(world: SqliteWorld, tmp_path: Path) -> None:
    driver = Driver(world, tmp_path / "store")
    world.seed()
    first = driver.snapshot().generation
    before = _orders(world)
    lose(world)
    rows = planned(driver, first.number, "orders", [f"N{n:04}" for n in range(1, 41)])
    rows = [row for row in rows if row.seen != row.made]
    with world.writer(tmp_path / "acknowledged") as writer:
        wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
        done = activities.put_back(driver.bench(), first.number, first.id, rows, "put back")
        count = len(writer.acknowledged())
        wait_until(lambda: len(writer.acknowledged()) >= count + 20, world.patience)
        writer.stop()
        acknowledged = writer.acknowledged()
    assert (done.done, done.left) == (20, ())
    assert _orders(world) == before
    assert acknowledged <= world.written()


def _orders(world: SqliteWorld) -> list[tuple[object, ...]]:
    with closing(world.connect()) as db:
        return db.execute("SELECT * FROM orders ORDER BY number").fetchall()
