"""A full disk: what was there stays, it is said, and a collection still works and makes room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Finding, Preflight, Severity
from dysnomia_plugins.toolkit.findings import FOR_THE_GUARD
from dysnomia_store.model import Reason
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.jobs.submit import FILES_ENOUGH, NO_FILES
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import JobState, JobView
from tests.unit.engine.machine import ORDERS, EngineFixture, make_machine

MEGABYTE = 1 << 20


@pytest.fixture
def small() -> Iterator[EngineFixture]:
    """A machine whose store is on a file system of 96 MiB."""
    root = Path(tempfile.mkdtemp(prefix="dysnomia-full-"))
    machine = make_machine(root)
    (root / "state").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(root / "state")]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        shutil.rmtree(root)
        pytest.skip("needs to mount a tmpfs")
    yield machine
    subprocess.run(["umount", "-l", str(root / "state")], check=True)
    shutil.rmtree(root, ignore_errors=True)


def fill(machine: EngineFixture) -> None:
    """Leave no byte free."""
    with (machine.root / "state" / "ballast").open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


def test_nothing_is_lost_and_a_collection_still_works(small: EngineFixture) -> None:
    engine = small.engine()
    for number in range(2, 5):
        small.execute(f"INSERT INTO t VALUES ({number}, hex(randomblob(200000)))")
        assert small.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    before = [(one.number, one.id) for one in engine.generations(ORDERS)]
    small.execute("INSERT INTO t VALUES (9, hex(randomblob(3000000)))")
    fill(small)

    with pytest.raises(EngineError) as caught:
        small.run(engine, engine.plan_snapshot([ORDERS]))
    assert caught.value.exit is Exit.NO_SPACE
    assert [(one.number, one.id) for one in engine.generations(ORDERS)] == before
    assert engine.overview().containers
    assert any(alarm.urgent and "is full, so nothing can" in alarm.text for alarm in engine.overview().alarms)

    review = engine.gc_review([ORDERS], None, drop=[(ORDERS, 1), (ORDERS, 2)])
    job = small.run(engine, engine.plan_gc(review, now=True))
    assert job.state is JobState.DONE, job.message
    assert [one.number for one in engine.generations(ORDERS)] == [3]
    (small.root / "state" / "ballast").unlink()
    assert small.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE


def test_a_snapshot_that_finds_no_room_says_on_which_disk(small: EngineFixture) -> None:
    """It named the live database, whose disk has room, and ended with 1."""
    engine = small.engine()
    small.execute("INSERT INTO t VALUES (9, hex(randomblob(8000000)))")
    with (small.root / "state" / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small.root / "state").free - 4 * MEGABYTE)
    job = small.run(engine, engine.plan_snapshot([ORDERS]))
    assert job.state is JobState.FAILED
    assert f"no space is left where {small.root}/state/staging/" in job.message
    result = small.folder(job.id).record().last("result")
    assert result is not None
    assert result["exit"] == Exit.NO_SPACE


def test_a_disk_that_can_hold_no_more_files_is_critical(small: EngineFixture) -> None:
    state = small.root / "state"
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(state)], check=True)
    engine = small.engine()
    assert not any(alarm.urgent for alarm in engine.overview().alarms)
    for number in range(os.statvfs(state).f_favail):
        (state / f"ballast-{number}").touch()
    assert ["no more files" in alarm.text for alarm in engine.overview().alarms if alarm.urgent] == [True]


def test_a_collection_on_a_disk_that_can_hold_no_more_files_says_how_many_have_to_go(small: EngineFixture) -> None:
    """It was "1 MiB is enough", and after the reserve had been used for nothing the system's bare words."""
    state, engine = small.root / "state", small.engine()
    for number in range(2, 4):
        small.execute(f"INSERT INTO t VALUES ({number}, 'new')")
        assert small.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    with (state / "reserve").open("ab"):
        pass
    subprocess.run(["mount", "-o", "remount,nr_inodes=400", str(state)], check=True)
    ballast = [state / f"ballast-{number}" for number in range(os.statvfs(state).f_favail)]
    for path in ballast:
        path.touch()
    review = engine.gc_review([ORDERS], None, drop=[(ORDERS, 1), (ORDERS, 2)])
    for plan in (engine.plan_snapshot([ORDERS]), engine.plan_gc(review, now=True)):
        with pytest.raises(EngineError, match=r"can hold no more files \(see df -i\)") as caught:
            small.run(engine, plan)
        assert caught.value.exit is Exit.NO_SPACE
        assert caught.value.hint.startswith(NO_FILES)
    for path in ballast[:FILES_ENOUGH]:
        path.unlink()
    job = small.run(engine, engine.plan_gc(review, now=True))
    assert job.state is JobState.DONE, job.message


def restored_without_guard(small: EngineFixture, engine: Engine) -> JobView:
    """A restore that found no room for its guard: what was live still stands aside."""
    assert small.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    small.execute("INSERT INTO t VALUES (9, hex(randomblob(6000000)))")
    free = shutil.disk_usage(small.root / "state").free
    (small.root / "state" / "ballast").write_bytes(bytes(free - 4 * MEGABYTE))  # enough to restore, not for the guard
    job = small.run(engine, engine.plan_restore(ORDERS, 1))
    assert job.state is JobState.PARTLY, job.message
    assert small.rows() == [1]
    return job


def test_a_disk_that_fills_between_swap_and_guard_keeps_both_states(small: EngineFixture) -> None:
    engine = small.engine()
    job = restored_without_guard(small, engine)
    assert job.details["aside"]
    assert any("not yet a generation" in alarm.text for alarm in engine.overview().alarms)
    short = engine.plan_undo(job.id)
    live = (small.root / "data" / "orders.db").stat().st_size
    assert [(need.where, need.needs) for need in short.space] == [(FOR_THE_GUARD, live)]
    assert 0 <= (short.space[0].has or 0) < 4 * MEGABYTE
    (small.root / "state" / "ballast").unlink()
    assert small.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert small.rows() == [1, 9]
    assert [one.reason for one in engine.generations(ORDERS)].count(Reason.GUARD) == 1


def test_what_stands_aside_comes_back_whatever_a_snapshot_would_meet(
    small: EngineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small.engine()
    job = restored_without_guard(small, engine)
    met = Preflight(
        findings=(
            Finding(Severity.BLOCKER, "the snapshot needs a role that is gone", of_snapshot=True),
            Finding(Severity.WARNING, "live is busy"),
        )
    )
    monkeypatch.setattr(probes, "preflight", lambda *_, **__: met)
    assert "the snapshot needs a role that is gone" in engine.plan_restore(ORDERS, 1).blockers
    plan = engine.plan_undo(job.id)
    assert plan.blockers == ()
    assert "live is busy" in plan.warnings
