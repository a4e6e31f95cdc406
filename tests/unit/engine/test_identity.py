"""What a plan says would be replaced is known again when it is: by device, inode and owner."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine, RestoreTarget
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobState, JobView
from tests.thorough import seldom
from tests.unit.engine.machine import DOCS, ORDERS, EngineFixture


@pytest.fixture
def machine(machine: EngineFixture) -> EngineFixture:
    (machine.root / "tree" / "docs").mkdir()
    (machine.root / "tree" / "docs" / "page").write_text("first\n")
    return machine


def _another_file(machine: EngineFixture) -> None:
    live = machine.root / "data" / "orders.db"
    live.with_name("new").write_bytes(live.read_bytes())
    live.with_name("new").rename(live)


def _another_folder(machine: EngineFixture) -> None:
    docs = machine.root / "tree" / "docs"
    docs.rename(docs.with_name("was"))
    docs.mkdir()
    (docs / "page").write_text("put there meanwhile\n")


def _another_owner(machine: EngineFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(machine.root / "tree" / "docs", 12345, -1)


REPLACED: dict[str, tuple[ComponentKey, Callable[[EngineFixture], None]]] = {
    "another file": (ORDERS, _another_file),
    "another folder": (DOCS, _another_folder),
    "another owner": (DOCS, _another_owner),
}


@pytest.mark.parametrize("how", REPLACED)
@pytest.mark.parametrize("kind", seldom(["restore", "undo", "collect-garbage"], "restore"))
def test_what_is_another_one_now_is_not_replaced(machine: EngineFixture, engine: Engine, how: str, kind: str) -> None:
    key, change = REPLACED[how]
    plan = _planned(machine, engine, key, kind)
    before = len(engine.generations(key))
    change(machine)
    content = _content(machine)
    view = machine.run(engine, plan)
    assert (view.state, view.details["exit"]) == (JobState.STALE, Exit.REFUSED)
    assert "was replaced since this was planned" in view.message
    assert _content(machine) == content
    assert len(engine.generations(key)) == before
    assert not [name for name in os.listdir(machine.root / "tree") if name.startswith(".dysnomia")]
    assert machine.run(engine, _again(engine, key, kind, plan)).state is JobState.DONE


def test_a_copy_replaces_nothing(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([DOCS]))
    plan = engine.plan_restore(DOCS, 1, RestoreTarget("copy", "copied"))
    _another_folder(machine)
    assert machine.run(engine, plan).state is JobState.DONE


def _planned(machine: EngineFixture, engine: Engine, key: ComponentKey, kind: str) -> Plan:
    assert _run(machine, engine, engine.plan_activity(key, "activate")).state is JobState.DONE
    assert _run(machine, engine, engine.plan_snapshot([key])).state is JobState.DONE
    if kind == "restore":
        return engine.plan_restore(key, 1)
    if kind == "undo":
        restored = _run(machine, engine, engine.plan_restore(key, 1))
        return engine.plan_undo(restored.id)
    assert _run(machine, engine, engine.plan_activity(key, "deactivate")).state is JobState.DONE
    return engine.plan_activity(key, "collect-garbage")


def _again(engine: Engine, key: ComponentKey, kind: str, plan: Plan) -> Plan:
    if kind == "restore":
        return engine.plan_restore(key, 1)
    return engine.plan_undo(str(plan.params["job"])) if kind == "undo" else engine.plan_activity(key, kind)


def _run(machine: EngineFixture, engine: Engine, plan: Plan) -> JobView:
    return machine.run(engine, plan)


def _content(machine: EngineFixture) -> object:
    """Files, and what tells them from others."""
    return {
        path: (path.read_bytes(), path.stat().st_ino)
        for folder in ("tree", "data")
        for path in (machine.root / folder).rglob("*")
        if path.is_file()
    }
