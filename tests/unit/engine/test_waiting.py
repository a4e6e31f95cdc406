"""What a waiting job says of the one it waits for, as that goes on."""

from __future__ import annotations

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import TEXT, EngineFixture
from tests.waiting import wait_until


def test_who_waits_is_told_when_the_job_ahead_begins_to_run(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: engine.job(first.id).state is JobState.RUNNING)
    second = engine.submit(engine.plan_snapshot([TEXT]))
    third = engine.submit(engine.plan_restore(TEXT, 1))
    wait_until(lambda: engine.job(third.id).behind)
    title = f"waits for job {second.id} (snapshot module/text) by {second.who}"
    assert engine.job(third.id).message.startswith(f"{title}, waiting itself")
    engine.cancel(first.id)
    assert machine.end(engine, first.id).state is JobState.CANCELLED
    wait_until(lambda: engine.job(third.id).message.startswith(f"{title}, running since "))
    said = [event.data["behind"] for event in engine.events(third.id)[0] if event.kind == "waiting"]
    assert said == [second.id, second.id], "twice, and not at each look"
    engine.cancel(third.id)
    machine.end(engine, third.id)
    machine.hold(held=False)
    assert machine.end(engine, second.id).state is JobState.DONE
