"""The type ``postgresql-database`` on a real server: what it reads, keeps, carries over, says and finds."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.pg import discover
from dysnomia_plugins.pg.client import Client
from dysnomia_plugins.pg.surroundings import read, split_list
from dysnomia_plugins.postgresql import PostgresqlDatabase
from dysnomia_plugins.process import ProcessRunner
from dysnomia_store.artefact import DigestSink
from dysnomia_store.model import Form
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from tests.plugins.bare import Bare, BareStored, Notes, component
from tests.plugins.services import PostgresServer
from tests.plugins.test_postgresql_scanner import Index

pytestmark = pytest.mark.server

FIXTURE = Path(__file__).parent.parent / "fixtures" / "upstream-store.tar.gz"
ROLES = ("dysnomia_owner", "dysnomia_reader", 'dysnomia "odd" one')
ODD_NAMES = ["with space", "dbname=x host=nowhere", 'a"b', "it's \\", "postgresql://x/y", "é" * 31, "x" * 63, "$1 %s"]


def plain(server: PostgresServer) -> None:
    """Everything but the database ``postgres`` and the role goes."""
    for name in server.databases() - {"postgres"}:
        server.drop(name)
    for role in ROLES:
        server.sql('DROP ROLE IF EXISTS "' + role.replace('"', '""') + '"')


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    """A component ``orders`` that is not there yet."""
    path = tmp_path / "orders"
    path.mkdir()
    yield Bare(PostgresqlDatabase(), tmp_path, component(path, "orders", **postgres.properties))
    plain(postgres)


def seed(server: PostgresServer, database: str = "orders") -> None:
    server.sql('CREATE DATABASE "' + database.replace('"', '""') + '"')
    server.sql(
        """CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 1000) g;
        CREATE SEQUENCE s; SELECT nextval('s');""",
        database,
    )


def restore(bare: Bare, stored: BareStored, job: str = "2") -> None:
    """Replace live, and drop what was live."""
    ctx = bare.context(job)
    beside, aside = (bare.plugin.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    bare.plugin.drop(ctx, aside)


def test_dump_swap_and_back(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    plugin, live = bare.plugin, bare.plugin.live(bare.component)
    first = bare.dump()
    assert bare.dump().digest == first.digest
    postgres.sql("UPDATE t SET v = 'changed' WHERE id = 7", "orders")
    ctx = bare.context("2")
    beside, aside = plugin.place(ctx, Purpose.BESIDE), plugin.place(ctx, Purpose.ASIDE)
    plugin.load(ctx, first, beside)
    assert not plugin.recover(ctx)
    plugin.swap(ctx, beside, aside)
    assert plugin.recover(ctx)
    assert bare.dump().digest == first.digest
    assert postgres.sql("SELECT v FROM t WHERE id = 7", aside.name) == "changed"
    assert list(plugin.left_behind(ctx)) == [aside]
    plugin.drop(ctx, aside)
    plugin.drop(ctx, aside)
    assert list(plugin.left_behind(ctx)) == []
    assert plugin.recover(ctx)
    assert live == Place("orders")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(postgres: PostgresServer, tmp_path: Path, name: str) -> None:
    """No name is taken for a connection string, an option or SQL."""
    bare = Bare(PostgresqlDatabase(), tmp_path, component(tmp_path / "c", "orders", **postgres.properties))
    bare.component = Component(ComponentKey("box", name), tmp_path, postgres.properties)
    try:
        seed(postgres, name)
        stored = bare.dump()
        postgres.sql("DELETE FROM t", name)
        restore(bare, stored)
        assert postgres.sql("SELECT count(*) FROM t", name) == "1000"
        probe = bare.plugin.probe(bare.component, ProcessRunner())
        assert probe.size is not None
        bare.plugin.collect_garbage(bare.context())
        assert name not in postgres.databases()
    finally:
        plain(postgres)


def test_names_that_would_be_cut_are_refused(bare: Bare) -> None:
    for name in ("x" * 64, "é" * 32):
        with pytest.raises(NotSafe, match="63 bytes"):
            bare.plugin.named(bare.component, name)
    with pytest.raises(NotSafe):
        bare.plugin.named(bare.component, "orders")
    with pytest.raises(NotSafe, match="is live"):
        bare.plugin.drop(bare.context(), Place("orders"))
    long = replace(bare.context(), tag="0123abcd_" + "7" * 80)
    for purpose in Purpose:
        assert len(bare.plugin.place(long, purpose).name) <= 63


def test_activate_fills_before_it_names(bare: Bare, postgres: PostgresServer) -> None:
    folder = bare.component.path / "postgresql-databases"
    folder.mkdir()
    (folder / "1.sql").write_text("CREATE TABLE t (a int);")
    (folder / "2.sql").write_text("INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(PluginError, match="nowhere"):
        bare.plugin.activate(bare.context())
    assert postgres.databases() == {"postgres"}
    (folder / "2.sql").write_text("INSERT INTO t VALUES (1);")
    bare.plugin.activate(bare.context())
    assert postgres.sql("SELECT * FROM t", "orders") == "1"
    postgres.sql("DELETE FROM t", "orders")
    bare.plugin.activate(bare.context())
    assert postgres.sql("SELECT count(*) FROM t", "orders") == "0"


# --- surroundings ----------------------------------------------------------------------------------------

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


def surroundings(bare: Bare, database: str = "orders") -> object:
    return read(Client.of(bare.context("look")), database)


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


# --- contents --------------------------------------------------------------------------------------------


def test_rows_are_what_the_server_says(bare: Bare, postgres: PostgresServer) -> None:
    """Each cell of random rows, hostile ones too, against the server's own JSON."""
    postgres.sql("CREATE DATABASE orders")
    postgres.sql("CREATE TABLE t (id int PRIMARY KEY, a text, b bytea)", "orders")
    choose = random.Random(5)
    pieces = ["\t", "\n", "\r", "\\", "\\.", "\\N", "N", "a", "é", "'", '"', "\b", "\v", "\f", "\x01", ";", "😀", ""]
    values = ["".join(choose.choices(pieces, k=choose.randrange(6))) for _ in range(300)]
    statements = [
        "INSERT INTO t VALUES ({}, {}, {});".format(
            number,
            "NULL" if number % 7 == 0 else "convert_from('\\x" + value.encode().hex() + "', 'UTF8')",
            "NULL" if number % 5 == 0 else "'\\x" + value.encode().hex() + "'",
        )
        for number, value in enumerate(values)
    ]
    postgres.sql("\n".join(statements), "orders")
    stored = bare.dump()
    (table,) = (one for one in stored.sections() if one.kind == "table")
    assert table.key == ("id",)
    assert table.form is Form.ROWS
    rows = [bare.plugin.parse_row(table, raw) for batch in bare.plugin.raw_rows(stored, table) for raw in batch]
    assert len(rows) == table.rows == 300
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        expected = (
            str(number),
            None if number % 7 == 0 else value,
            None if number % 5 == 0 else "\\x" + value.encode().hex(),
        )
        assert row.cells == expected
        assert row.key == (str(number),)
    unplaced = replace(table, offset=None, length=None)
    assert [raw for batch in bare.plugin.raw_rows(stored, unplaced) for raw in batch] == [
        raw for batch in bare.plugin.raw_rows(stored, table) for raw in batch
    ]


def test_the_schema_is_lines(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    stored = bare.dump()
    definitions = next(one for one in stored.sections() if one.kind == "schema")
    lines = [raw for batch in bare.plugin.raw_rows(stored, definitions) for raw in batch]
    assert b"CREATE TABLE public.t (" in lines
    assert bare.plugin.parse_row(definitions, b"x y").cells == ("x y",)


def test_a_part_leaves_out_foreign_keys_and_says_so(bare: Bare, postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE orders")
    postgres.sql(
        """CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a);
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)""",
        "orders",
    )
    stored = bare.dump()
    chosen = [one for one in stored.sections() if one.name == "public.b"]
    bare.plugin.load(bare.context("7"), stored, Place("part"), chosen)
    assert postgres.sql("SELECT count(*) FROM b", "part") == "1"
    assert postgres.sql("SELECT count(*) FROM a", "part") == "0"
    assert bare.progress.lines == [
        "left out: the rows of public.a",
        "left out: the foreign key b_id_fkey on public.b",
    ]


def test_a_store_of_dysnomias_is_read_and_restored(postgres: PostgresServer, tmp_path: Path) -> None:
    """A dump by Dysnomia 0.10.2: an xz file of pg_dump's, with restrict lines, and nothing written beside it."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "upstream", filter="data")
    root = next(path.parent for path in (tmp_path / "upstream").rglob("snapshots") if path.is_dir())
    store = Store(root)
    keys = [key for key in sorted(store.keys()) if any(root.glob(f"snapshots/{key}/*/dump.pgsql.xz"))]
    assert keys
    for key in keys:
        bare = Bare(PostgresqlDatabase(), tmp_path, Component(key, tmp_path, postgres.properties))
        try:
            for generation in store.generations(key):
                stored = store.stored(key, generation.id)
                index = Index()
                sink = DigestSink(index, "dump.pgsql")
                ctx = bare.context(str(generation.number))
                assert bare.plugin.rescan(ctx, stored, sink) is True
                assert [one for one in index.sections if one.kind == "table"]
                found = bare.plugin.preflight(ctx, stored, replace=True)
                assert not [one for one in found.findings if one.severity is Severity.BLOCKER]
                beside = bare.plugin.place(ctx, Purpose.BESIDE)
                bare.plugin.load(ctx, stored, beside)
                bare.plugin.swap(ctx, beside, bare.plugin.place(ctx, Purpose.ASIDE))
                assert bare.dump().digest == sink.close().digest
                for place in bare.plugin.left_behind(ctx):
                    bare.plugin.drop(ctx, place)
        finally:
            plain(postgres)


# --- what it says ----------------------------------------------------------------------------------------


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


def test_an_untrusted_snapshot_is_final_for_a_superuser(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    stored = bare.dump()
    found = bare.plugin.preflight(bare.context(made_here=False), stored, replace=True)
    assert any(one.severity is Severity.IRREVERSIBLE and "superuser" in one.text for one in found.findings)
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; ALTER DATABASE orders OWNER TO dysnomia_owner")
    as_owner = Component(
        bare.component.key, bare.component.path, {**postgres.properties, "postgresqlUsername": "dysnomia_owner"}
    )
    bare.component = as_owner
    calm = bare.plugin.preflight(bare.context(made_here=False), stored, replace=True)
    assert not any(one.severity is Severity.IRREVERSIBLE for one in calm.findings)


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
    assert found[0].container == "postgresql"
    adopted = Component(ComponentKey("x", "orders"), bare.component.path, found[0].properties)
    assert bare.plugin.probe(adopted, ProcessRunner()).up
    assert list(discover.discover(ProcessRunner(), [])) != []


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
