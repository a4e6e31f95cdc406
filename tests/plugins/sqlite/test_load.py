"""Loading a snapshot of an SQLite database: as a copy, checked against its contents index, and in part."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.sqlite.reader import Reader
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.errors import Corrupt, NotFound
from dysnomia_store.model import Section
from tests.plugins.conformance.bare import BareDraft, BareStored
from tests.plugins.sqlite.bench import SqliteBench

# --- loading -------------------------------------------------------------------------------------------------------


def test_a_copy_has_the_owner_mode_and_journal_mode_of_live(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)")
    bench.live.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(bench.live, 12345, 23456)
    stored = bench.dump()
    copy = Path(bench.sqlite.named(bench.component, "copy").name)
    bench.sqlite.load(bench.job(), stored, Place(str(copy)))
    live, made = bench.live.stat(), copy.stat()
    assert (made.st_uid, made.st_gid, made.st_mode) == (live.st_uid, live.st_gid, live.st_mode)
    assert made.st_nlink == 1
    assert bench.run("PRAGMA journal_mode", at=copy) == [("wal",)]


@pytest.mark.parametrize("name", ["a/b", "..", "", "-x", ".hidden", "orders-wal", "copy-journal", "new\nline"])
def test_names_a_copy_cannot_have(tmp_path: Path, name: str) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    with pytest.raises(PluginError):
        bench.sqlite.named(bench.component, name)


def test_what_was_loaded_is_compared_with_the_contents_index(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(1), (2)")
    for wrong, text in ((_with_rows(bench.dump(), 3), "holds 2 rows"), (_without_tables(bench.dump()), "not in the")):
        ctx = bench.job()
        beside = bench.sqlite.place(ctx, Purpose.BESIDE)
        with pytest.raises(Corrupt, match=text):
            bench.sqlite.load(ctx, wrong, beside)
        assert not bench.sqlite.exists(ctx, beside)


def _with_rows(stored: BareStored, rows: int) -> BareStored:
    stored._sections = tuple(dataclasses.replace(one, rows=rows) if one.rows else one for one in stored._sections)
    return stored


def _without_tables(stored: BareStored) -> BareStored:
    stored._sections = tuple(one for one in stored._sections if one.kind != "table")
    return stored


def test_without_a_contents_index_it_is_loaded_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(1), (2)")
    stored = bench.dump()

    def nothing() -> Iterator[Section]:
        raise NotFound("there is no contents index")

    monkeypatch.setattr(stored, "sections", nothing)
    bench.run("DELETE FROM t")
    bench.replace(stored)
    assert bench.identity() == stored.digest


def test_a_damaged_database_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are what was stored, and are no sound database: a snapshot that was imported, say."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "CREATE INDEX i ON t(v)")
    bench.run("INSERT INTO t SELECT hex(randomblob(900)) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    bench.run(
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET rootpage=(SELECT rootpage FROM sqlite_master WHERE name='t') WHERE name='i'",
    )
    with monkeypatch.context() as unchecked:
        unchecked.setattr(Reader, "damage", lambda reader: "")
        stored = bench.dump()
    with pytest.raises(Corrupt, match="damaged database"):
        bench.replace(stored)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_rescan_finds_what_the_dump_told(tmp_path: Path, mode: str) -> None:
    bench = SqliteBench(tmp_path, f"PRAGMA journal_mode={mode}", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1), ('a')")
    stored = bench.dump()
    again = BareDraft(tmp_path)
    sink = DigestSink(again, "dump.sqlite")
    assert bench.sqlite.rescan(bench.job(), stored, sink) is True
    assert sink.close().digest == stored.digest
    assert again.sections == list(stored.sections())


# --- parts ---------------------------------------------------------------------------------------------------------


def _some(stored: BareStored, *names: str) -> list[Section]:
    return [one for one in stored.sections() if one.name in names]


def test_a_part_keeps_rowids_sequences_indexes_and_virtual_tables(tmp_path: Path) -> None:
    bench = SqliteBench(
        tmp_path,
        "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE, g AS (v || '!') STORED)",
        "INSERT INTO a(id, v) VALUES(5, 'x'), (90, 'y')",
        "DELETE FROM a WHERE id = 90",
        "CREATE TABLE loose(v)",
        "INSERT INTO loose(rowid, v) VALUES(7, 1.5), (1000, NULL)",
        "CREATE TABLE other(v)",
        "INSERT INTO other VALUES('secret')",
        "CREATE INDEX by_v ON loose(v)",
        "CREATE TRIGGER grow AFTER INSERT ON a BEGIN INSERT INTO other VALUES(new.v); END",
        "CREATE VIEW both AS SELECT v FROM a UNION SELECT v FROM other",
        "CREATE VIRTUAL TABLE ft USING fts5(body)",
        "INSERT INTO ft VALUES('needle')",
        "PRAGMA user_version=6",
    )
    stored = bench.dump()
    copy = Path(bench.sqlite.named(bench.component, "part").name)
    bench.sqlite.load(bench.job(), stored, Place(str(copy)), _some(stored, "a", "loose", "ft_data"))
    assert bench.run("SELECT * FROM a", at=copy) == [(5, "x", "x!")]
    assert bench.run("SELECT seq FROM sqlite_sequence", at=copy) == [(90,)]
    assert bench.run("SELECT rowid, v FROM loose", at=copy) == [(7, 1.5), (1000, None)]
    assert bench.run("SELECT rowid FROM ft WHERE ft MATCH 'needle'", at=copy) == [(1,)]
    assert bench.run("SELECT name FROM sqlite_master WHERE name IN ('other', 'both', 'grow', 'by_v')", at=copy) == [
        ("by_v",)
    ]
    assert bench.run("PRAGMA user_version", at=copy) == [(6,)]
    assert bench.sound(copy)
    assert b"secret" not in copy.read_bytes()
    assert any("no views, no triggers" in line for line in bench.progress.lines)


def test_the_schema_alone_is_everything_declared_and_nothing_in_it(tmp_path: Path) -> None:
    bench = SqliteBench(
        tmp_path,
        "CREATE TABLE a(v)",
        "CREATE TABLE b(v)",
        "INSERT INTO a VALUES(1)",
        "INSERT INTO b VALUES(2)",
        "CREATE TRIGGER grow AFTER INSERT ON a BEGIN INSERT INTO b VALUES(new.v); END",
        "CREATE VIEW both AS SELECT v FROM a UNION SELECT v FROM b",
    )
    stored = bench.dump()
    copy = Path(bench.sqlite.named(bench.component, "part").name)
    bench.sqlite.load(bench.job(), stored, Place(str(copy)), _some(stored, "main", "a"))
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
    assert bench.run(schema, at=copy) == bench.run(schema)
    assert bench.run("SELECT v FROM a", at=copy) == [(1,)]
    assert bench.run("SELECT v FROM b", at=copy) == [], "no trigger ran while the copy was filled"
