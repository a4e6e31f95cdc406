"""Settings that shape a dump or a load: ours are fixed, the database's own are in force where data depends on them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.sessions import Session, options
from tests.plugins.conformance.bare import Bare, restore
from tests.plugins.postgresql.bare import bare_component
from tests.plugins.servers.common import missing
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server

SHAPED = """CREATE TABLE t (id int PRIMARY KEY, at timestamptz, took interval, b bytea, f float8, a text[], v text);
INSERT INTO t VALUES
  (1, '2026-06-01 12:00+00', '-1 day +2 hours', '\\x00ff', 0.1::float8 + 0.2, '{NULL,"NULL"}', 'grün €');
CREATE VIEW v AS SELECT '$12.34'::money AS price, interval '-1 day 2 hours' AS took, at FROM t WHERE v = 'a\\b';
CREATE TEXT SEARCH DICTIONARY short (TEMPLATE = simple, stopwords = 'english');"""
SETTINGS = {
    "TimeZone": "Europe/Berlin",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
    "array_nulls": "off",
    "client_encoding": "LATIN1",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "xmloption": "document",
    "search_path": "nowhere",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "statement_timeout": "1",
    "idle_session_timeout": "1",
}
MONEY = ("de_DE", "es_AR", "ja_JP")
CLIENT = "-c statement_timeout=0 -c idle_session_timeout=0 -c default_transaction_read_only=off -c search_path=public"


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)
    postgres.sql("ALTER ROLE postgres RESET ALL", PGOPTIONS=CLIENT)


@pytest.mark.parametrize("whose", ["DATABASE orders", "ROLE postgres", "ROLE postgres IN DATABASE orders"])
def test_no_setting_of_anybodys_is_a_change_of_state(bare: Bare, postgres: PostgresServer, whose: str) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(SHAPED, "orders")
    stored = bare.dump()
    rows = postgres.sql("TABLE t", "orders", PGOPTIONS=CLIENT)
    for name, value in SETTINGS.items():
        postgres.sql(f"ALTER {whose} SET {name} = '{value}'", PGOPTIONS=CLIENT)
    try:
        assert bare.dump().digest == stored.digest
        ctx = bare.context("verify")
        scratch = bare.plugin.place(ctx, Purpose.SCRATCH)
        bare.plugin.load(ctx, stored, scratch)
        assert bare.dump(scratch, "verify").digest == stored.digest
        bare.plugin.drop(ctx, scratch)
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
    finally:
        postgres.sql(f"ALTER {whose} RESET ALL", PGOPTIONS=CLIENT)
    assert postgres.sql("TABLE t", "orders", PGOPTIONS=CLIENT) == rows


def test_the_statements_of_a_load_do_not_wait_for_the_disk_each(bare: Bare, postgres: PostgresServer) -> None:
    """Shown by a view that is filled in the load: also where the database wants every commit to wait."""
    postgres.sql("CREATE DATABASE orders")
    postgres.sql("CREATE MATERIALIZED VIEW waits AS SELECT current_setting('synchronous_commit') AS v", "orders")
    postgres.sql("ALTER DATABASE orders SET synchronous_commit = on")
    restore(bare, bare.dump())
    assert postgres.sql("TABLE waits", "orders") == "off"
    assert postgres.sql("SHOW synchronous_commit", "orders") == "on", "of the database as it was"


def test_a_limit_of_temporary_files_breaks_no_question_off(bare: Bare, postgres: PostgresServer) -> None:
    for setting in ("temp_file_limit = 0", "work_mem = '64kB'", "enable_hashagg = off"):
        postgres.sql(f"ALTER ROLE postgres SET {setting}")
    client = Client.of(bare.context())
    many = "SELECT DISTINCT repeat('x', 99) || n FROM generate_series(1, 9999) AS n"
    assert client.ask(f"SELECT count(*) FROM ({many}) AS many") == 9999


def test_what_depends_on_the_databases_settings_is_loaded_under_them(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql("ALTER DATABASE orders SET TimeZone = 'Europe/Berlin'")
    postgres.sql("ALTER ROLE postgres SET TimeZone = 'Asia/Tokyo'")
    postgres.sql(
        """SET TimeZone = 'Europe/Berlin';
        CREATE TABLE sale (at timestamptz, day date, CHECK (day = at::date));
        INSERT INTO sale VALUES ('2024-06-01 22:30+00', '2024-06-02');
        CREATE MATERIALIZED VIEW daily AS SELECT at::date AS day FROM sale;""",
        "orders",
    )
    stored = bare.dump()
    for place in (Place("copy"), bare.plugin.place(bare.context(), Purpose.SCRATCH)):
        bare.plugin.load(bare.context(), stored, place)
        assert postgres.sql("SELECT day FROM daily", place.name) == "2024-06-02"
        bare.plugin.drop(bare.context(), place)
    restore(bare, stored)
    assert postgres.sql("SELECT day FROM daily", "orders") == "2024-06-02"


def test_functions_that_trust_the_search_path_do_not_hinder_a_load(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(
        """CREATE TABLE limits (most int); INSERT INTO limits VALUES (9);
        CREATE FUNCTION allowed(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 <= max(most) FROM limits';
        CREATE TABLE numbers (n int CHECK (allowed(n))); INSERT INTO numbers VALUES (3);
        CREATE FUNCTION total() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(n) FROM numbers); END';
        CREATE MATERIALIZED VIEW m AS SELECT total() AS s;
        CREATE FUNCTION most() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT max(most) FROM limits';
        CREATE INDEX ON numbers ((n + most())) WHERE n < most();
        ALTER TABLE numbers ADD EXCLUDE ((n + most()) WITH =);""",
        "orders",
    )
    stored = bare.dump()
    restore(bare, stored)
    assert postgres.sql("SELECT s FROM m", "orders") == "3"
    assert bare.dump().digest == stored.digest
    sections = [one for one in stored.sections() if one.name == "public.limits"]
    bare.plugin.load(bare.context("part"), stored, Place("part"), sections)
    assert postgres.sql("SELECT most FROM limits", "part") == "9"
    assert "left out: the contents of the materialized view public.m" in bare.progress.lines


@pytest.fixture(scope="module")
def locales() -> Iterator[Path]:
    """A folder of locales, where every user may read it."""
    with tempfile.TemporaryDirectory(prefix="locales.") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            for locale in MONEY:
                subprocess.run(["localedef", "-i", locale, "-f", "UTF-8", folder / f"{locale}.UTF-8"], check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            missing("the source of locales", "apt-get install locales")
        yield folder


def test_money_keeps_its_value_whatever_it_is_written_with(locales: Path, tmp_path: Path) -> None:
    with PostgresServer(locales=locales) as server:
        for bare in bare_component(server, tmp_path):
            for name in MONEY:
                server.sql("CREATE DATABASE orders")
                server.sql(f"ALTER DATABASE orders SET lc_monetary = '{name}.UTF-8'")
                server.sql(
                    """CREATE TABLE t (price money DEFAULT 5.5::numeric::money, CHECK (price <> 0::money));
                    INSERT INTO t VALUES (12.34::numeric::money), (1234567.89::numeric::money);
                    CREATE MATERIALIZED VIEW m AS SELECT price::text FROM t;""",
                    "orders",
                )
                state = "SELECT price::numeric FROM t; SELECT * FROM m"
                before = server.sql(state, "orders")
                stored = bare.dump()
                server.sql("DELETE FROM t", "orders")
                restore(bare, stored)
                assert server.sql(state, "orders") == before, name
                assert bare.dump().digest == stored.digest
                server.drop("orders")


PRICES = """CREATE DOMAIN price AS money CHECK (VALUE > '-999'::money);
CREATE TABLE t (id int PRIMARY KEY, one money DEFAULT 5.5::numeric::money, two price, many money[],
  twice money GENERATED ALWAYS AS (one * 2) STORED, CHECK (one <> 0::money));
INSERT INTO t VALUES (1, 12.34::numeric::money, 1234567.89::numeric::money, ARRAY[0.01::numeric::money, NULL]);
INSERT INTO t VALUES (2, (-12.34)::numeric::money, (-0.01)::numeric::money, '{}');
INSERT INTO t VALUES (3, 46116860184273879.03::numeric::money, 92233720368547758.07::numeric::money, NULL);
CREATE TABLE by_price (p money) PARTITION BY RANGE (p);
CREATE TABLE cheap PARTITION OF by_price FOR VALUES FROM (MINVALUE) TO (100::money);
CREATE TABLE dear PARTITION OF by_price FOR VALUES FROM (100::money) TO (MAXVALUE);
INSERT INTO by_price VALUES (99.99::numeric::money), (100::money);
CREATE VIEW dear_ones AS SELECT p FROM by_price WHERE p > 100.5::numeric::money;
CREATE INDEX ON t (one) WHERE one > two;
CREATE MATERIALIZED VIEW m AS SELECT one::text AS shown FROM t;"""
VALUES = """SELECT id, cash_send(one), cash_send(two), array_send(many), cash_send(twice) FROM t ORDER BY id;
SELECT tableoid::regclass, cash_send(p) FROM by_price ORDER BY p; SELECT * FROM m ORDER BY 1;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY adrelid, adnum; SELECT * FROM dear_ones;
SELECT pg_get_viewdef('dear_ones'), pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE relname = 'dear'"""
"""The binary values, and all that shows as text."""


SOMEBODYS = [pytest.param(whose, marks=pytest.mark.worlds) for whose in ("DATABASE orders", "server")]


@pytest.mark.worlds
@pytest.mark.parametrize("whose", ["ROLE postgres IN DATABASE orders", *SOMEBODYS])
def test_money_is_the_same_everywhere_whoever_set_its_locale(locales: Path, tmp_path: Path, whose: str) -> None:
    """Restored, beside, as a copy, in part, not trusted, as a folder of its own: the same values."""
    odd = {"lc_monetary": "de_DE.UTF-8"} if whose == "server" else {}
    with PostgresServer(locales=locales, settings=odd) as server:
        for bare in bare_component(server, tmp_path):
            server.sql("CREATE DATABASE orders")
            if whose != "server":
                server.sql(f"ALTER {whose} SET lc_monetary = 'es_AR.UTF-8'")
            server.sql(PRICES, "orders")
            before = server.sql(VALUES, "orders")
            stored = bare.dump()
            ctx = bare.context("copies")
            scratch, beside, other = (
                bare.plugin.place(ctx, Purpose.SCRATCH), bare.plugin.place(ctx, Purpose.BESIDE), Place("copy")
            )  # fmt: skip
            for place in (scratch, beside, other):
                bare.plugin.load(ctx, stored, place)
                assert bare.dump(place, "copies").digest == stored.digest, place
            assert server.sql(VALUES, other.name) == before
            bare.plugin.drop(ctx, beside)
            restore(bare, stored)
            assert server.sql(VALUES, "orders") == before
            assert bare.dump().digest == stored.digest
            bare.plugin.load(bare.context("3", made_here=False), stored, Place("strange"))
            assert server.sql("SELECT cash_send(one) FROM t", "strange") == server.sql(
                "SELECT cash_send(one) FROM t", "orders"
            )


@pytest.mark.parametrize("major", [12, 14, 17])
def test_sessions_set_only_what_the_server_knows(major: int) -> None:
    for session in Session:
        found = options(session, major)
        assert "-c statement_timeout=0" in found
        assert ("idle_session_timeout" in found) == (major >= 14)
        assert ("transaction_timeout=0" in found.replace("idle_in_transaction_session_timeout=0", "")) == (major >= 17)
    assert "session_replication_role" in options(Session.LOAD, major, superuser=True)
    assert "session_replication_role" not in options(Session.LOAD, major)
    assert all("-c temp_file_limit=-1" in options(one, major, superuser=True) for one in Session)
    assert "temp_file_limit" not in options(Session.LOAD, major)
    assert all(("-c jit=off" in options(one, major)) is (one is not Session.PLAIN) for one in Session)
    assert "-c default_transaction_isolation=read\\ committed" in options(Session.ASK, major)
