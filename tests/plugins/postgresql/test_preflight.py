"""What PostgreSQL's plans, probes, discovery and shell say, on a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place, Purpose, Severity
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql import discover
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.bare import Bare, restore
from tests.plugins.postgresql.bare import ROLES, bare_component, plain, seed, surroundings
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


def test_preflight_of_a_plain_restore_is_calm(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    found = bare.plugin.preflight(bare.context(), bare.dump(), replace=True)
    assert found.findings == ()
    assert found.live_bytes is not None
    assert found.live_bytes > 1_000_000
    assert "one transaction" in found.swap
    assert found.guard


def test_preflight_names_what_is_missing(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql("""CREATE ROLE dysnomia_owner; CREATE ROLE dysnomia_reader; CREATE ROLE "dysnomia ""odd"" one";""")
    postgres.sql(
        """ALTER TABLE t OWNER TO dysnomia_owner; GRANT SELECT ON t TO dysnomia_reader;
        CREATE POLICY p ON t TO "dysnomia ""odd"" one" USING (id > 0);""",
        "orders",
    )
    stored = bare.dump()
    postgres.drop("orders")
    plain(postgres)
    found = bare.plugin.preflight(bare.context(), stored, replace=True)
    blockers = [one.text for one in found.findings if one.severity is Severity.BLOCKER]
    assert len(blockers) == 1
    for role in ROLES:
        assert role in blockers[0]
    notes = [one.text for one in found.findings if one.severity is Severity.NOTE]
    assert notes == ["there is no database orders: it would be created"]


def test_a_copy_on_another_server_is_asked_of_that_server(bare: Bare, postgres: PostgresServer, tmp_path: Path) -> None:
    """The database's own owner and settings are not in the dump: what they need is missed as well."""
    seed(postgres)
    postgres.sql("CREATE ROLE dysnomia_owner; ALTER DATABASE orders OWNER TO dysnomia_owner")
    stored = bare.dump()
    with PostgresServer() as other:
        other.sql("CREATE ROLE dysnomia_few LOGIN")
        properties = {**other.properties, "postgresqlUsername": "dysnomia_few"}
        there = replace(bare.component, key=ComponentKey("other", "dysnomia-stand-in"), properties=properties)
        ctx = replace(bare.context(), component=there)
        found = bare.plugin.preflight(ctx, stored, replace=False)
    blockers = [one.text for one in found.findings if one.severity is Severity.BLOCKER]
    assert any("dysnomia_few lacks CREATEDB" in text for text in blockers), blockers
    assert any("dysnomia_owner, which this server lacks" in text for text in blockers), blockers
    assert str(other.folder) in bare.plugin.address(there)


def test_preflight_blocks_what_a_swap_would_lose(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    stored = bare.dump()
    postgres.sql("SELECT pg_create_logical_replication_slot('dysnomia_slot', 'pgoutput')", "orders")
    postgres.sql("BEGIN; DELETE FROM t WHERE id = 1; PREPARE TRANSACTION 'mine'", "orders")
    postgres.sql(
        """CREATE SUBSCRIPTION subscribed CONNECTION 'dbname=nowhere' PUBLICATION x WITH (connect = false);
        ALTER SUBSCRIPTION subscribed ENABLE""",
        "orders",
    )
    try:
        found = bare.plugin.preflight(bare.context(), stored, replace=True)
        blockers = "\n".join(one.text for one in found.findings if one.severity is Severity.BLOCKER)
        for name in ("'mine'", "dysnomia_slot", "subscribed"):
            assert name in blockers
        ctx = bare.context("9")
        with pytest.raises(PluginError, match="mine"):
            bare.plugin.swap(ctx, Place("postgres"), bare.plugin.place(ctx, Purpose.ASIDE))
    finally:
        postgres.sql("ROLLBACK PREPARED 'mine'", "orders")
        postgres.sql("SELECT pg_drop_replication_slot('dysnomia_slot')", "orders")
        postgres.sql("ALTER SUBSCRIPTION subscribed DISABLE", "orders")
        postgres.sql("ALTER SUBSCRIPTION subscribed SET (slot_name = NONE)", "orders")
        postgres.sql("DROP SUBSCRIPTION subscribed", "orders")


def test_a_database_with_a_subscription_is_dumped_restored_and_dropped(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(
        "CREATE SUBSCRIPTION subscribed CONNECTION 'dbname=nowhere' PUBLICATION x WITH (connect = false)", "orders"
    )
    stored = bare.dump()
    bare.plugin.load(bare.context("8"), stored, Place("copy"))
    assert bare.dump(Place("copy")).digest == stored.digest
    bare.plugin.drop(bare.context("8"), Place("copy"))
    assert "copy" not in postgres.databases()
    bare.plugin.collect_garbage(bare.context())
    assert "orders" not in postgres.databases()


def test_an_owner_that_is_no_superuser_restores(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; CREATE DATABASE orders OWNER dysnomia_owner")
    postgres.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", "orders", PGUSER="dysnomia_owner")
    bare.component = Component(
        bare.component.key, bare.component.path, {**postgres.properties, "postgresqlUsername": "dysnomia_owner"}
    )
    stored = bare.dump()
    postgres.sql("DELETE FROM t", "orders")
    before = surroundings(bare)
    restore(bare, stored)
    assert bare.dump().digest == stored.digest
    assert surroundings(bare) == before


def test_probe_says_who_is_there(bare: Bare, postgres: PostgresServer) -> None:
    missing = bare.plugin.probe(bare.component, ProcessRunner())
    assert missing.up
    assert "no database orders" in missing.detail
    seed(postgres)
    client = subprocess.Popen(
        [postgres.bin / "psql", "-X", "-q"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=postgres.client_environment(PGDATABASE="orders", PGAPPNAME="till"),
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"SELECT 'ready';\n")
    client.stdin.flush()
    assert client.stdout.readline()
    found = bare.plugin.probe(bare.component, ProcessRunner())
    client.communicate()
    assert found.up
    assert found.version.startswith("15")
    assert found.clients == 1
    assert found.size is not None
    assert found.size > 1_000_000
    (who,) = found.who
    assert "till" in who


def test_discovery_finds_databases_by_socket_and_process(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    found = [
        one
        for one in bare.plugin.discover(ProcessRunner())
        if one.properties.get("postgresqlRuntimeDir") == str(postgres.folder)
    ]
    assert [one.component for one in found] == ["orders"]
    assert found[0].readable
    assert found[0].size is not None
    assert found[0].container.startswith("postgresql")
    adopted = Component(ComponentKey("x", "orders"), bare.component.path, found[0].properties)
    assert bare.plugin.probe(adopted, ProcessRunner()).up
    by_container: dict[str, set[object]] = {}
    for one in discover.discover(ProcessRunner(), []):
        by_container.setdefault(one.container, set()).add(one.properties.get("postgresqlRuntimeDir"))
    assert by_container
    assert all(len(folders) == 1 for folders in by_container.values()), "a container is one server"


def test_the_shell_has_no_secret_in_its_arguments(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    secret = Component(bare.component.key, bare.component.path, {**postgres.properties, "postgresqlPassword": "sesame"})
    argv, env = bare.plugin.shell(secret)
    assert not any("sesame" in argument for argument in argv)
    done = subprocess.run(
        [*argv, "-X", "-A", "-t", "-c", "SELECT count(*) FROM t"],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"1000\n"
    assert shutil.which(argv[0]) is not None


def test_a_database_that_lets_nobody_connect_is_not_replaced(bare: Bare, postgres: PostgresServer) -> None:
    """Its guard could not be dumped, and clients who were kept out would get in."""
    seed(postgres)
    stored = bare.dump()
    postgres.sql("ALTER DATABASE orders ALLOW_CONNECTIONS false")
    found = bare.plugin.preflight(bare.context(), stored, replace=True)
    blockers = [one.text for one in found.findings if one.severity is Severity.BLOCKER]
    assert len(blockers) == 1
    assert "orders lets nobody connect" in blockers[0]
    with pytest.raises(PluginError, match="not currently accepting") as caught:
        bare.dump()
    assert "ALLOW_CONNECTIONS true" in caught.value.hint
    copy = bare.plugin.preflight(bare.context(), stored, replace=False)
    assert not any(one.severity is Severity.BLOCKER for one in copy.findings)


def test_what_an_interrupted_drop_left_is_not_replaced(bare: Bare, postgres: PostgresServer) -> None:
    """PostgreSQL marks it, and renames it no more: the restore failed after all was loaded."""
    seed(postgres)
    stored = bare.dump()
    if int(postgres.sql("SHOW server_version_num")) < 150004:
        pytest.skip("older servers mark no such database")
    postgres.sql("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'orders'")
    found = bare.plugin.preflight(bare.context(), stored, replace=True)
    blockers = [one.text for one in found.findings if one.severity is Severity.BLOCKER]
    assert len(blockers) == 1
    assert "orders is what an interrupted DROP DATABASE left" in blockers[0]
    with pytest.raises(PluginError, match="invalid database") as caught:
        bare.dump()
    assert "drop it, then restore" in caught.value.hint
    postgres.sql("DROP DATABASE orders")
    restore(bare, stored)
    assert bare.dump().digest == stored.digest


def test_a_plan_says_where_live_is_of_another_kind_than_what_was_dumped(bare: Bare, postgres: PostgresServer) -> None:
    """Dropped and made again by hand, with less than it had."""
    seed(postgres)
    postgres.sql("ALTER DATABASE orders SET work_mem = '7MB'; COMMENT ON DATABASE orders IS 'ours'")
    stored = bare.dump()

    def findings(severity: Severity) -> list[str]:
        found = bare.plugin.preflight(bare.context(), stored, replace=True)
        return [one.text for one in found.findings if one.severity is severity]

    assert not any("live has" in text for text in findings(Severity.NOTE))
    assert findings(Severity.WARNING) == []
    postgres.drop("orders")
    postgres.sql("CREATE DATABASE orders TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    assert "the database keeps what live has of settings, comment: when it was dumped, that was otherwise" in findings(
        Severity.NOTE
    )
    (warning,) = findings(Severity.WARNING)
    assert warning.startswith("live is a database of LATIN1 C, and the snapshot was of UTF8 C")
