"""Settings that shape a dump or a load: ours are fixed, the database's own are in force where data depends on them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.pg.sessions import Session, options
from tests.plugins.bare import Bare, restore
from tests.plugins.postgresql_bare import bare_component
from tests.plugins.services import missing
from tests.plugins.services_postgresql import PostgresServer

pytestmark = pytest.mark.server

SHAPED = """CREATE TABLE t (id int PRIMARY KEY, at timestamptz, took interval, b bytea, f float8, a text[], v text);
INSERT INTO t VALUES
  (1, '2026-06-01 12:00+00', '-1 day +2 hours', '\\x00ff', 0.1::float8 + 0.2, '{NULL,"NULL"}', 'grün €');
CREATE VIEW v AS SELECT '$12.34'::money AS price, interval '-1 day 2 hours' AS took, at FROM t WHERE v = 'a\\b';"""
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
CLIENT = "-c statement_timeout=0 -c idle_session_timeout=0 -c default_transaction_read_only=off -c search_path=public"


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)
    postgres.sql("ALTER ROLE postgres RESET ALL", PGOPTIONS=CLIENT)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("whose", ["DATABASE orders", "ROLE postgres", "ROLE postgres IN DATABASE orders"])
def test_no_setting_of_anybodys_is_a_change_of_state(
    bare: Bare, postgres: PostgresServer, name: str, whose: str
) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(SHAPED, "orders")
    stored = bare.dump()
    rows = postgres.sql("TABLE t", "orders", PGOPTIONS=CLIENT)
    postgres.sql(f"ALTER {whose} SET {name} = '{SETTINGS[name]}'", PGOPTIONS=CLIENT)
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
        postgres.sql(f"ALTER {whose} RESET {name}", PGOPTIONS=CLIENT)
    assert postgres.sql("TABLE t", "orders", PGOPTIONS=CLIENT) == rows


def test_what_depends_on_the_databases_settings_is_loaded_under_them(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(
        "ALTER DATABASE orders SET TimeZone = 'Europe/Berlin'; ALTER ROLE postgres SET TimeZone = 'Asia/Tokyo'"
    )
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
        CREATE MATERIALIZED VIEW m AS SELECT total() AS s;""",
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


def test_money_keeps_its_value_whatever_it_is_written_with(tmp_path: Path) -> None:
    locales = tmp_path / "locales"
    locales.mkdir(mode=0o755)
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(folder.stat().st_mode | 0o055)
    try:
        for name in ("de_DE", "es_AR", "ja_JP"):
            subprocess.run(["localedef", "-i", name, "-f", "UTF-8", locales / f"{name}.UTF-8"], check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        missing("the source of locales", "apt-get install locales")
    with PostgresServer(locales=locales) as server:
        for bare in bare_component(server, tmp_path):
            for name in ("de_DE.UTF-8", "es_AR.UTF-8", "ja_JP.UTF-8"):
                server.sql("CREATE DATABASE orders")
                server.sql(f"ALTER DATABASE orders SET lc_monetary = '{name}'")
                server.sql(
                    """CREATE TABLE t (price money DEFAULT 5.5::numeric::money, CHECK (price > 1::money));
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


@pytest.mark.parametrize("major", [12, 14, 17])
def test_sessions_set_only_what_the_server_knows(major: int) -> None:
    for session in Session:
        found = options(session, major)
        assert "-c statement_timeout=0" in found
        assert ("idle_session_timeout" in found) == (major >= 14)
        assert ("transaction_timeout=0" in found.replace("idle_in_transaction_session_timeout=0", "")) == (major >= 17)
    assert "session_replication_role" in options(Session.LOAD, major, superuser=True)
    assert "session_replication_role" not in options(Session.LOAD, major)
    assert "-c default_transaction_isolation=read\\ committed" in options(Session.ASK, major)
