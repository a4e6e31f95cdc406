"""A worker killed at any moment leaves live old or new and never between; the next writer puts the rest right."""

from __future__ import annotations

import os
import random
import signal
from datetime import timedelta

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_store.model import CheckResult, Reason
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState
from tests.thorough import often
from tests.unit.engine.machine import ORDERS, TEXT, EngineFixture, forget_the_end
from tests.waiting import wait_until


def interrupt(machine: EngineFixture, engine: Engine, job_id: str) -> JobState:
    """Kill the worker with SIGKILL; what the job then is."""
    os.kill(machine.worker_pid(job_id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job_id).held)
    return engine.job(job_id).state


def test_a_killed_worker_is_seen_with_its_children_gone_and_recovered_once(
    machine: EngineFixture, engine: Engine
) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    assert interrupt(machine, engine, job.id) is JobState.INTERRUPTED
    assert any("interrupted" in alarm.text for alarm in engine.overview().alarms)
    machine.hold(held=False)
    recoveries = engine.recover()
    assert [recovery.kind for recovery in recoveries] == ["recover"]
    assert machine.end(engine, recoveries[0].id).state is JobState.DONE
    assert engine.recover() == ()
    assert "recovered" in engine.job(job.id).details
    assert not any("interrupted" in alarm.text for alarm in engine.overview().alarms)
    assert list((machine.root / "state" / "staging").iterdir()) == []
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE


def test_a_viewer_recovers_nothing(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    interrupt(machine, engine, job.id)
    viewer = machine.engine(read_only=True)
    assert viewer.recover() == ()
    assert len(viewer.jobs()) == 1


@pytest.mark.parametrize("seed", range(often(8, 2)))
def test_restores_killed_anywhere(machine: EngineFixture, engine: Engine, seed: int) -> None:
    """The moment is random; wherever it falls, the same must hold."""
    chance = random.Random(seed)
    machine.execute("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE i<40000) "
                    "INSERT INTO t SELECT i, hex(randomblob(20)) FROM n")  # fmt: skip
    old = machine.rows()
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.execute("DELETE FROM t WHERE id % 3 = 0")
    now = machine.rows()
    job = engine.submit(engine.plan_restore(ORDERS, 1))
    events = engine.follow(job.id)
    for _ in range(chance.randint(1, 12)):
        if next(events).kind == "result":
            break
    state = interrupt(machine, engine, job.id) if not engine.job(job.id).state.ended else JobState.DONE
    if state is JobState.INTERRUPTED:
        for recovery in engine.recover():
            assert machine.end(engine, recovery.id).state is JobState.DONE, engine.job(recovery.id).message
    live = machine.rows()
    assert live in (old, now)
    generations = engine.generations(ORDERS)
    if live == old:  # restored: the guard is a generation, and the newest says what is live
        assert generations[0].id == generations[-1].id
        assert any(one.reason is Reason.GUARD and one.marks.pins for one in generations)
    leftovers = [path.name for path in (machine.root / "data").iterdir() if "dysnomia" in path.name]
    assert leftovers == []
    numbers = [one.number for one in generations]
    view = machine.run(engine, engine.plan_check(ORDERS, numbers))
    assert {check["result"] for check in view.details["checks"].values()} == {CheckResult.OK.value}
    again = machine.run(engine, engine.plan_restore(ORDERS, 1))
    assert again.state is JobState.DONE, again.message
    assert machine.rows() == old


def test_the_next_writer_puts_right_what_nobody_recovered(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    interrupt(machine, engine, job.id)
    machine.hold(held=False)
    next_one = machine.run(engine, engine.plan_snapshot([TEXT]))
    assert next_one.state is JobState.DONE
    assert engine.job(job.id).details["recovered"]["by"] == next_one.id
    assert not any("interrupted" in alarm.text for alarm in engine.overview().alarms)
    assert engine.recover() == ()
    assert list((machine.root / "state" / "staging").iterdir()) == []


def test_a_snapshot_that_failed_leaves_nothing_to_put_right(machine: EngineFixture, engine: Engine) -> None:
    live = machine.root / "data" / "orders.db"
    live.rename(away := live.with_name("away"))
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.FAILED
    away.rename(live)
    after = engine.submit(engine.plan_snapshot([ORDERS]))
    events = [str(event.data) for event in engine.follow(after.id)]
    assert engine.job(after.id).state is JobState.DONE
    assert not [words for words in events if "recovering" in words or "had not replaced" in words]


def test_what_is_undone_or_put_right_by_the_next_job_needs_nobody(machine: EngineFixture, engine: Engine) -> None:
    """A restore that died between its swap and its end; its undo, or the next writer, is told of by no alarm after."""
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    for by in ("snapshot", "undo"):
        machine.insert(len(machine.rows()) + 1)
        live = machine.rows()
        job = machine.run(engine, engine.plan_restore(ORDERS, 1))
        forget_the_end(machine.folder(job.id), "swapped")
        engine = machine.engine()
        assert engine.job(job.id).state is JobState.INTERRUPTED
        assert len(engine.overview().alarms) == 1
        if by == "snapshot":
            assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
            assert machine.rows() == [1]
            view = engine.job(job.id)
            assert "it was finished" in view.message
            assert view.undoable, "what it replaced is a guard"
        assert machine.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
        assert machine.rows() == live
        assert engine.overview().alarms == ()
        assert not engine.job(job.id).undoable
        assert engine.recover() == ()


def test_two_recoveries_of_one_job_say_the_same_of_it(machine: EngineFixture, engine: Engine) -> None:
    """As two apps begin that are open on one store: the second finds nothing, and must not say so of the job."""
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.insert(2)
    job = machine.run(engine, engine.plan_restore(ORDERS, 1))
    forget_the_end(machine.folder(job.id), "swapped")
    engine = machine.engine()
    first, second = (engine.submit(engine.plan_recover(job.id)).id for _ in range(2))
    finished = machine.end(engine, first).message
    assert "it was finished" in finished
    assert machine.end(engine, second).message == f"recovered by job {first} already: {finished}"
    assert engine.job(job.id).message == finished


def test_a_job_cut_off_in_its_swap_is_urgent(machine: EngineFixture, engine: Engine) -> None:
    """Of some types accounts are locked then, and views and triggers missing."""
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    job = machine.run(engine, engine.plan_restore(ORDERS, 1))
    for last, urgent in (("swapped", False), ("swap", True)):
        forget_the_end(machine.folder(job.id), last)
        (alarm,) = machine.engine().overview().alarms
        assert (alarm.urgent, "cut off in its swap" in alarm.text) == (urgent, urgent)


def test_what_a_job_that_failed_could_not_remove_is_told_and_removed(machine: EngineFixture, engine: Engine) -> None:
    """As where its server died under it: the job has an end, and what it loaded stays beside live."""
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    machine.folder(job.id).journal(0).step("load", number=1, id="")
    (machine.root / "text" / "fail").touch()
    machine.hold(held=False)
    failed = machine.end(engine, job.id)
    assert failed.state is JobState.FAILED
    assert failed.message.endswith("; what it had begun is removed by the next job on the component")
    assert [alarm.text for alarm in engine.overview().alarms if alarm.text.startswith("job")] == [
        f"job {job.id} could not remove what it had begun: snapshot module/text; the next job on the component does it,"
        " once its server answers"
    ]
    (recovery,) = engine.recover()
    assert machine.end(engine, recovery.id).state is JobState.DONE
    assert engine.job(job.id).state is JobState.FAILED
    assert not any(alarm.text.startswith("job") for alarm in engine.overview().alarms)
    assert engine.recover() == ()


def test_a_recovery_is_not_tried_for_ever(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    interrupt(machine, engine, job.id)
    journal = machine.folder(job.id).journal(0)
    journal.step("swap", guard=9, id="", restored=None, text="")
    (machine.root / "components" / "module" / "text").unlink()  # now its recovery must fail
    tries = 0
    while recoveries := engine.recover():
        tries += 1
        assert machine.end(engine, recoveries[0].id).state is JobState.FAILED
    assert tries == 3
    (alarm,) = [alarm for alarm in engine.overview().alarms if f"job {job.id} was interrupted" in alarm.text]
    assert "its recovery failed (" in alarm.text
    assert "correct that, the next job on the component tries it again" in alarm.text
    engine._clock = lambda: utc_now() + timedelta(hours=2)
    (later,) = engine.recover()
    assert machine.end(engine, later.id).state is JobState.FAILED
    engine._clock = lambda: utc_now() + timedelta(hours=3)
    assert engine.recover() == (), "the next pause is longer"
    (machine.root / "components" / "module" / "text").write_text("")
    engine._clock = lambda: utc_now() + timedelta(hours=5)
    (last,) = engine.recover()
    assert last.id != later.id
