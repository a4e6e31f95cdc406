"""Where a PostgreSQL server's globals are kept for a job: what others on the server can do there, and what is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.postgresql.globals import swap
from dysnomia_plugins.types.postgresql.globals.keeper import SCHEMA, PostgresqlKeeper
from dysnomia_plugins.types.postgresql.globals.plugin import PostgresqlGlobals
from tests.plugins.globals_site import SiteDriver
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server
PLACE = Place("dysnomia_0123abcd_aside")
WRITER = "CREATE ROLE writer LOGIN; GRANT pg_write_all_data, pg_read_all_data TO writer;"


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    postgres.sql(WRITER)
    yield postgres
    for name in postgres.databases() - {"postgres"}:
        postgres.drop(name)
    postgres.sql("DROP ROLE writer")


@pytest.fixture
def ctx(server: PostgresServer, tmp_path: Path) -> Iterator[Context]:
    driver = SiteDriver(PostgresqlGlobals(), "globals", server.properties, tmp_path / "globals")
    with driver.context() as ctx:
        yield ctx


@pytest.fixture
def keeper(ctx: Context) -> PostgresqlKeeper:
    return PostgresqlGlobals().keeper(ctx)


def test_nobody_but_a_superuser_gets_into_a_place(server: PostgresServer, keeper: PostgresqlKeeper) -> None:
    keeper.keep(PLACE, Held(keeper.live()))
    assert server.sql("SELECT 1", PLACE.name, check=False, PGUSER="writer") == ""
    server.sql(f'GRANT CONNECT ON DATABASE "{PLACE.name}" TO writer')
    assert server.sql("SELECT 1", PLACE.name, check=False, PGUSER="writer") == ""
    assert keeper.kept(PLACE).document == keeper.live()


@pytest.mark.parametrize("table", ["document", "made", "done"])
@pytest.mark.parametrize("how", ["a view", "another owner"])
def test_what_is_no_superusers_table_is_not_read(
    server: PostgresServer, keeper: PostgresqlKeeper, table: str, how: str
) -> None:
    keeper.keep(PLACE, Held(keeper.live()))
    where = server.sql(f"SELECT oid::regclass FROM pg_class WHERE relname = '{table}'", PLACE.name)
    if how == "a view":
        server.sql(
            "CREATE FUNCTION public.ran() RETURNS text LANGUAGE sql AS 'SELECT ''x''';"
            f"DROP TABLE {where}; CREATE VIEW {where} AS SELECT public.ran() AS line, 1 AS n",
            PLACE.name,
        )
    else:
        server.sql(f"ALTER TABLE {where} OWNER TO writer", PLACE.name)
    for read in (keeper.kept, keeper.done):
        with pytest.raises(NotSafe, match="do not belong to a superuser"):
            read(PLACE)


def test_a_database_of_somebody_else_is_not_read(server: PostgresServer, keeper: PostgresqlKeeper) -> None:
    server.sql(f'CREATE DATABASE "{PLACE.name}" OWNER writer')
    with pytest.raises(NotSafe, match="do not belong to a superuser"):
        keeper.kept(PLACE)


def test_a_change_is_not_taken_for_uncommitted_where_its_place_cannot_be_asked(
    server: PostgresServer, ctx: Context, keeper: PostgresqlKeeper
) -> None:
    ctx.journal.step(swap.BEGUN, beside="dysnomia_0123abcd_beside", aside=PLACE.name)
    keeper.create(PLACE)
    assert not swap.recover(ctx, keeper)
    server.sql(f'ALTER DATABASE "{PLACE.name}" WITH ALLOW_CONNECTIONS false')
    with pytest.raises(PluginError):
        swap.recover(ctx, keeper)
    server.sql(f'ALTER DATABASE "{PLACE.name}" WITH ALLOW_CONNECTIONS true')
    server.sql(f"INSERT INTO {SCHEMA}.done VALUES ('done')", PLACE.name)
    assert swap.recover(ctx, keeper)


def test_passwords_are_in_no_log_of_the_server(tmp_path: Path) -> None:
    """Not even where plans of all statements are logged."""
    settings = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0"}
    with PostgresServer(settings=settings | {"log_statement": "all"}) as server:
        driver = SiteDriver(PostgresqlGlobals(), "globals", server.properties, tmp_path / "globals")
        server.sql("CREATE ROLE app LOGIN PASSWORD 'md5aaaabbbbccccddddaaaabbbbccccdddd'")
        with driver.context() as ctx:
            keeper = PostgresqlGlobals().keeper(ctx)
            keeper.keep(PLACE, Held(keeper.live()))
            assert keeper.kept(PLACE).document == keeper.live()
        logged = (server.folder / "log").read_text()
        assert "Query Text" in logged
        assert logged.count("md5aaaa") == 1, "what the test itself set"


def test_a_recovery_drops_no_tablespace_that_somebody_else_made(
    server: PostgresServer, ctx: Context, keeper: PostgresqlKeeper
) -> None:
    """Of the same name, while the job was about to make its own."""
    rooms = [server.folder / name for name in ("ours", "theirs")]
    for room in rooms:
        room.mkdir()
        server.give(room)
    ctx.journal.step(swap.BEGUN, beside="dysnomia_0123abcd_beside", aside=PLACE.name)
    ctx.journal.step(swap.TABLESPACE, name="fast", location=str(rooms[0]))
    try:
        server.sql(f"CREATE TABLESPACE fast LOCATION '{rooms[1]}'")
        assert not swap.recover(ctx, keeper)
        assert server.sql("SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast'") == "1"
        server.sql("DROP TABLESPACE fast")
        server.sql(f"CREATE TABLESPACE fast LOCATION '{rooms[0]}'")
        assert not swap.recover(ctx, keeper)
        assert server.sql("SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast'") == "0"
        server.sql(f"CREATE TABLESPACE fast LOCATION '{rooms[0]}'")
        keeper.create(PLACE)
        ctx.journal.step(swap.COMMIT, gone={"fast": str(rooms[0])})
        server.sql(f"INSERT INTO {SCHEMA}.done VALUES ('done')", PLACE.name)
        assert swap.recover(ctx, keeper)
        assert server.sql("SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast'") == "0"
    finally:
        server.sql("DROP TABLESPACE IF EXISTS fast")
        for room in rooms:
            shutil.rmtree(room, ignore_errors=True)
