"""A lost terminal in mid-restore: the job goes on and ends well, and a new TUI shows how.

To be in the middle for certain, another client holds the database's lock: the restore waits for it in its swap."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dysnomia_tui.engine.jobs.folder import JobFolder
from tests.e2e.conftest import NOW
from tests.e2e.terminal import TIMEOUT, Terminal, alive, terminal
from tests.e2e.test_story import Session
from tests.e2e.world import World
from tests.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

RESTORED = 31
"""The generation that is restored in these tests."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database's write lock, as a client in the middle of a long transaction does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as client:
        client.execute("BEGIN IMMEDIATE")
        yield
        client.execute("ROLLBACK")


def job_of(world: World, kind: str = "restore") -> dict[str, Any] | None:
    return next((job for job in world.jobs() if job["kind"] == kind), None)


def in_the_swap(world: World) -> bool:
    job = job_of(world)
    return job is not None and job["phase"] == "swap" and not job["ended"]


def kill_program(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGKILL)


def hang_up(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGHUP)


def kill_terminal(terminal: Terminal) -> None:
    terminal.kill_server()


@pytest.mark.parametrize(
    "lose", [hang_up, *(pytest.param(one, marks=pytest.mark.worlds) for one in (kill_program, kill_terminal))]
)
def test_the_restore_goes_on(own_demo: Callable[[], World], lose: Callable[[Terminal], None]) -> None:
    world = own_demo()
    live = world.root / "live" / "databases" / "orders"
    with terminal() as first:
        session = Session(first, world)
        session.open()
        session.go_to_orders()
        first.press("@")
        first.wait_for("Newest good generation")
        first.type(f"{NOW - timedelta(days=6):%F} 13:30 UTC")
        first.press("Enter")
        first.wait_for(f"orders/{RESTORED}")
        before = session.customers
        first.press("r")
        first.wait_for("Would restore")
        first.press("Enter")
        with locked(live):
            session.confirm()
            first.until(lambda: in_the_swap(world))
            program = first.pid
            lose(first)
            wait_until(lambda: not alive(program) or lose is hang_up, TIMEOUT)
            job = job_of(world)
            assert job is not None
            assert job["state"] == "running", "it did not die with its terminal"
        ended = wait_until(lambda: _ended(world, "restore"), TIMEOUT, interval=0.3)
        assert ended["state"] == "done", ended
    assert session.customers != before
    paths = world.run("dysnomia-snapshots", "--query-all", "-C", "sqlite-database", "-c", "orders").lines
    assert paths[-1] == paths[RESTORED - 1], "what is live is what was restored"
    assert " 0 bad" in world.run("dysnomia-snapshots", "--query-all", "--check").err
    with terminal() as second:
        again = Session(second, world)
        again.open()
        second.press("J")
        second.wait_for("restore", "done")


def test_a_worker_that_was_killed_is_put_right_when_someone_looks(own_demo: Callable[[], World]) -> None:
    """kill -9 of the job itself in its swap: what was live still is, and the next TUI sees to the rest."""
    world = own_demo()
    live = world.root / "live" / "databases" / "orders"
    with closing(sqlite3.connect(live)) as db:
        before = db.execute("SELECT count(*) FROM customers").fetchone()
    key = ("-C", "sqlite-database", "-c", "orders")
    with locked(live):
        command = world.start("dysnomia", "-o", "restore", *key, "--generation", "3")
        wait_until(lambda: in_the_swap(world), TIMEOUT, interval=0.3)
        job = job_of(world)
        assert job is not None
        os.kill(worker_of(world, job["id"]), signal.SIGKILL)
        _, err = command.communicate(timeout=60)
        assert command.returncode != 0
        assert "Traceback" not in err
        assert "interrupted" in err
    with terminal() as looking:
        Session(looking, world).open()
        recovered = wait_until(lambda: _ended(world, "recover"), TIMEOUT, interval=0.3)
        assert recovered["state"] == "done"
    with closing(sqlite3.connect(live)) as db:
        assert db.execute("SELECT count(*) FROM customers").fetchone() == before
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left = [path.name for path in live.parent.iterdir() if path.name.startswith(".") or "dysnomia" in path.name]
    assert not left, "nothing of the dead job's stays"
    world.run("dysnomia", "-o", "restore", *key, "--generation", "3")


def _ended(world: World, kind: str) -> Any:
    job = job_of(world, kind)
    return job if job is not None and job["ended"] else None


def worker_of(world: World, job: str) -> int:
    """The process id of a job's worker, as it wrote it down when it began."""
    said = JobFolder(world.state / "jobs" / job).record().last("worker")
    assert said is not None, f"no process works on job {job}"
    return int(said["pid"])
