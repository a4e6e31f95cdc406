"""Jobs are processes of their own: they outlive who submitted them, run in order, can be cancelled, and are watched."""

from __future__ import annotations

import fcntl
import grp
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit, ReadOnly, Stale, Unknown
from dysnomia_tui.engine.jobs import spawn
from dysnomia_tui.engine.machine.identity import ProcessIdentity
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, DOCS, ORDERS, TEXT, EngineFixture
from tests.waiting import wait_until


def test_a_snapshot_is_made_and_told_from_queued_to_result(machine: EngineFixture, engine: Engine) -> None:
    job = engine.submit(engine.plan_snapshot([ORDERS], text="before the migration"), why="ticket 7")
    kinds = [event.kind for event in engine.follow(job.id)]
    assert kinds[0] == "queued"
    assert kinds[-1] == "result"
    view = machine.end(engine, job.id)
    assert (view.state, view.message, view.why) == (JobState.DONE, "generation 1", "ticket 7")
    newest = engine.generations(ORDERS)[0]
    assert (newest.number, newest.job, newest.text) == (1, job.id, "before the migration")
    assert view.details["exit"] == Exit.OK


def test_the_worker_leads_its_own_session_and_holds_no_terminal(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    process = psutil.Process(machine.worker_pid(job.id))
    assert os.getsid(process.pid) == process.pid
    assert process.terminal() is None
    assert {os.path.realpath(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 1)} == {"/dev/null"}
    assert os.getppid() != process.ppid()
    machine.hold(held=False)
    assert machine.end(engine, job.id).state is JobState.DONE


@pytest.mark.parametrize("forked", [False, True], ids=["a process of its own", "forked from a command"])
def test_it_outlives_sighup_and_the_kill_of_who_submitted_it(
    machine: EngineFixture, engine: Engine, forked: bool
) -> None:
    machine.hold()
    script = (
        "import sys, time; from pathlib import Path; from tests.unit.engine.machine import *;"
        f"machine = EngineFixture(Path(sys.argv[1])); engine = Engine(machine.settings, fork_workers={forked});"
        "print(engine.submit(engine.plan_snapshot([TEXT])).id, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(machine.root)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as submitter:
        assert submitter.stdout is not None
        job_id = submitter.stdout.readline().strip()
        wait_until(lambda: machine.entered("snapshot"))
        worker = machine.worker_pid(job_id)
        assert os.getsid(worker) == worker != submitter.pid
        assert os.path.realpath(f"/proc/{worker}/fd/1") == "/dev/null"
        os.kill(worker, signal.SIGHUP)
        os.killpg(submitter.pid, signal.SIGHUP)
        os.killpg(submitter.pid, signal.SIGKILL)
    assert engine.job(job_id).state is JobState.RUNNING
    machine.hold(held=False)
    assert machine.end(engine, job_id).state is JobState.DONE


def test_jobs_on_one_component_run_in_order_and_say_behind_whom(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    second = engine.submit(engine.plan_activity(TEXT, "activate"))
    third = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: engine.job(third.id).behind == second.id)
    assert engine.job(second.id).behind == first.id
    assert f"waits for job {first.id}" in engine.job(second.id).message
    assert engine.job(second.id).state is JobState.QUEUED
    machine.hold(held=False)
    ends = [machine.end(engine, job.id) for job in (first, second, third)]
    assert [view.state for view in ends] == [JobState.DONE] * 3
    starts = [view.started for view in ends]
    assert starts == sorted(starts, key=str)
    for before, after in itertools.pairwise(ends):
        assert before.ended is not None
        assert after.started is not None
        assert before.ended <= after.started


def test_only_so_many_run_at_once(machine: EngineFixture) -> None:
    engine = machine.engine(jobs_at_once=1)
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    other = engine.submit(engine.plan_snapshot([ORDERS]))
    wait_until(lambda: engine.job(other.id).behind == first.id)
    machine.hold(held=False)
    assert machine.end(engine, other.id).state is JobState.DONE


def test_others_run_beside_one_that_waits(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    held = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.hold(held=False)
    machine.end(engine, held.id)


def test_a_waiting_job_can_be_cancelled(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    second = engine.submit(engine.plan_snapshot([TEXT]))
    engine.cancel(second.id)
    view = machine.end(engine, second.id)
    assert (view.state, view.details["exit"]) == (JobState.CANCELLED, Exit.CANCELLED)
    assert engine.job(first.id).state is JobState.RUNNING
    machine.hold(held=False)
    machine.end(engine, first.id)
    with pytest.raises(Unknown, match="has already ended"):
        engine.cancel(second.id)


def test_a_running_job_is_cancelled_with_its_children_and_leaves_nothing(
    machine: EngineFixture, engine: Engine
) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    children = psutil.Process(machine.worker_pid(job.id)).children(recursive=True)
    assert children
    engine.cancel(job.id)
    assert machine.end(engine, job.id).state is JobState.CANCELLED
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    assert engine.generations(TEXT) == ()
    assert list((machine.root / "state" / "staging").iterdir()) == []


def test_two_submitters_at_once_get_two_jobs(machine: EngineFixture, engine: Engine) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.unit.engine.machine import *;"
        "machine = EngineFixture(Path(sys.argv[1])); engine = machine.engine();"
        "plan = engine.plan_snapshot([ORDERS]); sys.stdin.readline();"
        "print(engine.submit(plan).id)"
    )
    submitters = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(machine.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ids = []
    for submitter in submitters:
        assert submitter.stdin is not None
        submitter.stdin.write("go\n")
        submitter.stdin.flush()
    for submitter in submitters:
        ids.append(submitter.communicate()[0].strip())
    assert sorted(ids) == ["1", "2", "3", "4"]
    assert {machine.end(engine, job_id).state for job_id in ids} == {JobState.DONE}
    assert len(engine.generations(ORDERS)) == 1
    assert engine.generations(ORDERS)[0].seen == 4


def test_one_component_that_fails_does_not_stop_the_others(machine: EngineFixture, engine: Engine) -> None:
    (machine.root / "data" / "crm.db").write_bytes(b"this is no database at all, whatever its name says")
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    view = machine.run(engine, engine.plan_snapshot([ORDERS, CRM, DOCS]))
    assert view.state is JobState.PARTLY
    assert view.details["exit"] == Exit.PARTLY
    assert list(view.details["failed"]) == ["sqlite/crm"]
    assert [one["key"] for one in view.details["generations"]] == ["sqlite/orders", "files/docs"]


# --- staleness -----------------------------------------------------------------------------------------------------


def snapshots(machine: EngineFixture, engine: Engine, count: int) -> None:
    for number in range(count):
        machine.insert(100 + number)
        assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE


def test_a_plan_whose_snapshot_is_gone_is_refused(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 2)
    plan = engine.plan_restore(ORDERS, 1)
    review = engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)])
    assert machine.run(engine, engine.plan_gc(review)).state is JobState.DONE
    before = machine.rows()
    with pytest.raises(Stale, match="has no generation 1"):
        engine.submit(plan)
    assert machine.rows() == before


def test_a_plan_for_another_target_is_refused(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 1)
    plan = engine.plan_restore(ORDERS, 1)
    (machine.root / "containers" / "sqlite").write_text(f"type=sqlite-database\nsqliteDir='{machine.root}/other'\n")
    with pytest.raises(Stale, match="configured in another way"):
        engine.submit(plan)


def test_staleness_is_judged_when_the_job_starts(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 2)
    slow = machine.engine(jobs_at_once=1)
    machine.hold()
    held = slow.submit(slow.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    collect = slow.submit(slow.plan_gc(slow.gc_review([ORDERS], None, drop=[(ORDERS, 1)])))
    again = slow.submit(slow.plan_gc(slow.gc_review([ORDERS], None, drop=[(ORDERS, 1)])))
    machine.hold(held=False)
    machine.end(slow, held.id)
    assert machine.end(slow, collect.id).state is JobState.DONE
    view = machine.end(slow, again.id)
    assert (view.state, view.details["exit"]) == (JobState.STALE, Exit.REFUSED)
    assert "nothing was collected" in view.message


def test_a_collection_does_not_take_what_a_waiting_restore_needs(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 2)
    machine.hold()
    slow = machine.engine(jobs_at_once=1)
    held = slow.submit(slow.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    restore = slow.submit(slow.plan_restore(ORDERS, 1))
    review = slow.gc_review([ORDERS], None, drop=[(ORDERS, 1)])
    kept = next(line for line in review.lines if line.number == 1)
    assert kept.keep
    assert f"job {restore.id}" in " ".join(kept.rules)
    machine.hold(held=False)
    machine.end(slow, held.id)
    assert machine.end(slow, restore.id).state is JobState.DONE


def test_a_plan_that_was_changed_on_the_way_is_not_run(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    held = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    job = engine.submit(engine.plan_activity(TEXT, "activate"))
    path = machine.folder(job.id).path / "plan.json"
    # The worker has read its plan by now, or reads this one: either way another than what was submitted is not run.
    data = json.loads(path.read_text())
    data["params"]["activity"] = "deactivate"
    path.write_text(json.dumps(data))
    machine.hold(held=False)
    machine.end(engine, held.id)
    machine.end(engine, job.id)
    assert not machine.entered("deactivate")


def test_a_plan_goes_through_json_and_keeps_its_digest(machine: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_snapshot([ORDERS, DOCS], text="odd \udce9 [bold]")
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again.digest == plan.digest
    assert replace(plan, title="other").digest != plan.digest
    assert replace(plan, made=None).digest == plan.digest


# --- refusals ------------------------------------------------------------------------------------------------------


def test_nothing_changes_in_a_read_only_engine(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 1)
    for viewer in (machine.engine(read_only=True), machine.engine(read_only=False)):
        if not viewer.read_only:
            viewer = Engine(replace(machine.settings, read_only=True))
        assert viewer.overview().read_only
        assert viewer.generations(ORDERS)
        for plan in (viewer.plan_snapshot([ORDERS]), viewer.plan_restore(ORDERS, 1)):
            with pytest.raises(ReadOnly):
                viewer.submit(plan)
        with pytest.raises(ReadOnly):
            viewer.cancel("1")
        assert viewer.recover() == ()
    assert len(engine.jobs()) == 1


def test_a_plan_with_blockers_is_refused(machine: EngineFixture, engine: Engine) -> None:
    snapshots(machine, engine, 1)
    plan = replace(engine.plan_restore(ORDERS, 1), blockers=("the disk is full",))
    with pytest.raises(Blocked, match="the disk is full"):
        engine.submit(plan)


def test_a_process_is_told_apart_from_a_later_one_with_its_number() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    assert me.alive
    assert not replace(me, start=me.start - 1).alive
    assert not replace(me, boot="another").alive
    assert not me.elsewhere
    assert not replace(me, space="").elsewhere, "as earlier versions wrote it"
    assert replace(me, boot="another").elsewhere
    assert replace(me, space="pid:[1]").elsewhere
    assert ProcessIdentity.of(2**22 + 1) is None


def test_a_group_may_watch_and_nobody_else(machine: EngineFixture) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    engine = machine.engine(group=group)
    job = machine.run(engine, engine.plan_snapshot([ORDERS]))
    state = machine.root / "state"
    for path in (state / "jobs", machine.folder(job.id).path, state / "audit"):
        assert path.stat().st_mode & 0o777 == 0o750, path
    for name in ("plan.json", "request.json", "events.jsonl", "record", "lock"):
        assert (machine.folder(job.id).path / name).stat().st_mode & 0o777 == 0o640, name


def test_what_a_killed_submitter_left_is_swept(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    jobs = machine.root / "state" / "jobs"
    names = ("unlocked", "locked", "just-made", "held")
    for name in names:
        (jobs / f".new-{os.getpid()}-{name}").mkdir()
    before, locked, made, held = (jobs / f".new-{os.getpid()}-{name}" for name in names)
    for folder in (locked, held):
        (folder / "lock").touch()
    for folder in (before, locked, held):  # the numbers of processes tell nothing: they are those of a container
        os.utime(folder, (time.time() - 100, time.time() - 100))
    with (held / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert [folder.exists() for folder in (before, locked, made, held)] == [False, False, True, True]


# --- starting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [("nice",), ("false",)])
def test_a_scope_that_cannot_be_made_does_not_stop_the_job(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch, prefix: tuple[str, ...]
) -> None:
    monkeypatch.setattr(spawn, "scope", lambda name: prefix)
    job = machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert job.state is JobState.DONE
    assert len(engine.generations(ORDERS)) == 1


def test_a_worker_that_cannot_be_started_is_said_at_once(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = engine.plan_snapshot([ORDERS])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="could not be started"):
        engine.submit(plan)
    assert engine.job("1").state is JobState.FAILED


def test_a_fault_of_the_program_is_an_interrupted_job_that_says_so(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    held = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    plan = engine.plan_snapshot([TEXT])
    job = engine.submit(replace(plan, params={}))  # no reason: a KeyError in the worker
    machine.hold(held=False)
    machine.end(engine, held.id)
    view = machine.end(engine, job.id)
    assert view.state is JobState.INTERRUPTED
    assert "KeyError" in view.message


def test_an_ended_job_gives_back_what_its_journals_set_aside(machine: EngineFixture, engine: Engine) -> None:
    job = machine.run(engine, engine.plan_snapshot([ORDERS]))
    folder = machine.folder(job.id)
    assert sum(path.stat().st_blocks * 512 for path in folder.path.iterdir()) < 64 * 1024
    assert [name for name, _ in folder.journal(0).steps()] == ["dump", "commit", "settled"]
    assert engine.job(job.id).message == "generation 1"


# --- the audit -----------------------------------------------------------------------------------------------------


def test_who_asked_for_a_cancel_is_in_the_timeline(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    engine.cancel(job.id)
    assert machine.end(engine, job.id).state is JobState.CANCELLED
    events = [line.split("  ")[3] for line in engine.timeline(TEXT).splitlines()[2:]]
    assert events == ["submitted", "started", "cancel asked", "cancelled"]


def test_an_interrupted_job_has_an_end_in_the_timeline(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    os.kill(machine.worker_pid(job.id), signal.SIGKILL)
    machine.hold(held=False)
    machine.end(engine, job.id)
    lines = engine.timeline(TEXT).splitlines()[2:]
    assert [line.split("  ")[3] for line in lines] == ["submitted", "started", "interrupted"]
    (recovery,) = engine.recover()
    assert machine.end(engine, recovery.id).state is JobState.DONE
    lines = [line for line in engine.timeline(TEXT).splitlines()[2:] if line.split("  ")[1] == f"J{job.id}"]
    assert [line.split("  ")[3] for line in lines] == ["submitted", "started", "interrupted"]
    assert f"job {recovery.id} put it right" in lines[-1]


def test_a_store_that_a_job_makes_is_private(machine: EngineFixture, engine: Engine) -> None:
    assert not (machine.root / "state").exists()
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert (machine.root / "state").stat().st_mode & 0o777 == 0o700


def test_a_store_of_a_group_is_open_to_it(machine: EngineFixture) -> None:
    engine = machine.engine(group=grp.getgrgid(os.getgid()).gr_name)
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert (machine.root / "state").stat().st_mode & 0o777 == 0o750


def test_who_waits_is_told_behind_whose_job_and_since_when(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    second = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: engine.job(second.id).behind == first.id)
    said = engine.job(second.id).message
    assert said.startswith(f"waits for job {first.id} (snapshot module/text) by {first.who}, running since ")
    engine.cancel(second.id)
    view = machine.end(engine, second.id)
    assert (view.state, view.message) == (JobState.CANCELLED, f"cancelled by {view.who}")
    machine.hold(held=False)
    machine.end(engine, first.id)
