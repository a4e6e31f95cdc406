"""The swap of an SQLite database: within the live file, under its own lock, whole at every moment."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.base import Context, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.sqlite.opening import DatabaseLocked
from tests.plugins.conformance.bare import BareStored, Notes, Silent
from tests.plugins.conformance.driver import in_child
from tests.plugins.sqlite.bench import SqliteBench, holding, names
from tests.waiting import wait_until

NUMBERS = ",".join(map(str, range(3000)))
ROWS = f"INSERT INTO t SELECT value, hex(randomblob(200)) FROM json_each('[{NUMBERS}]')"


@pytest.fixture(params=["wal", "delete", "persist"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteBench:
    """A database of some 350 pages in every journal mode that stays in the file."""
    sql = ["CREATE TABLE t(id INTEGER PRIMARY KEY, v)", ROWS, f"PRAGMA journal_mode={request.param}"]
    return SqliteBench(tmp_path, *sql)


# --- within the file -----------------------------------------------------------------------------------------------


def test_the_file_stays_and_those_who_have_it_open_see_the_restored_state(bench: SqliteBench) -> None:
    first = bench.dump()
    inode, mode = bench.live.stat().st_ino, bench.run("PRAGMA journal_mode")
    with holding(bench.live, "SELECT count(*) FROM t") as client:
        assert client.run("DELETE FROM t WHERE id > 10") == "[]"
        before = bench.identity()
        aside = bench.replace(first)
        assert client.run("SELECT count(*) FROM t") == "[(3000,)]"
        assert client.run("INSERT INTO t VALUES(9999, 'later')") == "[]"
    assert bench.live.stat().st_ino == inode
    assert bench.run("PRAGMA journal_mode") == mode
    assert bench.identity(aside) == before
    assert bench.run("SELECT count(*) FROM t") == [(3001,)]
    assert bench.sound()


@pytest.mark.parametrize("then", ["wal", "delete"])
@pytest.mark.parametrize("now", ["wal", "delete"])
def test_the_journal_mode_is_lives_own_and_a_copys_is_the_snapshots(tmp_path: Path, then: str, now: str) -> None:
    bench = SqliteBench(tmp_path, f"PRAGMA journal_mode={then}", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    first = bench.dump()
    bench.run(f"PRAGMA journal_mode={now}", "INSERT INTO t VALUES(2)")
    aside = bench.replace(first)
    assert bench.run("PRAGMA journal_mode") == [(now,)]
    assert bench.identity() == first.digest
    undo = bench.job()
    bench.sqlite.swap(undo, Place(str(aside)), bench.sqlite.place(undo, Purpose.ASIDE))
    assert bench.run("PRAGMA journal_mode") == [(now,)]
    assert bench.run("SELECT v FROM t") == [(1,), (2,)]
    copy = bench.sqlite.named(bench.component, "copy")
    bench.sqlite.load(bench.job(), first, copy)
    assert bench.run("PRAGMA journal_mode", at=copy.name) == [(then,)]
    assert bench.identity(Path(copy.name)) == first.digest


def test_a_kill_at_any_page_leaves_the_old_state_whole(bench: SqliteBench) -> None:
    first = bench.dump()
    bench.run("DELETE FROM t WHERE id % 2", "CREATE TABLE later(x)")
    now = bench.identity()
    killed = 0
    for at in range(1, 40):
        journal = Notes()
        ctx = bench.job(journal)
        died = in_child(lambda ctx=ctx, at=at: bench.replace(first, _dying(ctx, at)))  # type: ignore[misc]
        if died == 0:
            break
        assert died == signal.SIGKILL
        assert bench.sound()
        live = bench.identity()
        if live == first.digest:  # the last report of all comes when it is committed
            break
        killed += 1
        assert live == now
        for purpose in Purpose:
            bench.sqlite.drop(ctx, bench.sqlite.place(ctx, purpose))
    assert killed >= 3
    assert bench.identity() == first.digest


class _Dying(Silent):
    """Kills its process at the n-th report of the swap itself."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        if self.phases[-1:] == ["swap"]:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _dying(ctx: Context, at: int) -> Context:
    return dataclasses.replace(ctx, progress=_Dying(at))


def test_the_guard_is_taken_between_lock_and_swap(bench: SqliteBench) -> None:
    first = bench.dump()
    bench.run("DELETE FROM t")
    journal = Notes()
    bench.replace(first, bench.job(journal))
    assert names(journal) == ["swap", "locked", "guarded", "swapped"]


def test_a_cancel_under_the_lock_leaves_live_as_it_was_and_unlocked(bench: SqliteBench) -> None:
    first = bench.dump()
    bench.run("DELETE FROM t")
    now = bench.identity()

    class Stop(Notes):
        def step(self, name: str, /, **data: object) -> None:
            super().step(name, **data)
            if name == "guarded":
                raise PluginError("the journal cannot be written")

    ctx = bench.job(Stop())
    with pytest.raises(PluginError, match="journal"):
        bench.replace(first, ctx)
    assert not bench.sqlite.recover(ctx)
    bench.run("PRAGMA busy_timeout=0", "BEGIN EXCLUSIVE", "ROLLBACK")
    assert bench.identity() == now


def test_large_pages_do_not_reach_the_live_file_before_the_guard(tmp_path: Path) -> None:
    """64 pages of 64 KiB are more than SQLite's default cache: they would spill."""
    bench = SqliteBench(tmp_path, "PRAGMA page_size=65536", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
    bench.run(
        "INSERT INTO t(v) SELECT randomblob(60000) FROM (SELECT 1 FROM json_each(?))".replace(
            "?", f"'[{NUMBERS[:479]}]'"
        )
    )
    first = bench.dump()
    bench.run("UPDATE t SET v = randomblob(60000)")
    now = bench.identity()
    aside = bench.replace(first)
    assert bench.identity(aside) == now
    assert bench.identity() == first.digest


def test_a_full_disk_leaves_the_old_state(bench: SqliteBench) -> None:
    """Room for what is loaded and the guard, and not for the transaction itself."""
    with _tmpfs(bench.databases, bench.live.stat().st_size * 7 // 2) as retry_with_reserve:
        if not retry_with_reserve:
            pytest.skip("only root may mount a small file system")
        first = bench.dump()
        bench.run("UPDATE t SET v = hex(randomblob(200))")
        now = bench.identity()
        filler = bench.databases / "filler"
        ctx = bench.job()
        bench.sqlite.load(ctx, first, beside := bench.sqlite.place(ctx, Purpose.BESIDE))
        about = os.statvfs(bench.databases)
        filler.write_bytes(bytes(max(0, about.f_bavail * about.f_frsize - bench.live.stat().st_size * 3 // 2)))
        with pytest.raises(PluginError, match="space"):
            bench.sqlite.swap(ctx, beside, bench.sqlite.place(ctx, Purpose.ASIDE))
        assert not bench.sqlite.recover(ctx)
        assert bench.sound()
        assert bench.identity() == now


@contextmanager
def _tmpfs(folder: Path, size: int) -> Iterator[bool]:
    """A small file system in the place of a folder, with what was in it. False where that may not be."""
    content = {one.name: one.read_bytes() for one in folder.iterdir()}
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    try:
        if mounted:
            for name, data in content.items():
                (folder / name).write_bytes(data)
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


# --- page sizes, the smallest databases ----------------------------------------------------------------------------


def _snapshot_of(tmp_path: Path, *sql: str) -> BareStored:
    folder = tmp_path / "other"
    folder.mkdir()
    return SqliteBench(folder, *sql).dump()


def test_wal_refuses_another_page_size_and_a_copy_is_the_way(tmp_path: Path) -> None:
    small = _snapshot_of(tmp_path, "PRAGMA page_size=1024", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    bench = SqliteBench(tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)")
    now = bench.identity()
    found = bench.sqlite.preflight(bench.job(), small, replace=True).findings
    assert any(one.severity is Severity.BLOCKER and "copy" in one.text for one in found)
    ctx = bench.job()
    with pytest.raises(NotSafe, match="pages of 4096"):
        bench.replace(small, ctx)
    assert not bench.sqlite.recover(ctx)
    assert bench.identity() == now
    assert not any(
        one.severity is Severity.BLOCKER for one in bench.sqlite.preflight(ctx, small, replace=False).findings
    )
    copy = bench.sqlite.named(bench.component, "copy")
    bench.sqlite.load(bench.job(), small, copy)
    assert bench.identity(Path(copy.name)) == small.digest


@pytest.mark.parametrize("size", [512, 1024, 65536])
def test_a_rollback_journal_takes_any_page_size(tmp_path: Path, size: int) -> None:
    other = _snapshot_of(tmp_path, f"PRAGMA page_size={size}", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)", ROWS)
    bench = SqliteBench(tmp_path, "CREATE TABLE u(v)", "INSERT INTO u VALUES(zeroblob(300000))")
    now = bench.identity()
    aside = bench.replace(other)
    assert bench.identity() == other.digest
    assert bench.identity(aside) == now
    assert bench.sound()
    assert bench.run("PRAGMA page_size") == [(size,)]


@pytest.mark.parametrize("vacuum", ["NONE", "FULL", "INCREMENTAL"])
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_of_one_page_is_guarded_too(tmp_path: Path, vacuum: str, mode: str) -> None:
    """All of it would be copied, and committed, before the first call-back."""
    empty = _snapshot_of(tmp_path, f"PRAGMA auto_vacuum={vacuum}", "PRAGMA user_version=7", "CREATE VIEW v AS SELECT 1")
    assert empty.metadata is not None
    assert empty.metadata.content_size == 4096
    bench = SqliteBench(tmp_path, f"PRAGMA journal_mode={mode}", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    now = bench.identity()
    journal = Notes()
    aside = bench.replace(empty, bench.job(journal))
    assert names(journal) == ["swap", "locked", "guarded", "swapped"]
    assert bench.identity(aside) == now
    assert bench.identity() == empty.digest
    assert bench.run("PRAGMA auto_vacuum") == [(("NONE", "FULL", "INCREMENTAL").index(vacuum),)]


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    bench.live.touch()
    empty = bench.dump()
    bench.run("CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    full = bench.dump()
    bench.replace(empty)
    assert bench.run("SELECT * FROM sqlite_master") == []
    bench.live.unlink()
    bench.live.touch()
    aside = bench.replace(full)
    assert bench.run("SELECT v FROM t") == [(1,)]
    assert bench.identity(aside) == empty.digest


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_another_text_encoding_is_restored_and_said_before(tmp_path: Path, mode: str) -> None:
    wide = _snapshot_of(tmp_path, "PRAGMA encoding='UTF-16le'", "CREATE TABLE t(v TEXT)", "INSERT INTO t VALUES('é')")
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v TEXT)", "INSERT INTO t VALUES('x')", f"PRAGMA journal_mode={mode}")
    found = bench.sqlite.preflight(bench.job(), wide, replace=True).findings
    assert any("connect anew" in one.text for one in found)
    now = bench.identity()
    aside = bench.replace(wide)
    assert bench.identity() == wide.digest
    assert bench.run("SELECT v FROM t") == [("é",)]
    assert bench.identity(aside) == now


def test_full_text_and_rtree_answer_after_a_restore(tmp_path: Path) -> None:
    bench = SqliteBench(
        tmp_path,
        "CREATE VIRTUAL TABLE ft USING fts5(body)",
        "CREATE VIRTUAL TABLE rt USING rtree(id, a, b)",
        "INSERT INTO ft VALUES('the needle')",
        "INSERT INTO rt VALUES(5, 1, 2)",
        "PRAGMA user_version=12",
        "PRAGMA application_id=99",
    )
    first = bench.dump()
    bench.run("DELETE FROM ft", "DROP TABLE rt", "PRAGMA user_version=13", "PRAGMA application_id=1")
    bench.replace(first)
    assert bench.run("SELECT rowid FROM ft WHERE ft MATCH 'needle'") == [(1,)]
    assert bench.run("SELECT id FROM rt WHERE a >= 1") == [(5,)]
    assert bench.run("PRAGMA user_version") == [(12,)]
    assert bench.run("PRAGMA application_id") == [(99,)]
    bench.run("INSERT INTO ft(ft) VALUES('integrity-check')")


# --- locks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_that_stays_locked_is_given_up(tmp_path: Path, mode: str) -> None:
    bench = SqliteBench(tmp_path, f"PRAGMA journal_mode={mode}", "CREATE TABLE t(v)", sqliteLockTimeout="0.5")
    first = bench.dump()
    bench.run("INSERT INTO t VALUES(1)")
    now = bench.identity()
    with holding(bench.live, "BEGIN EXCLUSIVE") as holder:
        ctx = bench.job()
        with pytest.raises(DatabaseLocked, match=f"pid {holder.pid}"):
            bench.replace(first, ctx)
        if mode == "delete":  # in WAL mode readers never wait
            with pytest.raises(DatabaseLocked):
                bench.dump()
            found = bench.sqlite.preflight(bench.job(), first, replace=True).findings
            assert any("locked now" in one.text for one in found)
    assert not bench.sqlite.recover(ctx)
    assert bench.identity() == now
    assert bench.files()[0] != bench.live.name, "what was loaded is for the engine to drop"


def test_a_reader_is_waited_for(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    first = bench.dump()
    bench.run("INSERT INTO t VALUES(2)")
    with holding(bench.live, "BEGIN", "SELECT v FROM t") as reader:
        pid = os.fork()
        if pid == 0:
            bench.replace(first)
            os._exit(0)
        wait_until(lambda: "is locked" in reader_of(bench.live))
        assert reader.run("COMMIT") == "[]"
        assert os.waitpid(pid, 0)[1] == 0
    assert bench.identity() == first.digest


def reader_of(path: Path) -> str:
    """What a new reader meets: the restore waits with the lock that keeps new readers out."""
    try:
        db = sqlite3.connect(path, timeout=0)
        db.execute("SELECT count(*) FROM t").fetchone()
        db.close()
    except sqlite3.OperationalError as error:
        return str(error)
    return ""


# --- recovery, with clients that go on writing ---------------------------------------------------------------------


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("later", ["INSERT INTO t VALUES(8888, 1)", "CREATE TABLE since(x)", "DELETE FROM t"])
def test_recovery_tells_though_clients_wrote_since(bench: SqliteBench, swapped: bool, later: str) -> None:
    """Killed behind the guard: the journal does not say whether the transaction was committed."""
    first = bench.dump()
    bench.run("UPDATE t SET v = v || 'x' WHERE id % 3 = 0")
    journal = Notes()
    ctx = bench.job(journal)
    bench.sqlite.load(ctx, first, beside := bench.sqlite.place(ctx, Purpose.BESIDE))
    keep = Path(beside.name).read_bytes()
    aside = bench.sqlite.place(ctx, Purpose.ASIDE)
    if swapped:
        bench.sqlite.swap(ctx, beside, aside)
        Path(beside.name).write_bytes(keep)
        assert journal.entries.pop()[0] == "swapped"
    else:
        assert in_child(lambda: bench.sqlite.swap(_dying(ctx, 1), beside, aside)) == signal.SIGKILL
        guarded = bench.run("PRAGMA schema_version")[0][0]
        live = {"how": "backup", "live": str(bench.live), "beside": beside.name, "aside": aside.name}
        journal.entries[:] = [("swap", live), ("locked", {}), ("guarded", {"cookie": guarded})]
    bench.run(later)
    now = bench.identity()
    assert bench.sqlite.recover(ctx) is swapped
    assert bench.sqlite.recover(ctx) is swapped, "asked again"
    assert bench.identity() == now
