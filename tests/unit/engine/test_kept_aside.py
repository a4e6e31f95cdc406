"""Live is past saving, so a restore keeps it beside as it is: that is an alarm with a way out, and the alarm ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Blocked, ReadOnly, Unknown
from dysnomia_tui.engine.records import JobState, JobView
from tests.unit.engine.machine import CRM, ORDERS, EngineFixture

BROKEN = b"no database" * 100


@pytest.fixture
def restored(machine: EngineFixture, engine: Engine) -> JobView:
    """The job that replaced a file which is no database any more."""
    machine.run(engine, engine.plan_activity(ORDERS, "activate"))
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    (machine.root / "data" / "orders.db").write_bytes(BROKEN)
    job = machine.run(engine, engine.plan_restore(ORDERS, 1))
    assert job.state is JobState.PARTLY
    assert Path(job.details["aside"]).read_bytes() == BROKEN
    return job


def alarms(engine: Engine) -> list[str]:
    return [alarm.text for alarm in engine.overview().alarms]


def test_the_alarm_says_how_it_ends(machine: EngineFixture, engine: Engine, restored: JobView) -> None:
    (alarm,) = alarms(engine)
    assert f"dysnomia-tui undo {restored.id} --forget" in alarm
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert alarms(engine) == [alarm], "a snapshot of what is live now does not end it"
    assert engine.forget(restored.id) == restored.details["aside"]
    assert alarms(engine) == []
    assert Path(restored.details["aside"]).read_bytes() == BROKEN, "it is the operator's"
    with pytest.raises(Blocked, match="given up by"):
        engine.plan_undo(restored.id)
    assert not engine.job(restored.id).undoable
    assert "given up" in engine.timeline(ORDERS)
    with pytest.raises(Unknown, match="keeps nothing aside"):
        engine.forget(restored.id)


def test_a_file_that_somebody_removed_is_no_alarm(engine: Engine, restored: JobView) -> None:
    Path(restored.details["aside"]).unlink()
    assert alarms(engine) == []


def test_it_can_be_brought_back_instead(machine: EngineFixture, engine: Engine, restored: JobView) -> None:
    assert machine.run(engine, engine.plan_undo(restored.id)).state in (JobState.DONE, JobState.PARTLY)
    assert (machine.root / "data" / "orders.db").read_bytes() == BROKEN
    assert not any("--forget" in text for text in alarms(engine))


def test_what_keeps_nothing_or_may_not_be_changed_is_refused(
    machine: EngineFixture, engine: Engine, restored: JobView
) -> None:
    snapshot = machine.run(engine, engine.plan_snapshot([CRM]))
    with pytest.raises(Unknown, match="keeps nothing aside"):
        engine.forget(snapshot.id)
    with pytest.raises(ReadOnly):
        machine.engine(read_only=True).forget(restored.id)
    assert len(alarms(engine)) == 1
