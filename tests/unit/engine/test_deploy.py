"""A deployment as one plan and one job: in its order, each for itself, and what is so already is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dysnomia_tui.config.model import GivenContainer
from dysnomia_tui.engine.errors import Blocked
from dysnomia_tui.engine.machine.settings_json import settings_from_json, settings_to_json
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, DOCS, ORDERS, TEXT, EngineFixture


def test_it_is_planned_and_carried_out(machine: EngineFixture) -> None:
    engine = machine.engine()
    there = engine.deployment()
    assert there.available == (DOCS, TEXT, CRM, ORDERS)
    first = engine.plan_deploy()
    assert {key for _, key in there.steps} == set(first.keys)
    assert first.grade is Grade.ADDS, "nothing is taken out of service"
    assert machine.run(engine, first).state is JobState.DONE
    assert engine.deployment().active == (DOCS, TEXT, CRM, ORDERS)
    with pytest.raises(Blocked, match="active"):
        engine.submit(engine.plan_deploy())


def test_what_left_the_search_path_goes_before_what_is_new_comes(machine: EngineFixture) -> None:
    engine = machine.engine()
    machine.run(engine, engine.plan_deploy())
    machine.run(engine, engine.plan_activity(DOCS, "deactivate"))
    (machine.root / "components" / CRM.container / CRM.component).unlink()
    plan = engine.plan_deploy()
    assert plan.keys == (CRM, DOCS)
    assert plan.params["activities"] == ["deactivate", "activate"]
    assert (plan.grade, plan.confirm) == (Grade.UNDOABLE, "2")
    assert machine.run(engine, plan).state is JobState.DONE
    assert engine.deployment().garbage == (CRM,)
    assert engine.deployment().active == (DOCS, TEXT, ORDERS)


def test_one_that_fails_does_not_stop_the_rest(machine: EngineFixture) -> None:
    engine = machine.engine()
    (machine.root / "text" / "fail").touch()
    job = machine.run(engine, engine.plan_deploy())
    assert job.state is JobState.PARTLY
    assert list(job.details["failed"]) == [str(TEXT)]
    assert engine.deployment().new == (TEXT,)
    (machine.root / "text" / "fail").unlink()
    assert machine.run(engine, engine.plan_deploy()).state is JobState.DONE


def test_what_was_done_meanwhile_is_left(machine: EngineFixture) -> None:
    engine = machine.engine()
    plan = engine.plan_deploy(TEXT.container)
    assert plan.keys == (TEXT,)
    machine.run(engine, engine.plan_activity(TEXT, "activate"))
    (machine.root / "text" / "fail").touch()
    assert machine.run(engine, plan).state is JobState.DONE, "its module is not asked again"


def test_what_a_command_line_gave_reaches_the_worker(machine: EngineFixture) -> None:
    given = replace(
        machine.settings,
        given_containers={"a": GivenContainer(machine.root / "a", ""), "b": GivenContainer(None, "jar")},
        given_components={"a/x": machine.root / "x"},
    )
    read = settings_from_json(settings_to_json(given))
    assert read.given_containers == given.given_containers
    assert read.given_components == given.given_components
