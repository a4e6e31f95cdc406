"""The SQLite plugin at large: which file is meant, deploying, copies, probing, discovery, its place on the disk."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from pathlib import Path

import pytest

from dysnomia_plugins import sqlite_discover
from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.process import ProcessRunner
from dysnomia_plugins.sqlite import SqliteDatabase
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Section
from tests.plugins.bare import BareStored, component
from tests.plugins.sqlite_bench import SqliteBench, holding

ODD = [
    "with space",
    "qu'ote\"s",
    "per%20cent?mode=memory#x",
    "semi;colon`[x]",
    "naïve-é-😀",
    "not-utf8-\udcff\udc80",
    "x" * 255,
]


# --- which file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".db", ".sqlite", ".sqlite3"])
def test_the_file_is_the_component_or_that_with_a_suffix(tmp_path: Path, suffix: str) -> None:
    bench = SqliteBench(tmp_path)
    bench.run("CREATE TABLE t(v)", at=bench.databases / f"orders{suffix}")
    assert bench.live == bench.databases / f"orders{suffix}"
    assert bench.sqlite.named(bench.component, "copy").name == str(bench.databases / f"copy{suffix}")


def test_two_files_that_could_be_meant_are_not_guessed_between(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    (bench.databases / "orders.db").touch()
    with pytest.raises(PluginError, match=r"orders\.db"):
        bench.dump()
    probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert not probe.up
    assert "could be" in probe.detail


@pytest.mark.parametrize("folder", ["", "relative/folder"])
def test_the_folder_must_be_said_and_absolute(tmp_path: Path, folder: str) -> None:
    about = component(tmp_path, sqliteDir=folder)
    with pytest.raises(PluginError, match="sqliteDir"):
        SqliteDatabase().live(about)


def test_a_link_is_followed_to_the_database_itself(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bench.run("CREATE TABLE t(v)", at=elsewhere / "real.db")
    (bench.databases / "orders").symlink_to(elsewhere / "real.db")
    first = bench.dump()
    bench.run("INSERT INTO t VALUES(1)")
    aside = bench.replace(first)
    assert aside.parent == elsewhere
    assert (bench.databases / "orders").is_symlink()
    assert bench.identity() == first.digest


@pytest.mark.parametrize("name", ODD)
def test_names_that_mean_something_elsewhere_mean_nothing_here(tmp_path: Path, name: str) -> None:
    bench = SqliteBench(tmp_path, name=name)
    script = bench.component.path / "sqlite-databases"
    script.mkdir()
    (script / "1.sql").write_text("CREATE TABLE t(v); INSERT INTO t VALUES(1);")
    bench.sqlite.activate(bench.job())
    assert [os.fsencode(one) for one in bench.files()] == [os.fsencode(name)]
    first = bench.dump()
    if len(name) < 250:  # SQLite itself could not make a journal beside a longer name
        bench.run("INSERT INTO t VALUES(2)")
        bench.sqlite.drop(bench.job(), Place(str(bench.replace(first))))
        assert bench.identity() == first.digest
    bench.sqlite.collect_garbage(bench.job())
    assert bench.files() == []


# --- deploying -----------------------------------------------------------------------------------------------------


def _scripts(bench: SqliteBench, *sql: str) -> None:
    folder = bench.component.path / "sqlite-databases"
    folder.mkdir()
    for number, text in enumerate(sql):
        (folder / f"{number}.sql").write_text(text)


def test_initial_state_is_run_in_order_and_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    _scripts(bench, "BEGIN; CREATE TABLE t(v); COMMIT;", "INSERT INTO t VALUES('a;b'); PRAGMA user_version=4;")
    if os.geteuid() == 0:
        os.chown(bench.databases, 12345, 23456)
    bench.sqlite.activate(bench.job())
    assert bench.run("SELECT v FROM t") == [("a;b",)]
    about = bench.live.stat()
    assert (about.st_uid, about.st_gid) == (bench.databases.stat().st_uid, bench.databases.stat().st_gid)
    assert stat.S_IMODE(about.st_mode) == 0o640
    assert bench.files() == ["orders"]


def test_initial_state_that_fails_leaves_nothing(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    _scripts(bench, "CREATE TABLE t(v);", "INSERT INTO nowhere VALUES(1);")
    with pytest.raises(PluginError, match=r"1\.sql failed .no such table: nowhere"):
        bench.sqlite.activate(bench.job())
    assert bench.files() == []


def test_activate_says_where_the_folder_is_missing(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.databases.rmdir()
    with pytest.raises(PluginError, match=r"folder .* is not there"):
        bench.sqlite.activate(bench.job())


def test_activate_makes_nothing_over_what_a_lost_database_left(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    (bench.databases / "orders-wal").write_bytes(b"x")
    with pytest.raises(NotSafe, match="without its database"):
        bench.sqlite.activate(bench.job())
    assert bench.files() == ["orders-wal"]


def test_what_is_open_is_not_collected(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)")
    with holding(bench.live, "SELECT * FROM t") as holder, pytest.raises(NotSafe, match=f"pid {holder.pid}"):
        bench.sqlite.collect_garbage(bench.job())
    assert bench.run("SELECT count(*) FROM t") == [(0,)]
    bench.sqlite.collect_garbage(bench.job())
    assert bench.files() == []


def test_live_is_never_dropped(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    with pytest.raises(NotSafe):
        bench.sqlite.drop(bench.job(), bench.sqlite.live(bench.component))
    assert bench.live.exists()


# --- dumping -------------------------------------------------------------------------------------------------------


def test_what_is_in_the_wal_is_in_the_snapshot(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    with holding(bench.live, "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0") as writer:
        writer.run("INSERT INTO t VALUES('only in the wal')")
        assert (bench.databases / "orders-wal").stat().st_size > 0
        stored = bench.dump()
    assert _rows(stored) == {"t": 1}


def test_a_hot_journal_is_rolled_back_first(tmp_path: Path) -> None:
    """A program was killed in the middle of a commit: what it wrote is not what is."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(zeroblob(400000))")
    before = bench.identity()
    with holding(bench.live, "PRAGMA cache_size=2", "PRAGMA synchronous=OFF", "BEGIN") as writer:
        writer.run("UPDATE t SET v = randomblob(400000)")
        writer.run("DELETE FROM t")
        writer.stop()
    assert (bench.databases / "orders-journal").exists()
    assert bench.identity() == before


def _rows(stored: BareStored) -> dict[str, int | None]:
    return {one.name: one.rows for one in stored.sections() if one.kind == "table"}


def test_a_dump_says_what_belongs_to_the_file_but_not_to_its_content(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)")
    bench.live.chmod(0o604)
    metadata = bench.dump().metadata
    assert metadata is not None
    assert metadata.surroundings["mode"] == "0604"
    assert metadata.surroundings["journal_mode"] == "wal"
    assert metadata.surroundings["page_size"] == 4096


def test_no_database_is_said_and_not_made(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    with pytest.raises(PluginError, match="there is no database"):
        bench.dump()
    assert bench.files() == []
    bench.live.mkdir()
    with pytest.raises(NotSafe, match="not a regular file"):
        bench.dump()


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


def test_a_damaged_database_is_not_loaded(tmp_path: Path) -> None:
    """Bytes that are what was stored, and are no sound database: a snapshot that was imported, say."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "CREATE INDEX i ON t(v)")
    bench.run("INSERT INTO t SELECT hex(randomblob(900)) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    bench.run(
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET rootpage=(SELECT rootpage FROM sqlite_master WHERE name='t') WHERE name='i'",
    )
    stored = bench.dump()
    with pytest.raises(Corrupt, match="damaged database"):
        bench.replace(stored)


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


# --- looking -------------------------------------------------------------------------------------------------------


def test_probe_says_how_big_it_is_and_who_has_it_open(tmp_path: Path) -> None:
    bench = SqliteBench(
        tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)", "INSERT INTO t VALUES(zeroblob(9000))"
    )
    with holding(bench.live, "SELECT count(*) FROM t") as holder:
        probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert probe.up
    assert probe.clients == 1
    assert f"pid {holder.pid}" in probe.who[0]
    assert probe.size is not None
    assert probe.size >= 9000
    assert "wal" in probe.detail
    assert probe.version.startswith("SQLite 3")


def test_probe_says_what_is_wrong(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    assert "there is no database" in bench.sqlite.probe(bench.component, ProcessRunner()).detail
    bench.live.write_bytes(b"not a database " * 100)
    probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert not probe.up
    assert "not an SQLite database" in probe.detail


def test_probe_of_a_locked_database_answers(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    with holding(bench.live, "BEGIN EXCLUSIVE"):
        probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert probe.up
    assert "locked" in probe.detail


def test_discover_finds_what_is_open_and_what_lies_about(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    bench.run("CREATE TABLE t(v)", at=bench.databases / "lying.sqlite3")
    (bench.databases / "fake.db").write_bytes(b"no database, though it is called one")
    (bench.databases / ".dysnomia_x_beside.db").write_bytes(bench.live.read_bytes())
    with holding(bench.live, "SELECT * FROM t") as holder:
        found = {one.component: one for one in sqlite_discover.discover("sqlite-database", [str(bench.databases)])}
        assert holder.pid
    assert "orders" in found
    assert "open in 1 process" in found["orders"].detail
    assert found["orders"].properties == {"type": "sqlite-database", "sqliteDir": str(bench.databases)}
    assert "not open" in found["lying.sqlite3"].detail
    assert not {"fake.db", ".dysnomia_x_beside.db"} & found.keys()


def test_the_shell_is_sqlites_own(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    if shutil.which("sqlite3") is None:
        pytest.skip("sqlite3 is not installed")
    argv, environment = bench.sqlite.shell(bench.component)
    assert argv[0].endswith("/sqlite3")
    assert argv[1] == str(bench.live)
    assert environment == {}
