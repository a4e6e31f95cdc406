"""The same rows in another physical order are the same state: a reload moves rows, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component.activities import verify
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server

Sql = Callable[[str], str]
SIZES = """CREATE TABLE goods (id int, text text);
CREATE TABLE keyed (id int PRIMARY KEY, text text);
INSERT INTO goods SELECT g, repeat(md5(g::text), 1 + (g * 37) % 90) FROM generate_series(1, 3000) g;
INSERT INTO keyed SELECT id, text FROM goods;
INSERT INTO goods SELECT 1, 'twice' FROM generate_series(1, 2);
"""
AGED = """UPDATE goods SET text = text || 'x' WHERE id % 7 = 0; DELETE FROM goods WHERE id % 10 = 3;
UPDATE keyed SET text = text || 'x' WHERE id % 7 = 0; DELETE FROM keyed WHERE id % 10 = 3;
"""


@pytest.fixture
def aged(postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[Driver, Sql]]:
    """A database in use: rows of many sizes, a seventh updated and a tenth deleted since."""
    with PostgresqlWorld(postgres, tmp_path / "world") as world:
        world.seed()
        for statements in (SIZES, AGED):
            postgres.sql(statements, DATABASE)
        postgres.sql("VACUUM goods, keyed", DATABASE)
        postgres.sql("INSERT INTO goods SELECT g, md5(g::text) FROM generate_series(4000, 4200) g", DATABASE)
        yield Driver(world, tmp_path / "store"), lambda text: postgres.sql(text, DATABASE)


def order(sql: Sql) -> str:
    return sql("SELECT md5(string_agg(goods::text, ',' ORDER BY ctid)) FROM goods")


def state(sql: Sql) -> str:
    return sql("SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (SELECT goods::text AS t FROM goods) found")


@pytest.mark.worlds
def test_a_reload_in_another_order_is_verified_and_seen_again(aged: tuple[Driver, Sql]) -> None:
    driver, sql = aged
    before = order(sql), state(sql)
    driver.snapshot()
    proved = verify(driver.bench(), 1)
    assert proved.result is CheckResult.OK, proved.text
    assert "rows in another order" in proved.text
    driver.restore(1)
    assert state(sql) == before[1]
    assert order(sql) != before[0], "the reload kept the order: this proves nothing"
    known = driver.ids()
    seen = driver.snapshot()
    assert not seen.committed.new
    assert driver.ids() == known
    assert driver.newest().id == driver.ids()[1]
    driver.assert_intact(known)


CHANGES = (
    "UPDATE goods SET text = reverse(text) WHERE id = 11",
    "UPDATE goods SET id = 2 WHERE id = 1",
    "UPDATE goods SET id = (SELECT min(id) FROM goods WHERE id > 4000) WHERE id = 4002",
    "DELETE FROM goods WHERE id = 12",
    "SELECT setval('counter', 4711)",
    "ALTER TABLE goods ALTER text SET DEFAULT 'x'",
    "ALTER TABLE goods RENAME id TO di",
)


def test_a_change_of_state_is_one_in_any_order(aged: tuple[Driver, Sql]) -> None:
    """Changes that leave rows and bytes as many as they were, too."""
    driver, sql = aged
    driver.snapshot()
    driver.restore(1)
    for change in CHANGES:
        sql(change)
        assert driver.snapshot().committed.new, change
        assert not driver.snapshot().committed.new, change


def test_a_snapshot_that_is_no_longer_sound_is_not_seen_again(aged: tuple[Driver, Sql]) -> None:
    """Of a corrupt one the same state is stored anew."""
    driver, _ = aged
    driver.snapshot()
    driver.restore(1)
    stored = driver.store.stored(driver.key, driver.ids()[1])
    artefact = max((path for path in stored.folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    artefact.write_bytes(artefact.read_bytes()[:-1])
    assert driver.snapshot().committed.new


def test_a_copy_that_lost_a_row_is_corrupt_in_any_order(
    aged: tuple[Driver, Sql], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, _ = aged
    driver.snapshot()
    load = type(driver.world.plugin).load

    def spoiled(plugin: object, *args: object) -> None:
        load(plugin, *args)  # type: ignore[arg-type]
        postgres.sql("UPDATE goods SET text = reverse(text) WHERE id = 11", args[2].name)  # type: ignore[attr-defined]

    monkeypatch.setattr(type(driver.world.plugin), "load", spoiled)
    proved = verify(driver.bench(), 1)
    assert proved.result is CheckResult.CORRUPT
    assert "table public.goods" in proved.text
    assert "public.keyed" not in proved.text


def test_a_mariadb_table_without_a_key_in_another_order(mariadb: MariadbServer, tmp_path: Path) -> None:
    with MariadbWorld(mariadb, tmp_path / "world") as world:
        world.seed()
        driver = Driver(world, tmp_path / "store")
        mariadb.sql("CREATE TABLE loose_rows (id int, text varchar(90)) ENGINE=Aria", DATABASE)
        mariadb.sql("INSERT INTO loose_rows SELECT seq, md5(seq) FROM seq_1_to_500", DATABASE)
        driver.snapshot()
        mariadb.sql("ALTER TABLE loose_rows ORDER BY text", DATABASE)
        assert mariadb.sql("SELECT id FROM loose_rows LIMIT 1", DATABASE) != "1"
        assert not driver.snapshot().committed.new
        mariadb.sql("UPDATE loose_rows SET text = reverse(text) WHERE id = 7", DATABASE)
        assert driver.snapshot().committed.new
