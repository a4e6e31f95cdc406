"""Tables of MariaDB's rarer kinds, and what the server does not give a dump or does not take from one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe
from tests.plugins.conformance.bare import Bare, BareDraft, restore
from tests.plugins.mysql.bare import bare_component
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = pytest.mark.server


@pytest.fixture
def bare(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(mariadb, tmp_path)


def warnings(bare: Bare, name: str = "noted") -> str:
    """What is said with a snapshot."""
    ctx = bare.context(name)
    return "\n".join(bare.plugin.dump(ctx, bare.plugin.live(bare.component), BareDraft(ctx.staging)).warnings)


@pytest.fixture
def archive(mariadb: MariadbServer) -> Iterator[None]:
    """The engine, as long as a test lasts."""
    mariadb.sql("INSTALL SONAME 'ha_archive'")
    yield
    mariadb.drop("orders")
    mariadb.sql("UNINSTALL SONAME 'ha_archive'")


@pytest.mark.usefixtures("archive")
def test_tables_of_archive_with_a_counter_come_back(bare: Bare, mariadb: MariadbServer) -> None:
    """They take no value below it: snapshots were good, and each restore ended with "duplicate key"."""
    mariadb.sql(
        """CREATE DATABASE orders; USE orders;
        CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9)) ENGINE=ARCHIVE COMMENT 'AUTO_INCREMENT=7';
        INSERT INTO log (v) VALUES ('a'), ('b'), ('c');
        CREATE TABLE later (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9)) ENGINE=ARCHIVE AUTO_INCREMENT=1000;"""
    )
    stored = bare.dump()
    restore(bare, stored)
    assert bare.dump().digest == stored.digest
    mariadb.sql("INSERT INTO log (v) VALUES ('d'); INSERT INTO later (v) VALUES ('d')", "orders")
    assert mariadb.sql("SELECT MAX(id) FROM log UNION ALL SELECT MAX(id) FROM later", "orders").split() == ["4", "1000"]


def test_a_table_whose_rows_are_those_of_others(bare: Bare, mariadb: MariadbServer) -> None:
    """A dump has none for it, by right: the schema was refused, as one that lacks rows."""
    mariadb.sql(
        """CREATE DATABASE orders; USE orders; CREATE TABLE a (i int) ENGINE=MyISAM; INSERT INTO a VALUES (1), (2);
        CREATE TABLE b LIKE a; INSERT INTO b VALUES (3); CREATE TABLE m (i int) ENGINE=MERGE UNION=(a, b);"""
    )
    shown = "SELECT * FROM m ORDER BY i; SHOW CREATE TABLE m"
    before = mariadb.sql(shown, "orders")
    restore(bare, bare.dump())
    assert mariadb.sql(shown, "orders") == before


def test_bytes_that_are_no_character_are_named(bare: Bare, mariadb: MariadbServer) -> None:
    """A dump has a question mark for them, and so has the dump of what was restored: all was green."""
    mariadb.sql(
        """CREATE DATABASE orders; USE orders; CREATE TABLE t (id int PRIMARY KEY, a varchar(9) CHARACTER SET cp1251,
            b text CHARACTER SET euckr, c varchar(9), `d?` varchar(9) CHARACTER SET ascii);
        INSERT INTO t VALUES (1, 'what?', 'why?', '?', NULL);"""
    )
    assert warnings(bare, "calm") == ""
    mariadb.sql("INSERT INTO t VALUES (2, _binary x'41982E', '', '', _binary x'E9')", "orders")
    assert warnings(bare) == "a dump has '?' for bytes that are no character: t.a, t.d?"


def test_events_that_the_server_does_not_make_again_are_named(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql(
        """CREATE DATABASE orders; USE orders; CREATE TABLE t (i int);
        SET timestamp = UNIX_TIMESTAMP('2020-01-01 00:00:00');
        CREATE EVENT `Over` ON SCHEDULE EVERY 1 DAY STARTS '2019-01-01' ENDS '2020-02-01' DISABLE DO SET @x = 1;
        CREATE EVENT still ON SCHEDULE EVERY 1 DAY STARTS '2019-01-01' DISABLE DO SET @x = 1;"""
    )
    restore(bare, bare.dump())
    assert mariadb.sql("SELECT event_name FROM information_schema.events", "orders").split() == ["still"]
    assert "warning: the server makes no event whose time is over: Over" in bare.progress.lines


def test_a_history_by_transactions_is_refused_in_words(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql(
        """CREATE DATABASE orders; USE orders; CREATE TABLE t (x int, s bigint unsigned GENERATED ALWAYS AS ROW START,
        e bigint unsigned GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING"""
    )
    with pytest.raises(NotSafe, match="table t keeps its history by transactions"):
        bare.dump()


def test_a_counter_that_may_be_null_is_named(bare: Bare, mariadb: MariadbServer) -> None:
    """The server lets tables have one that keep their history, and makes numbers of NULL when it is loaded."""
    mariadb.sql(
        """CREATE DATABASE orders; USE orders;
        CREATE TABLE usual (a int AUTO_INCREMENT PRIMARY KEY) WITH SYSTEM VERSIONING;
        CREATE TABLE odd (a int, b int AUTO_INCREMENT NULL UNIQUE) WITH SYSTEM VERSIONING"""
    )
    assert warnings(bare) == "NULL in AUTO_INCREMENT columns comes back as a number: odd"
