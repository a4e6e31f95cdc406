"""Materialized views whose contents cannot be made anew: a dump has none, only the statement that makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import PluginError
from tests.e2e.world import World
from tests.plugins.conformance.bare import Bare, restore, with_properties
from tests.plugins.postgresql.bare import bare_component, plain
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server

TWICE = """CREATE TABLE t (i int); INSERT INTO t VALUES (1);
CREATE MATERIALIZED VIEW once AS SELECT i FROM t; CREATE UNIQUE INDEX ON once (i);
CREATE MATERIALIZED VIEW "after $dysnomia$ it" AS SELECT i + 1 AS n FROM once;
CREATE MATERIALIZED VIEW fine AS SELECT 7 AS n;
INSERT INTO t VALUES (1);"""
FILLED = "SELECT relname FROM pg_class WHERE relkind = 'm' AND relispopulated ORDER BY 1"


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


@pytest.mark.parametrize("plain", [False, True])
def test_a_view_that_cannot_be_filled_does_not_stand_against_a_restore(
    bare: Bare, postgres: PostgresServer, plain: bool
) -> None:
    """Its tables went on, or its foreign server is not there: every generation was impossible to restore."""
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; CREATE DATABASE orders OWNER dysnomia_owner")
    if plain:
        with_properties(bare, postgresqlUsername="dysnomia_owner")
    postgres.sql(TWICE, "orders", PGUSER="dysnomia_owner")
    stored = bare.dump()
    restore(bare, stored)
    assert postgres.sql(FILLED, "orders") == "fine"
    assert postgres.sql("SELECT count(*) FROM t", "orders") == "2"
    warnings = [line for line in bare.progress.lines if line.startswith("warning: the materialized view")]
    assert len(warnings) == 2
    assert 'once could not be filled (could not create unique index "once_i_idx")' in warnings[0]
    assert "has not been populated" in warnings[1]


def test_such_a_generation_is_not_proved_and_not_called_corrupt(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(TWICE, "orders")
    stored = bare.dump()
    ctx = bare.context("3")
    scratch = bare.plugin.place(ctx, Purpose.SCRATCH)
    with pytest.raises(PluginError, match=r"nothing is proved: the materialized view public\.once"):
        bare.plugin.load(ctx, stored, scratch)
    bare.plugin.drop(ctx, scratch)


def test_a_database_without_plpgsql_is_filled_as_before(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql("DROP EXTENSION plpgsql; CREATE MATERIALIZED VIEW fine AS SELECT 7 AS n", "orders")
    restore(bare, bare.dump())
    assert postgres.sql(FILLED, "orders") == "fine"


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres
    plain(postgres)


def test_the_end_of_the_job_says_which_view_is_empty(server: PostgresServer, tmp_path: Path) -> None:
    """The log has it among the rest, and nobody reads that of a restore that went well."""
    world = World(tmp_path)
    world.container("db", **server.properties)
    world.component("db/orders", "postgresql-databases/first.sql", TWICE)
    world.run("dysnomia", "-o", "activate", "-C", "db", "-c", "orders")
    world.run("dysnomia", "-o", "snapshot", "-C", "db", "-c", "orders")
    command = world.run("dysnomia", "-o", "restore", "-C", "db", "-c", "orders")
    (restore,) = [one for one in world.jobs() if one["kind"] == "restore"]
    assert restore["state"] == "done"
    assert "the materialized view public.once could not be filled" in restore["message"]
    assert "could not be filled" in (command.out + command.err).splitlines()[-1]
