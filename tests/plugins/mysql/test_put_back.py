"""Rows put back into a live database: exactly these, whatever is in them, and nothing of what stands against it."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from tests.plugins.conformance.bare import Notes, with_properties
from tests.plugins.mysql.bare import bare_component
from tests.plugins.mysql.changes import SEED
from tests.plugins.mysql.shop import CUSTOMERS, Shop
from tests.plugins.servers.mariadb import CALM, HOSTILE, HOSTILE_GLOBALS, MariadbServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server

PASSWORD = "not a secret"


@pytest.fixture
def shop(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(mariadb, tmp_path):
        yield Shop(server=mariadb, bare=bare)


@pytest.fixture(scope="module")
def hostile() -> Iterator[MariadbServer]:
    with MariadbServer(settings=HOSTILE, globals_=HOSTILE_GLOBALS, calm=CALM) as server:
        yield server


MORE = r"""
CREATE TABLE `s'el``ect` (`a
b` varchar(20) PRIMARY KEY, flag bit(1), many bit(64), u uuid, net inet6, fixed binary(4), small tinyint unsigned
  zerofill, big bigint unsigned, money decimal(65,30), x double, y double unsigned, moment time(6),
  at timestamp(6) NULL,
  z datetime, area polygon, blank varbinary(9), t longtext, c char(5), nat nchar(3), feeling enum('a','b\'c',''));
INSERT INTO `s'el``ect` VALUES ('k\t\n\\\'', b'1', ~0, UUID(), '::1', X'00FF27', 7, 18446744073709551615,
  -12345.678901234567890123456789, 1e300, 0.1, '-838:59:59.999999', '2026-06-01 12:00:00.123456', '0000-00-00 00:00:00',
  ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))'), X'', REPEAT('x', 70000), 'ab ', 'é', 'b\'c'),
  ('', b'0', 0, NULL, NULL, NULL, NULL, NULL, NULL, -2.2250738585072014e-308, NULL, NULL, NULL, NULL, NULL, NULL, '',
  '', NULL, '');
CREATE TABLE by_bytes (k varbinary(20), b bit(10), d date, x double, PRIMARY KEY (k, b, d, x));
INSERT INTO by_bytes VALUES (X'00275C0AFF', b'1000000001', '2026-01-02', 0.1), ('abc', 2, '2026-01-02', 1e100);
CREATE TABLE zero (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9)); SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO zero VALUES (0, 'zero'), (7, 'seven');
CREATE TABLE team (id int PRIMARY KEY, lead int, slug varchar(9) UNIQUE);
CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL, nick varchar(9) COLLATE utf8mb4_bin UNIQUE,
  FOREIGN KEY (team) REFERENCES team (id) ON DELETE CASCADE);
INSERT INTO team VALUES (1, 1, 'a'), (2, 2, 'b'); INSERT INTO member VALUES (1, 1, 'x'), (2, 2, 'X');
ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES member (id);
"""
NOT_ALONE = {"loved", "told", "tree", "orders"}
"""Of the seed: MyISAM, with a history, with triggers."""


def _everything_is_back(shop: Shop) -> None:
    shop.create(SEED + MORE)
    tables = {name: one for name, one in shop.sections().items() if one.key and name not in NOT_ALONE}
    assert len(tables) >= 12
    for name in tables:
        look = shop.look(shop.all_of(name))
        assert look.refusals == ()
        assert [one.raw for one in look.rows] == [row.wanted for row in shop.all_of(name)], "in the dump's own words"
    shop.sql("SET foreign_key_checks = 0; DROP TRIGGER stamp; DROP TRIGGER stamp_again; DELETE FROM orders")
    shop.keep()
    before = shop.dumped()
    tables = {name: shop.sections()[name] for name in tables}
    names = ["`" + name.replace("`", "``") + "`" for name in tables]
    shop.sql("SET foreign_key_checks = 0;" + "".join(f"DELETE FROM {name};" for name in names))
    rows = [row for one in tables.values() for row in shop.lacking(one)]
    assert len(rows) == sum(one.rows or 0 for one in tables.values())
    look = shop.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert shop.put(rows, look) == {}
    assert shop.dumped() == before


def test_one_of_everything_is_back_as_mariadb_dump_has_it(shop: Shop) -> None:
    """All rows of all tables that have a key are deleted."""
    _everything_is_back(shop)


def test_the_same_whatever_is_set_on_the_server(hostile: MariadbServer, tmp_path: Path) -> None:
    for bare in bare_component(hostile, tmp_path):
        _everything_is_back(Shop(server=hostile, bare=bare))


def test_what_stands_against_rows_is_found_and_follows_from_each_other(shop: Shop) -> None:
    shop.create(CUSTOMERS)
    whole = shop.dumped()
    shop.sql("DELETE FROM orders WHERE customer = 2; SET foreign_key_checks = 0; DELETE FROM customers")
    orders = shop.wanted("orders", "B1", "B2")
    assert shop.look(orders[:1]).conflicts == {0: "B1 of table orders refers to 2 of `customers`, which is not there"}
    assert shop.look([*shop.wanted("customers", "2"), orders[0]]).conflicts == {
        0: "2 of table customers refers to 1 of `customers`, which is not there",
        1: "B1 of table orders refers to 2 of `customers`, which is not there",
    }, "what depends on a row that is left out is left out as well"
    shop.sql("INSERT INTO customers VALUES (9, 'BOB@example.org', NULL); INSERT INTO orders VALUES ('N1', 9, 5)")
    lost = [*orders, *shop.wanted("orders", "A1"), *shop.wanted("customers", "2", "1")]
    assert shop.look(lost).conflicts[3] == "email of 2 of table customers is in use by the row 9", "whatever its case"
    new = shop.wanted("customers", "9")
    assert shop.look(new).conflicts == {0: "the row N1 of table `orders` refers to 9 of table customers"}
    seen = [shop.look(new).rows[0].digest]
    assert shop.bare.plugin.put_back(shop.bare.context(), new, seen) == shop.look(new).conflicts
    assert shop.put([*lost, *new, *shop.wanted("orders", "N1")]) == {}
    assert _without_counters(shop.dumped()) == _without_counters(whole), "AUTO_INCREMENT went on, for 9 was given out"


def _without_counters(lines: Sequence[str]) -> list[str]:
    return [re.sub(r" AUTO_INCREMENT=\d+", "", line) for line in lines]


def test_a_value_taken_since_the_plan_leaves_its_row_and_what_refers_to_it(shop: Shop) -> None:
    shop.create(CUSTOMERS)
    shop.sql("SET foreign_key_checks = 0; DELETE FROM orders; DELETE FROM customers")
    rows = [*shop.wanted("customers", "1", "2"), *shop.wanted("orders", "A1", "B1")]
    look = shop.look(rows)
    assert look.conflicts == {}
    shop.sql("INSERT INTO customers VALUES (7, 'bob@example.org', NULL)")
    assert shop.put(rows, look) == {
        1: "email of 2 of table customers is in use by the row 7",
        3: "B1 of table orders refers to 2 of `customers`, which is not there",
    }
    assert shop.sql("SELECT id FROM customers ORDER BY id").split() == ["1", "7"]
    assert shop.sql("SELECT number FROM orders").split() == ["A1"]


def test_rows_that_refer_to_each_other_in_circles_are_back_and_values_are_exchanged(shop: Shop) -> None:
    shop.create(
        """CREATE TABLE team (id int PRIMARY KEY, head int, slug varchar(9) UNIQUE);
        CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL, mentor int, nick varchar(9) UNIQUE,
          FOREIGN KEY (team) REFERENCES team (id) ON DELETE CASCADE,
          FOREIGN KEY (mentor) REFERENCES member (id) ON DELETE SET NULL);
        INSERT INTO team VALUES (1, NULL, 'a'), (2, NULL, 'b');
        INSERT INTO member VALUES (1, 1, NULL, 'x'), (2, 1, 1, 'y'), (3, 2, 1, 'z');
        ALTER TABLE team ADD FOREIGN KEY (head) REFERENCES member (id); UPDATE team SET head = id;"""
    )
    before = shop.dumped()
    shop.sql(
        "SET foreign_key_checks = 0; UPDATE team SET head = NULL; DELETE FROM member WHERE id IN (1, 3);"
        "DELETE FROM team WHERE id = 2; UPDATE member SET nick = 'x', mentor = NULL;"
        "INSERT INTO member VALUES (9, 1, 2, 'y')"
    )
    rows = [*shop.wanted("member", "1", "2", "3", "9"), *shop.wanted("team", "1", "2")]
    look = shop.look(rows)
    assert look.conflicts == {}
    assert shop.put(rows, look) == {}
    assert shop.dumped() == before


def test_a_row_goes_without_taking_others_along(shop: Shop) -> None:
    """ON DELETE CASCADE and ON UPDATE CASCADE, of this database and of another."""
    shop.create(CUSTOMERS)
    shop.server.sql("CREATE DATABASE other")
    shop.server.sql(
        "CREATE TABLE refers (id int PRIMARY KEY, customer int, FOREIGN KEY (customer) REFERENCES orders.customers (id)"
        " ON DELETE CASCADE)",
        "other",
    )
    shop.sql("INSERT INTO customers VALUES (9, 'new', NULL)")
    shop.server.sql("INSERT INTO refers VALUES (1, 9)", "other")
    new = shop.wanted("customers", "9")
    assert shop.look(new).conflicts == {0: "the row 1 of table `other`.`refers` refers to 9 of table customers"}
    shop.sql("UPDATE customers SET email = 'changed', boss = NULL WHERE id = 2")
    assert shop.put(shop.wanted("customers", "2")) == {}
    assert shop.sql("SELECT COUNT(*) FROM orders") == "3", "a row that goes and comes takes none of those along"
    shop.server.drop("other")


def test_what_would_fire_a_trigger_is_left_and_named(shop: Shop) -> None:
    shop.create(
        CUSTOMERS + "CREATE TABLE heard (who int);"
        "CREATE TRIGGER hears AFTER INSERT ON customers FOR EACH ROW INSERT INTO heard VALUES (NEW.id);"
        "CREATE TRIGGER changes AFTER UPDATE ON customers FOR EACH ROW INSERT INTO heard VALUES (-NEW.id);"
    )
    before = shop.dumped()
    shop.sql("INSERT INTO customers VALUES (3, 'new', 1); TRUNCATE heard; DELETE FROM orders WHERE number = 'B1'")
    rows = [*shop.wanted("customers", "3"), *shop.wanted("orders", "B1")]
    look = shop.look(rows)
    assert look.conflicts == {}, "a row that goes fires neither"
    assert look.warnings == (
        "an undo would leave 3 of table customers as it is: trigger hears (for each INSERT) would fire then, and"
        " MariaDB cannot switch it off for one session; the guard holds what live has now",
    ), "an order that comes back has no trigger"
    assert shop.put(rows) == {}
    assert _without_counters(shop.dumped()) == _without_counters(before)
    shop.sql("UPDATE customers SET boss = NULL; DELETE FROM heard")
    (reason,) = shop.look(shop.wanted("customers", "2")).conflicts.values()
    assert reason == (
        "trigger hears (for each INSERT) of table customers would fire for 2, and MariaDB cannot switch it off for one"
        " session"
    )
    shop.put(shop.wanted("customers", "2"))
    assert shop.sql("SELECT COUNT(*) FROM heard") == "0"


def test_what_changed_since_the_plan_is_left_and_others_wait(shop: Shop) -> None:
    """An application that is writing is waited for; what it wrote stays."""
    shop.create("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    shop.sql("DELETE FROM t")
    rows = shop.wanted("t", "1", "2")
    look = shop.look(rows)
    argv = shop.server.argv("--unbuffered", "--database=orders")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as application:
        assert application.stdin is not None
        assert application.stdout is not None
        application.stdin.write(b"BEGIN; INSERT INTO t VALUES (1, 'new'); SELECT 'written';\n")
        application.stdin.flush()
        assert application.stdout.readline() == b"written\n"
        left: list[Mapping[int, str]] = []
        thread = threading.Thread(target=lambda: left.append(shop.put(rows, look)))
        thread.start()
        waiting = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
        wait_until(lambda: shop.sql(waiting).split("\t")[1] == "1")
        application.stdin.write(b"COMMIT;\n")
        application.stdin.close()
    thread.join()
    assert left == [{0: ""}]
    assert shop.sql("SELECT * FROM t ORDER BY id") == "1\tnew\n2\tb"


def test_a_key_that_nobody_has_stays_free_until_the_end(shop: Shop) -> None:
    """Whoever would insert a row under it, a unique value of it, or a reference to one that goes, waits and fails."""
    shop.create(CUSTOMERS)
    shop.sql("INSERT INTO customers VALUES (9, 'new', NULL); DELETE FROM orders WHERE number = 'B2'")
    rows = [*shop.wanted("orders", "B2"), *shop.wanted("customers", "9")]
    look = shop.look(rows)
    said: list[str] = []

    class Meanwhile:
        cancelled = False

        def check(self) -> None:
            for sql in ("INSERT INTO orders VALUES ('B2', 1, 1)", "INSERT INTO orders VALUES ('C1', 9, 1)"):
                argv = shop.server.argv("--database=orders")
                quick = f"SET innodb_lock_wait_timeout = 1; {sql}".encode()
                said.append(subprocess.run(argv, input=quick, capture_output=True, check=False).stderr.decode())

    ctx = replace(shop.bare.context(), cancel=Meanwhile())
    seen = [one.digest for one in look.rows]
    assert shop.bare.plugin.put_back(ctx, rows, seen) == {}
    assert len(said) >= 2
    assert all("1205" in one for one in said), said
    assert shop.sql("SELECT number, customer FROM orders ORDER BY number") == "A1\t1\nB1\t2\nB2\t2"


def test_a_connection_that_ends_before_the_commit_changes_nothing(shop: Shop) -> None:
    """As when the worker is killed: the client gets no COMMIT. Whoever looks after it ends its session first."""
    shop.create("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    shop.sql("DELETE FROM t")
    rows = shop.wanted("t", "1")

    class Stops:
        cancelled = False

        def check(self) -> None:
            assert shop.sql("SELECT COUNT(*) FROM t") == "0", "nobody sees a row before all are there"
            raise KeyboardInterrupt

    ctx = replace(shop.bare.context(), cancel=Stops())
    with pytest.raises(KeyboardInterrupt):
        shop.bare.plugin.put_back(ctx, rows, [""])
    begun = Notes([("put-back", {})])
    assert shop.bare.plugin.look_at_rows(shop.bare.context(journal=begun), rows).rows[0].raw is None
    assert shop.sql("SELECT COUNT(*) FROM t") == "0"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("DROP TABLE t", "no table t in what is live"),
        ("ALTER TABLE t ADD COLUMN w int", "has other columns now (+w)"),
        ("ALTER TABLE t DROP PRIMARY KEY", "has no primary key"),
        ("RENAME TABLE t TO u; CREATE VIEW t AS SELECT * FROM u", "is a view"),
        ("RENAME TABLE t TO u; CREATE SEQUENCE t", "is a sequence"),
        ("ALTER TABLE t ENGINE=MyISAM", "is of the engine MyISAM"),
        ("ALTER TABLE t ENGINE=Aria", "is of the engine Aria"),
        ("ALTER TABLE t MODIFY v varchar(9), ENGINE=MEMORY", "is of the engine MEMORY"),
        ("ALTER TABLE t ADD SYSTEM VERSIONING", "keeps its history"),
        ("ALTER TABLE t MODIFY v float", "FLOAT column v"),
        ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (k(1))", "has no primary key (of whole values)"),
    ],
)
def test_a_table_that_is_another_one_now_is_refused(now: str, words: str, shop: Shop) -> None:
    shop.create("CREATE TABLE t (k varchar(9) PRIMARY KEY, v text); INSERT INTO t VALUES ('a', '007')")
    rows = shop.wanted("t", "a")
    shop.sql(f"SET sql_mode = ''; {now}")
    (refusal,) = shop.look(rows).refusals
    assert words in refusal
    with pytest.raises(NotSafe, match="nothing was changed"):
        shop.bare.plugin.put_back(shop.bare.context(), rows, [""])


def test_a_value_that_live_would_make_another_of_changes_nothing(shop: Shop) -> None:
    shop.create("CREATE TABLE t (k varchar(9) PRIMARY KEY, v text); INSERT INTO t VALUES ('a', '007'), ('b', 'abc')")
    shop.sql("DELETE FROM t; ALTER TABLE t MODIFY v int; INSERT INTO t VALUES ('c', 3)")
    for key in ("a", "b"):
        with pytest.raises(NotSafe, match="nothing was changed: live would hold another row"):
            shop.put(shop.wanted("t", key))
    assert shop.sql("SELECT * FROM t") == "c\t3"
    shop.sql("ALTER TABLE t MODIFY v text, ADD CHECK (v <> 'abc')")
    with pytest.raises(NotSafe, match="the server does not take these rows"):
        shop.put(shop.wanted("t", "b"))


def test_a_record_that_is_no_plain_row_never_reaches_the_server(shop: Shop) -> None:
    """What an imported dump may have in the place of one."""
    shop.create("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    (row,) = shop.wanted("t", "1")
    for raw in (
        b"(1,SLEEP(9))",
        b"(1,(SELECT 1))",
        b"(1,@@version)",
        b"(1,'a'),(2,'b')",
        b"(1,'a'||'b')",
        b"(1,'a'",
        b"(1,'a',)",
    ):
        with pytest.raises(NotSafe, match="holds more than plain values"):
            shop.look([replace(row, wanted=raw)])


def test_an_account_with_rights_on_the_database_alone_puts_rows_back(shop: Shop) -> None:
    shop.create(CUSTOMERS)
    before = shop.dumped()
    shop.server.sql(
        f"CREATE OR REPLACE USER shop@localhost IDENTIFIED BY '{PASSWORD}';"
        "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON orders.* TO shop@localhost"
    )
    with_properties(shop.bare, mysqlUsername="shop", mysqlPassword=PASSWORD)
    shop.sql("DELETE FROM orders; UPDATE customers SET email = 'x' WHERE id = 2")
    rows = [*shop.wanted("orders", "A1", "B1", "B2"), *shop.wanted("customers", "2")]
    look = shop.look(rows)
    (warning,) = look.warnings
    assert warning.startswith("tables of other databases that refer to these rows")
    assert shop.put(rows, look) == {}
    assert shop.dumped() == before
    shop.server.sql("REVOKE TRIGGER ON orders.* FROM shop@localhost")
    (refusal, _) = shop.look(rows).refusals
    assert "may have triggers that we cannot see" in refusal
    shop.server.sql(
        "CREATE ROLE clerks; GRANT TRIGGER ON orders.* TO clerks; GRANT clerks TO shop@localhost;"
        "SET DEFAULT ROLE clerks FOR shop@localhost"
    )
    assert shop.look(rows).refusals == (), "a role's right counts"
    shop.server.sql("REVOKE INSERT ON orders.* FROM shop@localhost")
    shop.sql("DELETE FROM orders")
    with pytest.raises(PluginError, match="denied"):
        shop.put(rows)
    assert shop.sql("SELECT COUNT(*) FROM orders") == "0"


def test_a_counter_that_is_behind_is_said(shop: Shop) -> None:
    shop.create(CUSTOMERS + "INSERT INTO customers VALUES (70, 'x', NULL)")
    shop.sql("DELETE FROM customers WHERE id = 70; ALTER TABLE customers AUTO_INCREMENT = 3")
    look = shop.look(shop.wanted("customers", "70"))
    assert look.warnings == ("AUTO_INCREMENT of table customers would go on after 70, and stay there after an undo",)
    shop.put(shop.wanted("customers", "70"), look)
    shop.sql("INSERT INTO customers (email) VALUES ('next')")
    assert shop.sql("SELECT MAX(id) FROM customers") == "71"
