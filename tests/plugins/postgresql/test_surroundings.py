"""What belongs to a database and is not in its dump is carried over, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.types.postgresql.surroundings import split_list
from tests.plugins.conformance.bare import Bare, Notes, restore
from tests.plugins.postgresql.bare import bare_component, seed, surroundings
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


SURROUND = r"""
CREATE ROLE dysnomia_owner; CREATE ROLE dysnomia_reader; CREATE ROLE "dysnomia ""odd"" one";
ALTER DATABASE orders OWNER TO dysnomia_owner;
REVOKE CONNECT ON DATABASE orders FROM PUBLIC;
GRANT CONNECT ON DATABASE orders TO dysnomia_reader WITH GRANT OPTION;
SET SESSION AUTHORIZATION dysnomia_reader; GRANT CONNECT ON DATABASE orders TO "dysnomia ""odd"" one";
RESET SESSION AUTHORIZATION;
ALTER DATABASE orders CONNECTION LIMIT 77;
COMMENT ON DATABASE orders IS E'it''s a \\ comment;\nof two lines';
ALTER DATABASE orders SET search_path TO "$user", public, "odd, ""name";
ALTER DATABASE orders SET work_mem = '7MB';
ALTER DATABASE orders SET default_transaction_read_only = on;
ALTER DATABASE orders SET "my.setting" = E'a\\b''c, "d"';
ALTER ROLE "dysnomia ""odd"" one" IN DATABASE orders SET statement_timeout = '5s';
ALTER ROLE dysnomia_reader IN DATABASE orders SET search_path = '';
"""


def test_surroundings_are_carried_over(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(SURROUND)
    before = surroundings(bare)
    assert isinstance(before, dict)
    assert before["owner"] == "dysnomia_owner"
    assert len(before["settings"]) == 6
    stored = bare.dump()
    postgres.sql("ALTER DATABASE orders SET work_mem = '8MB'; ALTER DATABASE orders CONNECTION LIMIT 78")
    now = surroundings(bare)
    assert bare.dump().digest == stored.digest, "what is beyond the dump is no part of the identity"
    restore(bare, stored)
    assert surroundings(bare) == now, "live's, not the snapshot's"
    assert before != now


def test_surroundings_come_from_the_snapshot_when_live_is_gone(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(SURROUND)
    before, stored = surroundings(bare), bare.dump()
    postgres.drop("orders")
    ctx, journal = bare.context("3"), Notes()
    ctx = replace(ctx, journal=journal)
    beside, aside = bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    assert bare.plugin.recover(ctx)
    assert surroundings(bare) == before
    assert not bare.plugin.exists(ctx, aside)


def test_a_copy_has_the_surroundings_too(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(SURROUND)
    bare.plugin.load(bare.context("4"), bare.dump(), Place("copy"))
    assert surroundings(bare, "copy") == surroundings(bare)


def test_grants_that_were_there_go(bare: Bare, postgres: PostgresServer) -> None:
    """Swapping back what stood aside: it gets what live has now, and loses what it had."""
    seed(postgres)
    stored = bare.dump()
    postgres.sql(SURROUND)
    ctx = bare.context("5")
    beside, aside = bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    postgres.sql(
        """GRANT CREATE ON DATABASE orders TO dysnomia_reader; ALTER DATABASE orders RESET ALL;
        ALTER ROLE dysnomia_reader IN DATABASE orders RESET ALL; COMMENT ON DATABASE orders IS NULL"""
    )
    now = surroundings(bare)
    back = bare.context("6")
    bare.plugin.swap(back, aside, bare.plugin.place(back, Purpose.ASIDE))
    assert surroundings(bare) == now


def test_creation_keeps_encoding_and_locale(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    postgres.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'né')", "orders", PGCLIENTENCODING="UTF8"
    )
    stored = bare.dump()
    (table,) = (one for one in stored.sections() if one.kind == "table")
    (rows,) = bare.plugin.raw_rows(stored, table)
    assert bare.plugin.parse_row(replace(table, key=("id",)), rows[0]).cells == ("1", "né")
    restore(bare, stored)
    found = postgres.sql("SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'orders'")
    assert found == "LATIN1|C"
    assert bare.dump().digest == stored.digest


def test_a_setting_that_is_a_list_is_split_as_the_server_does() -> None:
    assert list(split_list('"$user", public, "odd, ""name"')) == ["$user", "public", 'odd, "name']
    assert list(split_list("")) == []
    assert list(split_list('""')) == [""]
