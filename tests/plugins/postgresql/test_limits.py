"""What a dump or a role cannot give back is said when the snapshot is made and in the plan, not in the incident."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Severity
from dysnomia_plugins.errors import Cancelled, PluginError, ToolMissing, WrongCredentials
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from tests.plugins.conformance.bare import Bare, BareDraft, BareStored, component, restore, with_properties
from tests.plugins.conformance.driver import Token
from tests.plugins.postgresql.bare import bare_component, seed
from tests.plugins.servers.common import missing
from tests.plugins.servers.postgresql import PostgresServer, newest_bin
from tests.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


def dumped(bare: Bare, name: str) -> tuple[BareStored, str]:
    """A snapshot, and its warnings."""
    folder = bare.context(name).staging
    draft = BareDraft(folder)
    made = bare.plugin.dump(bare.context(name), bare.plugin.live(bare.component), draft)
    return BareStored(draft, made), "\n".join(made.warnings)


def blockers(bare: Bare, stored: BareStored) -> str:
    found = bare.plugin.preflight(bare.context(), stored, replace=True).findings
    return "\n".join(one.text for one in found if one.severity is Severity.BLOCKER)


def test_what_a_role_cannot_give_back_is_said_with_the_snapshot_and_refused(
    bare: Bare, postgres: PostgresServer
) -> None:
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; CREATE ROLE dysnomia_reader")
    postgres.sql("CREATE DATABASE orders OWNER dysnomia_owner")
    postgres.sql("CREATE TABLE t (id int)", "orders", PGUSER="dysnomia_owner")
    with_properties(bare, postgresqlUsername="dysnomia_owner")
    stored, warnings = dumped(bare, "calm")
    assert warnings == ""
    assert blockers(bare, stored) == ""
    postgres.sql(
        """CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore;
        CREATE TABLE theirs (id int); ALTER TABLE theirs OWNER TO dysnomia_reader;
        GRANT SELECT ON theirs TO dysnomia_owner; GRANT USAGE ON SCHEMA public TO PUBLIC;
        CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER ear ON ddl_command_end EXECUTE FUNCTION e();
        ALTER DATABASE orders SET log_min_duration_statement = 100;
        ALTER DATABASE orders SET session_replication_role = 'origin';""",
        "orders",
    )
    stored, warnings = dumped(bare, "foreign")
    refused = blockers(bare, stored)
    for what in (
        "the extension pg_stat_statements",
        "dysnomia_reader",
        "the event trigger ear",
        "the settings log_min_duration_statement, session_replication_role",
    ):
        assert what in warnings
        assert what in refused
    assert "hstore" not in warnings
    assert "postgresqlUsername" in refused


def test_columns_that_come_back_in_another_order_are_named(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(
        """CREATE TABLE p (a text, b text); CREATE TABLE c (b text, a text); ALTER TABLE c INHERIT p;
        CREATE TABLE straight (x int) INHERITS (p); CREATE TABLE q (b text, a text) PARTITION BY LIST (a);
        CREATE TABLE q1 (a text, b text); ALTER TABLE q ATTACH PARTITION q1 DEFAULT;""",
        "orders",
    )
    stored, warnings = dumped(bare, "order")
    assert "the columns of public.c come back in another order" in warnings
    assert "straight" not in warnings
    assert "public.q1" not in warnings
    found = bare.plugin.preflight(bare.context(), stored, replace=True).findings
    assert any("public.c" in one.text and one.severity is Severity.WARNING for one in found)


def test_what_a_new_database_begins_with_stays_away_where_it_was_dropped(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql("CREATE SCHEMA app; CREATE TABLE app.t (a int); DROP TABLE t; DROP SEQUENCE s", "orders")
    digests = [bare.dump().digest]
    for statement in ("DROP SCHEMA public", "DROP EXTENSION plpgsql", "DROP SCHEMA information_schema CASCADE"):
        postgres.sql(statement, "orders")
        digests.append(bare.dump().digest)
    assert len(set(digests)) == 4
    stored = bare.dump()
    restore(bare, stored)
    assert bare.dump().digest == stored.digest
    assert postgres.sql("SELECT nspname FROM pg_namespace WHERE oid > 16383 OR nspname = 'public'", "orders") == "app"
    assert postgres.sql("SELECT count(*) FROM pg_extension", "orders") == "0"


def test_sections_bring_large_objects_and_tables_whose_keys_have_comments(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(
        """SELECT lo_from_bytea(4242, 'abc'); SELECT lo_from_bytea(4243, 'def');
        CREATE TABLE c (p int REFERENCES t); COMMENT ON CONSTRAINT c_p_fkey ON c IS 'why';""",
        "orders",
    )
    stored = bare.dump()
    wanted = [one for one in stored.sections() if one.name in ("4242", "4243", "public.t")]
    assert len(wanted) == 3
    bare.plugin.load(bare.context("part"), stored, Place("part"), wanted)
    assert postgres.sql("SELECT lo_get(4242); SELECT lo_get(4243); SELECT count(*) FROM t", "part") == (
        "\\x616263\n\\x646566\n1000"
    )


def test_names_are_read_in_the_databases_encoding(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    postgres.sql(
        """CREATE TABLE "café" ("numéro" int PRIMARY KEY); INSERT INTO "café" VALUES (1);
        CREATE SEQUENCE "à" START 3; SELECT nextval('"à"');""",
        "orders",
        PGCLIENTENCODING="UTF8",
    )
    stored = bare.dump()
    found = {one.name: one for one in stored.sections()}
    assert {'public."café"', 'public."à"'} <= set(found)
    table = found['public."café"']
    assert (table.columns, table.key) == (("numéro",), ("numéro",))
    bare.plugin.load(bare.context("part"), stored, Place("part"), [table])
    assert postgres.sql('SELECT * FROM "café"', "part", PGCLIENTENCODING="UTF8") == "1"


def test_a_standby_is_refused_in_the_plan(tmp_path: Path) -> None:
    with PostgresServer(hba="local all all trust\nlocal replication all trust\n") as server:
        for bare in bare_component(server, tmp_path):
            seed(server)
            stored = bare.dump()
            assert blockers(bare, stored) == ""
            server.stop()
            (server.data / "standby.signal").touch()
            server.start()
            assert bare.dump().digest == stored.digest
            assert "is a standby" in blockers(bare, stored)
            server.stop()
            (server.data / "standby.signal").unlink()
            server.start()


@contextmanager
def pooler(server: PostgresServer, folder: Path) -> Iterator[Path]:
    """pgbouncer in front of a server, as Debian configures it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") or ""
    if not program:
        missing("pgbouncer", "apt-get install pgbouncer")
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.folder}\n[pgbouncer]\nunix_socket_dir={folder}\nlisten_port=6432\n"
        f"auth_type=trust\nauth_file={folder}/users\npool_mode=session\n"
    )
    user = "postgres" if os.geteuid() == 0 else None
    running = subprocess.Popen([program, "-q", folder / "ini"], user=user, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (folder / ".s.PGSQL.6432").exists())
        yield folder
    finally:
        running.kill()
        running.wait()


def test_a_pooler_is_called_one(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    with tempfile.TemporaryDirectory(prefix="pool.") as name:
        folder = Path(name)
        folder.chmod(0o777)
        with pooler(postgres, folder):
            with_properties(bare, postgresqlRuntimeDir=name, postgresqlPort="6432")
            with pytest.raises(PluginError, match="connection pooler") as caught:
                bare.dump()
            assert "postgresqlPort" in caught.value.hint


def test_a_password_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    with PostgresServer(hba="local all postgres trust\nlocal all all scram-sha-256\n") as server:
        server.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB PASSWORD 'sesame'")
        file = tmp_path / "pass"
        file.write_text("*:*:*:dysnomia_owner:sesame\n")
        file.chmod(0o644)
        properties = server.properties | {"postgresqlUsername": "dysnomia_owner", "postgresqlPassFile": str(file)}
        bare = Bare(PostgresqlDatabase(), tmp_path, component(tmp_path, "orders", **properties))
        with pytest.raises(WrongCredentials) as caught:
            bare.plugin.activate(bare.context())
        assert caught.value.hint == (
            f"the password file {file} was ignored, as group or others may read it: chmod 0600 {file}"
        )
        file.chmod(0o600)
        bare.plugin.activate(bare.context())


def test_a_cancelled_dump_leaves_no_backend_behind(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    holder = subprocess.Popen(
        [postgres.bin / "psql", "-X", "-q"], stdin=subprocess.PIPE, env=postgres.client_environment(PGDATABASE="orders")
    )
    assert holder.stdin is not None
    holder.stdin.write(b"BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n")
    holder.stdin.flush()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dysnomia-%' AND datname = 'orders'"
    waits = f"{ours} AND wait_event_type = 'Lock'"
    token = Token()
    failed: list[BaseException] = []

    def dump() -> None:
        context = bare.context("cancel")
        draft = BareDraft(context.staging)
        try:
            runner = ProcessRunner(token)
            bare.plugin.dump(replace(context, runner=runner), bare.plugin.live(bare.component), draft)
        except PluginError as error:
            failed.append(error)

    thread = threading.Thread(target=dump)
    thread.start()
    try:
        wait_until(lambda: postgres.sql(waits) == "1")
        token.cancelled = True
        thread.join()
        assert isinstance(failed[0], Cancelled)
        wait_until(lambda: postgres.sql(ours) == "0")
    finally:
        holder.kill()
        holder.wait()


def test_a_dump_of_a_newer_server_is_loaded_into_an_older_one(
    bare: Bare, postgres: PostgresServer, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(prefix="pgbin.") as name:
        Path(name).chmod(0o755)
        folder = newest_bin(Path(name))
        with PostgresServer(bin_folder=folder) as newer:
            seed(newer)
            there = Bare(PostgresqlDatabase(), tmp_path, component(tmp_path, "orders", **newer.properties))
            with pytest.raises(ToolMissing, match="postgresqlBinDir"):
                there.dump()
            with_properties(there, postgresqlBinDir=str(folder))
            stored = there.dump()
            with stored.open() as stream:
                assert b"SET transaction_timeout = 0;" in stream.read()
            restore(there, stored)
            assert there.dump().digest == stored.digest
        seed(postgres)
        postgres.sql("DELETE FROM t", "orders")
        restore(bare, stored)
        assert postgres.sql("SELECT count(*) FROM t", "orders") == "1000"


def test_what_only_a_superuser_is_shown_is_missing_from_no_snapshot_unsaid(
    bare: Bare, postgres: PostgresServer
) -> None:
    """pg_dump leaves it out, and ends well."""
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; CREATE ROLE dysnomia_reader")
    postgres.sql("CREATE DATABASE orders OWNER dysnomia_owner")
    postgres.sql(
        """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
        GRANT USAGE ON FOREIGN SERVER s TO dysnomia_owner; ALTER SERVER s OWNER TO dysnomia_owner;
        CREATE USER MAPPING FOR dysnomia_reader SERVER s OPTIONS (password 'secret');
        CREATE USER MAPPING FOR dysnomia_owner SERVER s OPTIONS (password 'shown');
        CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'shown too')""",
        "orders",
    )
    postgres.sql("CREATE SUBSCRIPTION subscribed CONNECTION 'dbname=x' PUBLICATION x WITH (connect = false)", "orders")
    try:
        assert dumped(bare, "whole")[1] == ""
        with_properties(bare, postgresqlUsername="dysnomia_owner")
        stored, warnings = dumped(bare, "less")
        assert warnings.startswith(
            "not in this snapshot, since only a superuser is shown it: the options of the user mapping for"
            " dysnomia_reader on server s, the subscription subscribed: configure one"
        )
        assert "how orders subscribes (subscribed), so the guard would lack that" in blockers(bare, stored)
    finally:
        postgres.sql("ALTER SUBSCRIPTION subscribed SET (slot_name = NONE)", "orders")
        postgres.sql("DROP SUBSCRIPTION subscribed", "orders")


def test_a_library_that_is_not_there_is_not_called_a_server_that_is_not_there(
    bare: Bare, postgres: PostgresServer
) -> None:
    seed(postgres)
    postgres.sql("ALTER DATABASE orders SET local_preload_libraries = 'nope'")
    with pytest.raises(PluginError, match=r"lets nobody in \(could not access file .*nope") as caught:
        bare.dump()
    assert "local_preload_libraries" in caught.value.hint
