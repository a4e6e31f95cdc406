"""Roles, settings and grants of a PostgreSQL server, from one server to a fresh one; compared by pg_dumpall."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.postgresql.globals.plugin import PostgresqlGlobals
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_store.model import Reason
from dysnomia_tui.engine.component import activities
from tests.plugins.globals_site import SiteDriver
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server
SECRET = "correct horse battery staple"
ROLES = f"""
CREATE ROLE staff NOLOGIN CREATEDB;
CREATE ROLE "Ali's ""own"" app" LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 7 VALID UNTIL '2031-05-06 07:08:09+00';
CREATE ROLE old_app LOGIN NOINHERIT PASSWORD 'md5aaaabbbbccccddddaaaabbbbccccdddd';
CREATE ROLE keeper SUPERUSER REPLICATION BYPASSRLS CREATEROLE LOGIN;
COMMENT ON ROLE staff IS 'everybody; who''s there \\ here';
GRANT staff TO "Ali's ""own"" app" WITH ADMIN OPTION GRANTED BY keeper;
GRANT staff TO old_app;
GRANT pg_read_all_data TO staff;
ALTER ROLE staff SET search_path TO "$user", 'odd, name', public;
ALTER ROLE old_app SET work_mem TO '11MB';
ALTER ROLE old_app SET app.password TO 'hunter2hunter2';
ALTER ROLE ALL SET lock_timeout TO '3s';
GRANT SET ON PARAMETER log_statement TO staff WITH GRANT OPTION;
CREATE DATABASE shop OWNER "Ali's ""own"" app";
ALTER DATABASE shop SET work_mem TO '12MB';
ALTER ROLE old_app IN DATABASE shop SET work_mem TO '13MB';
REVOKE ALL ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO staff WITH GRANT OPTION;
"""
TABLES = """
CREATE TABLE goods(id int PRIMARY KEY, name text);
ALTER TABLE goods OWNER TO staff;
INSERT INTO goods VALUES (1, 'one');
GRANT SELECT ON goods TO old_app;
"""


@pytest.fixture
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    with PostgresServer() as one, PostgresServer() as two:
        yield one, two


@pytest.fixture
def room(servers: tuple[PostgresServer, PostgresServer]) -> Iterator[Path]:
    """A folder for a tablespace that both servers may write, as its disk would be on either machine."""
    one, _ = servers
    folder = one.folder / "tablespace"
    folder.mkdir()
    one.give(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def dumpall(server: PostgresServer, *options: str) -> list[str]:
    """What pg_dumpall says of a server. In which order somebody's settings were made is no matter."""
    argv = [str(server.bin / "pg_dumpall"), *options]
    done = subprocess.run(argv, env=server.client_environment(), capture_output=True, check=True, text=True)
    return sorted(line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))


def seed(server: PostgresServer, room: Path) -> None:
    server.sql(ROLES)
    server.sql(f"CREATE TABLESPACE fast OWNER staff LOCATION '{room}' WITH (random_page_cost = 1.5)")
    server.sql("GRANT CREATE ON TABLESPACE fast TO old_app; COMMENT ON TABLESPACE fast IS 'quick'")
    server.sql(TABLES, "shop")


def test_a_fresh_server_gets_all_of_it_back(
    servers: tuple[PostgresServer, PostgresServer], room: Path, tmp_path: Path
) -> None:
    one, two = servers
    seed(one, room)
    globals_ = SiteDriver(PostgresqlGlobals(), "globals", one.properties, tmp_path / "globals")
    shop = SiteDriver(PostgresqlDatabase(), "shop", one.properties, tmp_path / "shop")
    of_globals = globals_.snapshot().generation.number
    of_shop = shop.snapshot().generation.number
    wanted, whole = dumpall(one, "--globals-only"), dumpall(one)
    one.stop()
    shutil.rmtree(room)
    room.mkdir()
    two.give(room)
    globals_.site.moved(two.properties)
    shop.site.moved(two.properties)

    blocked = shop.preflight(of_shop)
    refused = [one.text for one in blocked.findings if one.severity is Severity.BLOCKER]
    assert any("postgresql-globals" in text and "staff" in text for text in refused), refused
    plan = globals_.preflight(of_globals)
    said = "\n".join([*plan.changes, *(one.text for one in plan.findings)])
    assert SECRET not in said
    assert "SCRAM" not in said
    assert "md5" not in said
    assert "hunter2" not in said
    assert "create role staff: createdb" in said
    assert "there is no database shop" in said

    globals_.restore(of_globals)
    assert dumpall(two, "--globals-only") == wanted
    shop.restore(of_shop)
    again = globals_.preflight(of_globals)
    assert not [line for line in again.changes if "role staff" in line]
    globals_.restore(of_globals)
    assert globals_.preflight(of_globals).changes == ("nothing would change: live has all of it",)
    assert dumpall(two) == whole
    assert two.databases() == {"postgres", "shop"}, "nothing of the jobs is left"


@pytest.mark.worlds
def test_live_is_altered_and_what_it_has_more_stays(
    servers: tuple[PostgresServer, PostgresServer], room: Path, tmp_path: Path
) -> None:
    one, _ = servers
    seed(one, room)
    driver = SiteDriver(PostgresqlGlobals(), "globals", one.properties, tmp_path / "globals")
    number = driver.snapshot().generation.number
    wanted = dumpall(one, "--globals-only")
    one.sql(
        "ALTER ROLE staff NOCREATEDB; ALTER ROLE old_app PASSWORD 'another'; ALTER ROLE keeper NOSUPERUSER;"
        'ALTER ROLE old_app SET work_mem TO \'99MB\'; REVOKE ADMIN OPTION FOR staff FROM "Ali\'s ""own"" app";'
        "ALTER TABLESPACE fast OWNER TO postgres; ALTER TABLESPACE fast RESET (random_page_cost);"
        "REVOKE SET ON PARAMETER log_statement FROM staff; ALTER ROLE ALL RESET lock_timeout"
    )
    changed = dumpall(one, "--globals-only")
    bench = driver.bench()
    plan = driver.preflight(number)
    assert "alter role old_app: password differs" in plan.changes
    restored = activities.restore(bench, number)
    assert dumpall(one, "--globals-only") == wanted
    assert restored.whole
    driver.undo(bench.job)
    assert dumpall(one, "--globals-only") == changed
    one.sql("CREATE ROLE newcomer LOGIN")
    warned = [found.text for found in driver.preflight(number).findings]
    assert "live has roles that the snapshot has not, and they stay: newcomer" in warned
    driver.restore(number)
    assert [line for line in dumpall(one, "--globals-only") if "newcomer" not in line] == wanted
    assert one.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'newcomer'") == "1"


@pytest.mark.worlds
def test_an_undo_drops_only_what_the_restore_made_and_nothing_rests_on(
    servers: tuple[PostgresServer, PostgresServer], room: Path, tmp_path: Path
) -> None:
    one, two = servers
    seed(one, room)
    driver = SiteDriver(PostgresqlGlobals(), "globals", one.properties, tmp_path / "globals")
    number = driver.snapshot().generation.number
    one.stop()
    shutil.rmtree(room)
    room.mkdir()
    two.give(room)
    driver.site.moved(two.properties)
    two.sql("CREATE ROLE before LOGIN")
    empty = dumpall(two, "--globals-only")
    bench = driver.bench()
    activities.restore(bench, number)
    full = dumpall(two, "--globals-only")
    undo = driver.bench()
    activities.undo(undo, driver.left(bench.job))
    assert dumpall(two, "--globals-only") == empty
    driver.undo(undo.job)
    assert dumpall(two, "--globals-only") == full
    two.sql("CREATE TABLE mine(id int); ALTER TABLE mine OWNER TO keeper")
    guard = next(one for one in driver.generations() if one.job == bench.job and one.reason is Reason.GUARD)
    plan = driver.preflight(guard.number)
    assert any("keeper stays" in found.text for found in plan.findings)


def test_a_tablespace_without_its_folder_is_left_out(
    servers: tuple[PostgresServer, PostgresServer], room: Path, tmp_path: Path
) -> None:
    one, two = servers
    seed(one, room)
    driver = SiteDriver(PostgresqlGlobals(), "globals", one.properties, tmp_path / "globals")
    number = driver.snapshot().generation.number
    wanted = [line for line in dumpall(one, "--globals-only") if "TABLESPACE" not in line]
    one.stop()
    shutil.rmtree(room)
    driver.site.moved(two.properties)
    warned = [found.text for found in driver.preflight(number).findings]
    assert any(f"the server has no folder {room}" in text for text in warned)
    driver.restore(number)
    assert dumpall(two, "--globals-only") == wanted


def test_a_role_that_is_no_superuser_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.sql("CREATE ROLE poor LOGIN CREATEROLE")
    try:
        properties = {**postgres.properties, "postgresqlUsername": "poor"}
        driver = SiteDriver(PostgresqlGlobals(), "globals", properties, tmp_path / "globals")
        with pytest.raises(PluginError, match="not a superuser"):
            driver.snapshot()
        assert driver.generations() == ()
    finally:
        postgres.sql("DROP ROLE poor")
