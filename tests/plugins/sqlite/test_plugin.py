"""The SQLite plugin at large: which file is meant, deploying, copies, probing, discovery, its place on the disk."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.sqlite import discover as sqlite_discover
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from tests.plugins.conformance.bare import BareDraft, BareStored, component
from tests.plugins.conformance.driver import in_child
from tests.plugins.sqlite.bench import SqliteBench, holding

NOBODY = 65534
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


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        ({"suffix": ".sqlite3"}, "orders.sqlite3"), ({"suffix": ""}, "orders"), ({}, "orders"),
        ({"suffix": "/../../etc/passwd"}, "orders"), ({"suffix": 7}, "orders"), ({"suffix": [".db"]}, "orders"),
    ],
)  # fmt: skip
def test_one_that_is_gone_is_where_its_newest_generation_says_it_was(
    tmp_path: Path, recorded: dict[str, object], name: str
) -> None:
    about = replace(component(tmp_path, sqliteDir=str(tmp_path)), recorded=lambda: recorded)
    assert SqliteDatabase().live(about).name == str(tmp_path / name)


def test_two_files_that_could_be_meant_are_not_guessed_between(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    (bench.databases / "orders.db").touch()
    with pytest.raises(PluginError, match=r"orders\.db"):
        bench.dump()
    probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert not probe.up
    assert "is ambiguous" in probe.detail


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
    with pytest.raises(PluginError, match=r"folder .* does not exist"):
        bench.sqlite.activate(bench.job())


def test_activate_makes_nothing_over_what_a_lost_database_left(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    (bench.databases / "orders-wal").write_bytes(b"x")
    with pytest.raises(NotSafe, match="exists without its database"):
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


# --- other users ---------------------------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users reach (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="dysnomia-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_an_owner_who_is_not_root_may_do_it_all(public: Path) -> None:
    bench = SqliteBench(public, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    for one in (public, *public.rglob("*")):
        os.chown(one, NOBODY, NOBODY)

    def work() -> None:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        first = bench.dump()
        bench.run("INSERT INTO t VALUES(2)")
        bench.replace(first)
        assert bench.identity() == first.digest
        assert bench.live.stat().st_uid == NOBODY

    assert in_child(work) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_file_of_another_user_is_refused_in_words(public: Path, mode: str) -> None:
    bench = SqliteBench(public, "CREATE TABLE t(v)", f"PRAGMA journal_mode={mode}")
    first = bench.dump()
    assert bench.sqlite.probe(bench.component, ProcessRunner()).up
    bench.live.chmod(0o600)
    for one in public.glob("staging*"):
        os.chown(one, NOBODY, NOBODY)

    def work() -> None:
        os.setuid(NOBODY)
        with pytest.raises(PluginError, match="cannot be opened"):
            bench.sqlite.dump(bench.context("1"), bench.sqlite.live(bench.component), BareDraft(public))
        probe = bench.sqlite.probe(bench.component, ProcessRunner())
        assert not probe.up
        assert "cannot be opened" in probe.detail

    assert in_child(work) == 0
    assert bench.identity() == first.digest


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
        everywhere = sqlite_discover.discover("sqlite-database", [str(bench.databases)])
        # Whatever else is open on this machine is found as well, another test's databases too.
        found = {one.component: one for one in everywhere if one.properties["sqliteDir"] == str(bench.databases)}
        assert holder.pid
    assert "orders" in found
    assert "open in 1 process" in found["orders"].detail
    assert found["orders"].properties == {"type": "sqlite-database", "sqliteDir": str(bench.databases)}
    assert "not open" in found["lying.sqlite3"].detail
    assert not {"fake.db", ".dysnomia_x_beside.db"} & found.keys()


@pytest.mark.parametrize("folders", [("generations", "staging"), ("generations", "cache"), ("jobs", "cache")])
def test_what_a_store_keeps_for_itself_is_not_found(tmp_path: Path, folders: tuple[str, str]) -> None:
    """In one that is new, too: its cache was the first that the first screen offered after something was adopted."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    for name in folders:
        (tmp_path / "store" / name).mkdir(parents=True)
    shutil.copy(bench.live, tmp_path / "store" / folders[1] / "index-3.db")
    place = str(tmp_path / "store" / folders[1])
    assert [
        one.component for one in sqlite_discover.discover("x", [place]) if one.properties["sqliteDir"] == place
    ] == (["index-3.db"] if folders[0] == "jobs" else [])
    (tmp_path / "store" / "store.json").write_text("{}")
    assert not [one for one in sqlite_discover.discover("x", [place]) if one.properties["sqliteDir"] == place]


def test_the_shell_is_sqlites_own(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    if shutil.which("sqlite3") is None:
        pytest.skip("sqlite3 is not installed")
    argv, environment = bench.sqlite.shell(bench.component)
    assert argv[0].endswith("/sqlite3")
    assert argv[1] == str(bench.live)
    assert environment == {}
