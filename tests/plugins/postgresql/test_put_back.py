"""Rows put back into a live database: exactly these, whatever is in them, and nothing of what stands against it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe
from tests.plugins.conformance.bare import Notes, with_properties
from tests.plugins.postgresql.bare import ROLES, bare_component, plain
from tests.plugins.postgresql.changes import SEED
from tests.plugins.postgresql.shop import CUSTOMERS, Shop
from tests.plugins.servers.postgresql import PostgresServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server

OWNER = ROLES[0]


@pytest.fixture
def shop(postgres: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(postgres, tmp_path):
        yield Shop(postgres, bare)


MORE = r"""
CREATE DOMAIN code AS text CHECK (length(VALUE) < 9);
CREATE TABLE "s'el""ect" ("a
b" code PRIMARY KEY, "dysnomia" int, bits bit(3), fixed char(5), short varchar(3), money money, took interval,
  many numeric(9,2)[], at timestamptz, net cidr, "x'y" pair, letter "char", spot point, words tsvector, doc xml);
INSERT INTO "s'el""ect" VALUES (E'k\t\n\\\'', 1, '101', 'ab ', 'abc', '-1234.56', '-1 day +2 hours 3.5 s',
  '{1.10,NULL}', '2026-06-01 12:00:00.123456+02', '10.0.0.0/8', '(7,"a,b\"")', 'x', '(0.1,1e-300)', 'a:1 b:2',
  '<a>\</a>'), ('', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE always (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, w text GENERATED ALWAYS AS (v || '!')
  STORED);
INSERT INTO always (v) VALUES ('one'), ('two');
CREATE TABLE base (a int PRIMARY KEY, b text); CREATE TABLE derived (c text, PRIMARY KEY (a)) INHERITS (base);
INSERT INTO base VALUES (1, 'base'); INSERT INTO derived VALUES (1, 'derived', 'c');
"""


@pytest.fixture
def roles(postgres: PostgresServer) -> Iterator[None]:
    postgres.sql("CREATE ROLE dysnomia_alice; CREATE ROLE dysnomia_bob")
    yield
    plain(postgres)
    postgres.sql("DROP ROLE dysnomia_alice, dysnomia_bob")


@pytest.mark.parametrize("hostile", [False, True])
def test_one_of_everything_is_back_as_pg_dump_has_it(hostile: bool, shop: Shop, roles: None) -> None:
    """All rows of all tables that have a key are deleted; in one world every setting that shapes values is another."""
    shop.create(SEED + MORE)
    if hostile:
        for name, value in {
            "search_path": "nowhere", "DateStyle": "German", "IntervalStyle": "sql_standard",
            "TimeZone": "Asia/Tokyo", "bytea_output": "escape", "extra_float_digits": "-3", "array_nulls": "off",
            "standard_conforming_strings": "off", "default_transaction_read_only": "on", "row_security": "off",
            "xmloption": "document",
        }.items():  # fmt: skip
            shop.sql(f"ALTER DATABASE orders SET {name} = '{value}'")
    before = shop.dumped()
    tables = [one for one in shop.sections().values() if one.key]
    assert len(tables) >= 10
    names = ", ".join(f"ONLY {one.name}" for one in tables)
    shop.sql(f"TRUNCATE {names} RESTART IDENTITY")
    rows = [row for one in tables for row in shop.lacking(one)]
    assert len(rows) == sum(one.rows or 0 for one in tables)
    look = shop.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert (
        "sequence public.always_id_seq is behind: it would go on from 2, and stay there after an undo" in look.warnings
    )
    assert shop.put(rows, look) == []
    assert shop.dumped() == before


def test_what_stands_against_rows_is_found_and_follows_from_each_other(shop: Shop) -> None:
    shop.create(CUSTOMERS)
    whole = shop.dumped()
    shop.sql("DELETE FROM orders WHERE customer = 2; DELETE FROM customers")
    orders = shop.wanted("public.orders", "B1", "B2")
    assert shop.look(orders[:1]).conflicts == {
        0: "B1 of table public.orders refers to 2 of public.customers, which is not there"
    }
    assert shop.look([*shop.wanted("public.customers", "2"), orders[0]]).conflicts == {
        0: "2 of table public.customers refers to 1 of public.customers, which is not there",
        1: "B1 of table public.orders refers to 2 of public.customers, which is not there",
    }, "what depends on a row that is left out is left out as well"
    shop.sql("INSERT INTO customers VALUES (9, 'bob@example.org', NULL); INSERT INTO orders VALUES ('N1', 9, 5)")
    lost = [*orders, *shop.wanted("public.orders", "A1"), *shop.wanted("public.customers", "2", "1")]
    assert shop.look(lost).conflicts[3] == "email of 2 of table public.customers is in use by the row 9"
    new = shop.wanted("public.customers", "9")
    assert shop.look(new).conflicts == {0: "the row N1 of table public.orders refers to 9 of table public.customers"}
    with pytest.raises(NotSafe, match="nothing was changed: the row N1"):
        shop.bare.plugin.put_back(shop.bare.context(), new, [shop.look(new).rows[0].digest])
    assert shop.put([*lost, *new, *shop.wanted("public.orders", "N1")]) == []
    assert shop.dumped() == whole


CIRCLES = """
CREATE TABLE team (id int PRIMARY KEY, lead int, slug text UNIQUE);
CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL REFERENCES team ON DELETE CASCADE,
  mentor int REFERENCES member ON DELETE SET NULL, nick text UNIQUE);
ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES member;
CREATE TABLE part (id int, day date, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE part_old PARTITION OF part FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE part_new PARTITION OF part FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
CREATE TABLE of_part (id int PRIMARY KEY, part int, day date, FOREIGN KEY (day, part) REFERENCES part);
INSERT INTO team VALUES (1, NULL, 'a'), (2, NULL, 'b');
INSERT INTO member VALUES (1, 1, NULL, 'x'), (2, 1, 1, 'y'), (3, 2, 1, 'z');
UPDATE team SET lead = id;
INSERT INTO part VALUES (1, '2025-01-01'), (2, '2026-02-02'); INSERT INTO of_part VALUES (1, 1, '2025-01-01');
"""


def test_rows_that_refer_to_each_other_in_circles_are_back_and_values_are_exchanged(shop: Shop) -> None:
    shop.create(CIRCLES)
    before = shop.dumped()
    shop.sql(
        "UPDATE team SET lead = NULL; DELETE FROM member WHERE id = 1; DELETE FROM team WHERE id = 2;"
        "UPDATE member SET nick = 'x', mentor = NULL; INSERT INTO member VALUES (9, 1, 2, 'y');"
        "DELETE FROM of_part; DELETE FROM part"
    )
    alone = shop.look(shop.wanted("public.of_part", "1")).conflicts
    assert alone == {0: "1 of table public.of_part refers to 2025-01-01,1 of public.part, which is not there"}
    rows = [
        *shop.wanted("public.member", "1", "2", "3", "9"),
        *shop.wanted("public.team", "1", "2"),
        *shop.wanted("public.of_part", "1"),
        *shop.wanted("public.part_old", ("2025-01-01", "1")),
        *shop.wanted("public.part_new", ("2026-02-02", "2")),
    ]
    look = shop.look(rows)
    assert look.conflicts == {}
    assert shop.put(rows, look) == []
    assert shop.dumped() == before
    gone = [replace(row, wanted=None) for row in shop.wanted("public.part_old", ("2025-01-01", "1"))]
    assert shop.look(gone).conflicts == {
        0: "the row 1 of table public.of_part refers to 2025-01-01,1 of table public.part_old"
    }


def test_rows_change_where_they_are_and_no_trigger_fires(shop: Shop) -> None:
    shop.create(
        CUSTOMERS + "CREATE TABLE log (n serial PRIMARY KEY, who int);"
        "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log (who) VALUES (1); RETURN NULL; END';"
        "CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION told();"
        "ALTER TABLE customers ENABLE ALWAYS TRIGGER told"
    )
    before = shop.dumped()
    shop.sql(
        "SET session_replication_role = replica; ALTER TABLE customers DISABLE TRIGGER told;"
        "UPDATE customers SET boss = NULL, email = 'x' || id; ALTER TABLE customers ENABLE ALWAYS TRIGGER told;"
        "UPDATE orders SET number = number || ' '  WHERE number = 'A1'"
    )
    rows = [*shop.wanted("public.customers", "1", "2"), *shop.wanted("public.orders", "A1", "A1 ", "none")]
    look = shop.look(rows)
    (warning,) = look.warnings
    assert warning.startswith("trigger told of table public.customers would not fire")
    assert shop.put(rows, look) == []
    assert shop.dumped() == before


def test_what_changed_since_the_plan_is_left_and_others_wait(shop: Shop) -> None:
    """An application that is writing is waited for; what it wrote stays."""
    shop.create("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    shop.sql("DELETE FROM t")
    rows = shop.wanted("public.t", "1", "2")
    look = shop.look(rows)
    env = shop.server.client_environment(PGDATABASE="orders")
    argv: list[str | Path] = [shop.server.bin / "psql", "-X", "-q", "-f", "-"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=env) as application:
        assert application.stdin is not None
        application.stdin.write(b"BEGIN; INSERT INTO t VALUES (1, 'new');\n")
        application.stdin.flush()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: shop.sql("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass") != "0")
        left: list[Sequence[int]] = []
        thread = threading.Thread(target=lambda: left.append(shop.put(rows, look)))
        thread.start()
        wait_until(lambda: shop.sql(waiting) == "1")
        application.stdin.write(b"COMMIT;\n")
    thread.join()
    assert left == [[0]]
    assert shop.sql("SELECT * FROM t ORDER BY id") == "1|new\n2|b"


def test_a_connection_that_ends_before_the_commit_changes_nothing(shop: Shop) -> None:
    """As when the worker is killed: psql gets no COMMIT. Whoever looks after it waits for its session to be gone."""
    shop.create("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    shop.sql("DELETE FROM t; BEGIN; SELECT 1")
    rows = shop.wanted("public.t", "1")

    class Stops:
        cancelled = False

        def check(self) -> None:
            assert shop.sql("SELECT count(*) FROM t") == "0", "nobody sees a row before all are there"
            raise KeyboardInterrupt

    ctx = replace(shop.bare.context(), cancel=Stops())
    with pytest.raises(KeyboardInterrupt):
        shop.bare.plugin.put_back(ctx, rows, [""])
    begun = Notes([("put-back", {})])
    assert shop.bare.plugin.look_at_rows(shop.bare.context(journal=begun), rows).rows[0].raw is None
    assert shop.sql("SELECT count(*) FROM t") == "0"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("DROP TABLE t", "no table public.t in what is live"),
        ("ALTER TABLE t ADD COLUMN w int", "has other columns now (+w)"),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", "has no primary key"),
        ("ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u", "is a view"),
        ("CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", "has the rule r"),
        ("ALTER TABLE t ALTER k TYPE int USING 1", "live does not take these rows: invalid input syntax"),
    ],
)
def test_a_table_that_is_another_one_now_is_refused(now: str, words: str, shop: Shop) -> None:
    shop.create("CREATE TABLE t (k text PRIMARY KEY, v text); INSERT INTO t VALUES ('a', '007')")
    rows = shop.wanted("public.t", "a")
    shop.sql(now)
    (refusal,) = shop.look(rows).refusals
    assert words in refusal
    with pytest.raises(NotSafe, match="nothing was changed"):
        shop.bare.plugin.put_back(shop.bare.context(), rows, [""])


def test_a_value_that_live_would_make_another_of_is_a_conflict(shop: Shop) -> None:
    shop.create("CREATE TABLE t (k text PRIMARY KEY, v text); INSERT INTO t VALUES ('a', '007')")
    shop.sql("ALTER TABLE t ALTER v TYPE int USING 1; DELETE FROM t")
    (reason,) = shop.look(shop.wanted("public.t", "a")).conflicts.values()
    assert reason.startswith("v of a of table public.t would not be what it was")


def test_an_owner_without_privileges_puts_rows_back_and_one_who_sees_not_all_is_refused(
    shop: Shop, postgres: PostgresServer
) -> None:
    postgres.sql(f"CREATE ROLE {OWNER} LOGIN; CREATE DATABASE orders OWNER {OWNER}")
    shop.sql(
        f"SET ROLE {OWNER}; CREATE SCHEMA mine; SET search_path = mine; {CUSTOMERS}; CREATE FUNCTION told()"
        " RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$fired$$; END';"
    )
    shop.keep()
    with_properties(shop.bare, postgresqlUsername=OWNER)
    shop.sql(
        "SET search_path = mine; DELETE FROM orders; CREATE TRIGGER told BEFORE INSERT ON orders FOR EACH ROW"
        " EXECUTE FUNCTION told()"
    )
    rows = shop.wanted("mine.orders", "A1", "B1", "B2")
    shop.put(rows)
    assert shop.sql("SELECT count(*), sum(cents) FROM mine.orders") == "3|600"
    shop.sql("ALTER TABLE mine.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    (refusal,) = shop.look(rows).refusals
    assert "row-level security" in refusal


def test_no_code_of_an_owner_runs_as_the_superuser_that_puts_rows_back(shop: Shop, postgres: PostgresServer) -> None:
    postgres.sql(f"CREATE ROLE {OWNER}; CREATE DATABASE orders OWNER {OWNER}")
    shop.sql(
        f"""SET ROLE {OWNER}; CREATE SCHEMA mine; SET search_path = mine;
        CREATE FUNCTION look(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
          IF pg_catalog.current_setting('dysnomia.search_path', true) IS NULL THEN RETURN true; END IF;
          IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            RAISE EXCEPTION 'it runs as %', current_user; END IF;
          BEGIN PERFORM set_config('role', 'none', false); RAISE EXCEPTION USING ERRCODE = 'XX999';
          EXCEPTION WHEN insufficient_privilege THEN NULL; END;
          RETURN true; END $$;
        CREATE DOMAIN seen AS text CHECK (look(VALUE));
        CREATE TABLE t (k seen PRIMARY KEY, v seen, CHECK (look(v)));
        INSERT INTO t VALUES ('a', 'b');"""
    )
    shop.keep()
    before = shop.dumped()
    shop.sql("DELETE FROM mine.t")
    assert shop.put(shop.wanted("mine.t", "a")) == []
    assert shop.dumped() == before
    shop.sql("ALTER TABLE mine.t ADD w mine.seen[]")
    shop.keep()
    (refusal,) = shop.look(shop.wanted("mine.t", "a")).refusals
    assert "column w has a domain within its type" in refusal


def test_what_depends_on_the_databases_settings_is_put_back_under_them(shop: Shop) -> None:
    """A CHECK that reads a day in the database's time zone, by functions that trust its search path."""
    shop.server.sql("CREATE DATABASE orders; ALTER DATABASE orders SET TimeZone = 'Asia/Tokyo'")
    shop.sql(
        "CREATE FUNCTION day(timestamptz) RETURNS date LANGUAGE sql AS 'SELECT $1::date';"
        "CREATE FUNCTION fits(timestamptz, date) RETURNS boolean LANGUAGE plpgsql AS"
        " 'BEGIN RETURN day($1) = $2; END';"
        "CREATE TABLE sale (at timestamptz PRIMARY KEY, day date, CHECK (fits(at, day)));"
        "INSERT INTO sale VALUES ('2024-06-01 22:30+00', '2024-06-02')"
    )
    shop.keep()
    before = shop.dumped()
    shop.sql("DELETE FROM sale")
    assert shop.put(shop.lacking(shop.sections()["public.sale"])) == []
    assert shop.dumped() == before
