"""Restores where there is no live file, or one that no longer is a database: the only ones made by link and rename."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Context, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from tests.plugins.conformance.bare import BareStored, Notes
from tests.plugins.conformance.driver import in_child
from tests.plugins.sqlite.bench import SqliteBench


def test_where_the_folder_is_gone_too_the_plan_says_how_to_make_it(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    first = bench.dump()
    bench.live.unlink()
    bench.databases.rmdir()
    blockers = [
        one.text
        for one in bench.sqlite.preflight(bench.job(), first, replace=True).findings
        if one.severity is Severity.BLOCKER
    ]
    assert len(blockers) == 1
    assert f"{bench.databases} is not there" in blockers[0]
    subprocess.run(blockers[0].rpartition("(")[2].rstrip(")"), shell=True, check=True)  # noqa: S602
    bench.replace(first, bench.job())
    assert bench.identity() == first.digest


def test_where_there_is_no_file_one_appears_whole(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "PRAGMA journal_mode=WAL", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    bench.live.chmod(0o640)
    first = bench.dump()
    bench.sqlite.collect_garbage(bench.job())
    assert bench.files() == []
    stray = bench.databases / "orders-wal"
    stray.write_bytes(b"what was left of something else")
    assert any("would be made" in one.text for one in bench.sqlite.preflight(bench.job(), first, replace=True).findings)
    journal = Notes()
    ctx = bench.job(journal)
    bench.replace(first, ctx)
    assert bench.identity() == first.digest
    assert bench.run("PRAGMA journal_mode") == [("wal",)]
    assert bench.live.stat().st_mode & 0o777 == 0o640
    assert stray.with_name(f"orders-wal.stray_{ctx.tag}").read_bytes() == b"what was left of something else"
    assert bench.sqlite.recover(ctx)


def test_a_kill_while_a_file_appears_leaves_it_whole_or_not_there(tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    first = bench.dump()
    bench.sqlite.collect_garbage(bench.job())
    seen = set()
    for after in (False, True):
        journal = Notes()
        ctx = bench.job(journal)
        beside, aside = bench.sqlite.place(ctx, Purpose.BESIDE), bench.sqlite.place(ctx, Purpose.ASIDE)
        bench.sqlite.load(ctx, first, beside)
        begun = {"how": "create", "live": str(bench.live), "beside": beside.name, "aside": aside.name}
        work = lambda c=ctx, b=beside, a=aside, late=after: _swap_dying(bench, c, b, a, "link", 1, after=late)  # noqa: E731
        assert in_child(work) == signal.SIGKILL
        journal.entries[:] = [("swap", begun)]
        swapped = bench.sqlite.recover(ctx)
        seen.add(swapped)
        assert bench.live.exists() is swapped
        if swapped:
            assert bench.identity() == first.digest
            bench.live.unlink()
        bench.sqlite.drop(ctx, beside)
    assert seen == {False, True}


def test_a_file_that_came_to_be_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)")
    first = bench.dump()
    bench.live.unlink()
    link = os.link

    def meanwhile(source: str, target: str, **how: Any) -> None:
        bench.live.write_bytes(b"mine")
        link(source, target, **how)

    monkeypatch.setattr(os, "link", meanwhile)
    ctx = bench.job()
    with pytest.raises(NotSafe, match="another process created"):
        bench.replace(first, ctx)
    assert bench.live.read_bytes() == b"mine"
    assert not bench.sqlite.recover(ctx)


def _broken(tmp_path: Path) -> tuple[SqliteBench, BareStored, dict[str, bytes]]:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)")
    first = bench.dump()
    was = {
        "orders": b"not a database " * 500,
        "orders-shm": b"what stands beside",
    }  # (SQLite removes the others itself)
    for name, content in was.items():
        (bench.databases / name).write_bytes(content)
    bench.live.chmod(0o604)
    return bench, first, was


def test_a_file_that_is_no_database_is_kept_aside_whole(tmp_path: Path) -> None:
    bench, first, was = _broken(tmp_path)
    found = bench.sqlite.preflight(bench.job(), first, replace=True)
    assert [one.severity for one in found.findings][:1] == [Severity.IRREVERSIBLE]
    with pytest.raises(PluginError, match="not an SQLite database"):
        bench.dump()
    ctx = bench.job()
    aside = bench.replace(first, ctx)
    assert bench.identity() == first.digest
    assert bench.live.stat().st_mode & 0o777 == 0o604
    assert aside.read_bytes() == was["orders"]
    assert aside.with_name(aside.name + "-shm").read_bytes() == was["orders-shm"]
    undo = bench.job()
    bench.sqlite.swap(undo, bench.sqlite.place(ctx, Purpose.ASIDE), bench.sqlite.place(undo, Purpose.ASIDE))
    assert {name: (bench.databases / name).read_bytes() for name in was} == was
    assert bench.identity(Path(bench.sqlite.place(undo, Purpose.ASIDE).name)) == first.digest


def test_a_file_that_is_no_database_is_not_replaced_while_it_is_open(tmp_path: Path) -> None:
    bench, first, was = _broken(tmp_path)
    with _Opened(bench.live) as pid:
        ctx = bench.job()
        with pytest.raises(NotSafe, match=f"pid {pid}"):
            bench.replace(first, ctx)
        found = bench.sqlite.preflight(bench.job(), first, replace=True).findings
        assert found[0].severity is Severity.BLOCKER
    assert not bench.sqlite.recover(ctx)
    assert bench.live.read_bytes() == was["orders"]


@pytest.mark.parametrize("call", ["link", "rename", "unlink", "fsync"])
def test_a_kill_while_a_broken_file_is_set_aside_is_put_right(tmp_path: Path, call: str) -> None:
    """At the n-th call of each kind; then live is the broken file whole, or the restored one."""
    bench, first, was = _broken(tmp_path)
    seen = set()
    for at in range(1, 20):
        journal = Notes()
        ctx = bench.job(journal)
        beside, aside = bench.sqlite.place(ctx, Purpose.BESIDE), bench.sqlite.place(ctx, Purpose.ASIDE)
        bench.sqlite.load(ctx, first, beside)
        begun = {"how": "rename", "live": str(bench.live), "beside": beside.name, "aside": aside.name}
        died = in_child(lambda at=at, ctx=ctx, b=beside, a=aside: _swap_dying(bench, ctx, b, a, call, at))  # type: ignore[misc]
        if died == 0:
            break
        journal.entries[:] = [("swap", begun)]
        swapped = bench.sqlite.recover(ctx)
        seen.add(swapped)
        if swapped:
            assert bench.identity() == first.digest
            assert Path(aside.name).read_bytes() == was["orders"]
            break
        assert {name: (bench.databases / name).read_bytes() for name in was} == was
        for place in (beside, aside):
            bench.sqlite.drop(ctx, place)
    assert seen


def _swap_dying(
    bench: SqliteBench, ctx: Context, beside: Place, aside: Place, call: str, at: int, *, after: bool = False
) -> None:
    """Killed before (or after) the n-th call of a function of ``os``."""
    left = at
    real = getattr(os, call)

    def dying(*arguments: object, **more: object) -> object:
        nonlocal left
        left -= 1
        if left == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **more)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, call, dying)
    bench.sqlite.swap(ctx, beside, aside)


class _Opened:
    """A child process that has a file open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        reading, self._writing = os.pipe()
        ready, told = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writing)
            with self._path.open("rb"):
                os.write(told, b"!")
                os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return self._pid

    def __exit__(self, *_: object) -> None:
        os.close(self._writing)
        os.waitpid(self._pid, 0)
