"""The type ``postgresql-database`` on a real server: dump, swap, names, contents, Dysnomia's own store."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.model import Form
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from tests.plugins.conformance.bare import Bare, component, restore
from tests.plugins.postgresql.bare import bare_component, plain, seed
from tests.plugins.postgresql.test_scanner import Index
from tests.plugins.servers.postgresql import PostgresServer
from tests.thorough import seldom

pytestmark = pytest.mark.server

FIXTURE = Path(__file__).parents[2] / "fixtures" / "upstream-store.tar.gz"
ODD_NAMES = ["with space", "dbname=x host=nowhere", 'a"b', "it's \\", "postgresql://x/y", "é" * 31, "x" * 63, "$1 %s"]


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


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


@pytest.mark.parametrize("name", seldom(ODD_NAMES, *ODD_NAMES[::2]))
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
    with pytest.raises(NotSafe, match="is the live database"):
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
    by_key = [raw for batch in bare.plugin.rows_of_key(stored, table, ("47",)) for raw in batch]
    assert ("47",) in [bare.plugin.parse_row(table, raw).key for raw in by_key]
    assert len(by_key) < 300
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
