"""Foreign keys that refer to tables which are not there, and what else a live schema holds that a load would change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mysql import swap
from tests.plugins.conformance.bare import Bare, places, restore, swapped
from tests.plugins.mysql.bare import bare_component
from tests.plugins.servers.mariadb import MariadbServer

PARENT = "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2);"
CHILD = "CREATE TABLE c (id int PRIMARY KEY, pid int, FOREIGN KEY (pid) REFERENCES p (id)); INSERT INTO c VALUES (1, 1)"
WITHOUT_PARENT = "SET foreign_key_checks = 0; DROP TABLE p"


@pytest.fixture
def bare(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(mariadb, tmp_path)


@pytest.mark.server
def test_a_key_whose_table_is_gone_refers_to_its_own_schema_after_a_restore(bare: Bare, mariadb: MariadbServer) -> None:
    """It referred to the job's own schema: no row could be written, also once the table was there again."""
    mariadb.sql(f"CREATE DATABASE orders; USE orders; {PARENT} {CHILD}; {WITHOUT_PARENT}")
    mariadb.sql(
        "SET foreign_key_checks = 0; CREATE TABLE other (a int, b int, CONSTRAINT `o dd` FOREIGN KEY (a, b)"
        " REFERENCES `q ``q` (m, n) ON DELETE CASCADE ON UPDATE SET NULL,"
        " CONSTRAINT away FOREIGN KEY (a) REFERENCES elsewhere.x (y))",
        "orders",
    )
    shown = "SHOW CREATE TABLE c; SHOW CREATE TABLE other"
    before = mariadb.sql(shown, "orders")
    stored = bare.dump()
    restore(bare, stored)
    assert mariadb.sql(shown, "orders") == before
    assert bare.dump().digest == stored.digest
    mariadb.sql(f"{PARENT} INSERT INTO c VALUES (2, 2)", "orders")


@pytest.mark.server
@pytest.mark.parametrize(
    "harm", [WITHOUT_PARENT, f"{WITHOUT_PARENT}; CREATE TABLE p (id varchar(9) PRIMARY KEY) ENGINE=MyISAM"]
)
def test_what_lost_the_table_of_a_key_is_a_guard_that_can_be_restored(
    bare: Bare, mariadb: MariadbServer, harm: str
) -> None:
    mariadb.sql(f"CREATE DATABASE orders; USE orders; {PARENT} {CHILD}")
    stored = bare.dump()
    mariadb.sql(harm, "orders")
    shown = mariadb.sql("SHOW CREATE TABLE c", "orders")
    now = bare.dump().digest
    ctx, aside = swapped(bare, stored)
    guard = bare.dump(aside)
    bare.plugin.drop(ctx, aside)
    assert guard.digest == now
    restore(bare, guard, "3")
    assert mariadb.sql("SHOW CREATE TABLE c", "orders") == shown
    assert bare.dump().digest == now


@pytest.mark.server
def test_dates_that_there_are_not_come_back(bare: Bare, mariadb: MariadbServer) -> None:
    """Without ALLOW_INVALID_DATES they became 0000-00-00, with a warning that nobody read."""
    mariadb.sql(
        "CREATE DATABASE orders; USE orders; SET sql_mode = 'ALLOW_INVALID_DATES';"
        "CREATE TABLE t (id date PRIMARY KEY, at datetime(6) DEFAULT '2023-04-31');"
        "INSERT INTO t VALUES ('2023-02-31', '2023-06-31 23:59:59.999999'), ('0000-00-00', '2023-00-31')"
    )
    rows = mariadb.sql("SELECT * FROM t", "orders")
    stored = bare.dump()
    restore(bare, stored)
    assert mariadb.sql("SELECT * FROM t", "orders") == rows
    assert bare.dump().digest == stored.digest


@pytest.mark.server
@pytest.mark.parametrize("renamed", [True, False])
def test_a_swap_that_broke_off_is_finished_or_taken_back_with_its_keys(
    bare: Bare, mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    """What sets the keys right is run a second time, or live is what it was."""
    mariadb.sql(f"CREATE DATABASE orders; USE orders; {PARENT} {CHILD}; {WITHOUT_PARENT}")
    before = mariadb.sql("SHOW CREATE TABLE c", "orders")
    stored = bare.dump()
    mariadb.sql("DELETE FROM c", "orders")
    ctx = bare.context("2")
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    with monkeypatch.context() as broken:
        broken.setattr(swap.Exchange, "_regrant" if renamed else "exchange", _break_off)
        with pytest.raises(PluginError, match="broken off"):
            bare.plugin.swap(ctx, beside, aside)
    assert bare.plugin.recover(ctx) is renamed
    assert mariadb.sql("SHOW CREATE TABLE c", "orders") == before
    assert mariadb.sql("SELECT COUNT(*) FROM c", "orders") == str(int(renamed))
    bare.plugin.drop(ctx, aside)
    bare.plugin.drop(ctx, beside)


def _break_off(*_: object) -> None:
    raise PluginError("broken off", "")
