"""What a module's activities come to: snapshots that it does not make, live state that it cannot snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import Health, JobState
from tests.unit.engine.machine import TEXT, EngineFixture

STATELESS = """#!/bin/bash -e
# Dysnomia's own test wrapper: activities that it does not know end well.
case "$1" in
    activate) mkdir -p "$DYSNOMIA_STATEDIR/activated/module"; touch "$DYSNOMIA_STATEDIR/activated/module/text";;
    deactivate) ;; lock) ;; unlock) ;;
esac
"""


def replace_module(machine: EngineFixture, text: str) -> None:
    (module,) = (machine.root / "modules").iterdir()
    module.write_text(text)


def test_a_snapshot_of_one_without_state_ends_well_and_says_so(machine: EngineFixture, engine: Engine) -> None:
    replace_module(machine, STATELESS)
    assert machine.run(engine, engine.plan_activity(TEXT, "activate")).state is JobState.DONE
    job = machine.run(engine, engine.plan_snapshot([TEXT]))
    assert job.state is JobState.DONE
    assert "it keeps no state" in job.message
    views = [one for container in engine.overview().containers for one in container.components if one.key == TEXT]
    assert [(view.health, view.generations) for view in views] == [(Health.OK, 0)]


def test_one_that_made_snapshots_before_and_makes_none_has_failed(machine: EngineFixture, engine: Engine) -> None:
    machine.text.write_text("old\n")
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    replace_module(machine, STATELESS)
    job = machine.run(engine, engine.plan_snapshot([TEXT]))
    assert job.state is JobState.FAILED
    assert "made no snapshot" in job.message


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_what_cannot_be_snapshotted_can_be_restored_over_and_the_plan_says_so(
    machine: EngineFixture, engine: Engine, how: str
) -> None:
    (module,) = (machine.root / "modules").iterdir()
    module.write_text(module.read_text().replace("snapshot) id=", 'snapshot) grep -q ok "$dir/live"; id='))
    machine.text.write_text("ok\n")
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    if how == "broken":
        machine.text.write_text("garbage\n")
    else:
        machine.text.unlink()
    plan = engine.plan_restore(TEXT, 1)
    assert plan.grade is Grade.FINAL
    assert any("no guard is made" in text for text in plan.warnings)
    job = machine.run(engine, plan)
    assert job.state is JobState.DONE, job.message
    assert "no guard: what was live could not be snapshotted" in job.message
    assert not job.undoable
    assert machine.text.read_text() == "ok\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_component_whose_initial_state_another_may_write_is_not_activated(
    machine: EngineFixture, engine: Engine
) -> None:
    key = TEXT
    path = machine.root / "components" / key.container / key.component
    path.unlink() if path.is_file() else path.rmdir()
    initial = path / "initial" / "state"
    initial.parent.mkdir(parents=True)
    initial.write_text("x")
    os.chown(initial, 12345, 12345)
    job = machine.run(engine, engine.plan_activity(key, "activate"))
    assert job.state is JobState.FAILED
    assert f"{initial} is left out: it belongs to user 12345" in job.message
    assert not machine.entered("activate")


def test_a_module_that_others_may_write_is_named_and_the_rest_goes_on(machine: EngineFixture) -> None:
    odd = Path(machine.root / "modules" / "echo")
    odd.write_text(f"#!/bin/sh\ntouch {machine.root}/ran\n")
    odd.chmod(0o777)
    with_odd = machine.engine()
    assert any(f"{odd} is left out" in text for text in with_odd.left_out())
    assert any(f"{odd} is left out" in alarm.text for alarm in with_odd.overview().alarms)
    assert machine.run(with_odd, with_odd.plan_snapshot([TEXT])).state is JobState.DONE
    with_odd.close()
