"""What is said of a generation: several operators at once, the hold of a guard, trust in what was imported."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dysnomia_store.model import Marks, Pin, Verdict
from dysnomia_tui.engine.component.trust import TRUSTED_TAG, made_here
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.mark_change import MarkChange, between
from dysnomia_tui.engine.plans.plan import Grade, Kind
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, ORDERS, EngineFixture

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PIN = Pin(why="evidence", who="", at=AT)


@pytest.fixture
def one(machine: EngineFixture, engine: Engine) -> EngineFixture:
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    return machine


def said(engine: Engine, number: int = 1) -> Marks:
    return next(found.marks for found in engine.generations(ORDERS) if found.number == number)


def test_two_who_mark_from_the_same_screen_are_both_heard(one: EngineFixture, engine: Engine) -> None:
    seen = said(engine)
    pin = engine.plan_mark(ORDERS, 1, Marks(pins=(PIN,)), "evidence", seen=seen)
    note = engine.plan_mark(ORDERS, 1, Marks(note="ask alice"), "ask alice", seen=seen)
    assert one.run(engine, pin).state is JobState.DONE
    assert one.run(engine, note).state is JobState.DONE
    late = engine.plan_mark(ORDERS, 1, Marks(tags=("audit",)), seen=seen)
    assert one.run(engine, late).state is JobState.DONE
    found = said(engine)
    assert ([pin.why for pin in found.pins], found.note, found.tags) == (["evidence"], "ask alice", ("audit",))
    assert found.pins[0].who


def test_taking_ones_own_pin_away_leaves_the_others(one: EngineFixture, engine: Engine) -> None:
    mine = Pin(why="mine", who="me", at=AT)
    assert one.run(engine, engine.plan_mark(ORDERS, 1, Marks(pins=(mine,)))).state is JobState.DONE
    seen = said(engine)
    away = engine.plan_mark(ORDERS, 1, Marks(), "unpinned", seen=seen)
    theirs = engine.plan_mark(ORDERS, 1, Marks(pins=(*seen.pins, PIN)), seen=seen)
    assert one.run(engine, theirs).state is JobState.DONE
    assert one.run(engine, away).state is JobState.DONE
    assert [pin.why for pin in said(engine).pins] == ["evidence"]


def test_two_verdicts_that_differ_are_never_settled_without_a_word(one: EngineFixture, engine: Engine) -> None:
    seen = said(engine)
    good = engine.plan_mark(ORDERS, 1, Marks(verdict=Verdict.GOOD), seen=seen)
    bad = engine.plan_mark(ORDERS, 1, Marks(verdict=Verdict.BAD, note="broken"), seen=seen)
    assert one.run(engine, bad).state is JobState.DONE
    late = one.run(engine, good)
    assert (late.state, "known bad by another user" in late.message) == (JobState.STALE, True)
    other = one.run(engine, engine.plan_mark(ORDERS, 1, Marks(note="fine"), seen=seen))
    assert (other.state, "another user changed its note to: broken" in other.message) == (JobState.STALE, True)
    assert (said(engine).verdict, said(engine).note) == (Verdict.BAD, "broken")


def test_the_hold_of_a_guard_is_never_dropped_by_a_mark(one: EngineFixture, engine: Engine) -> None:
    one.insert(2)
    restore = one.run(engine, engine.plan_restore(ORDERS, 1))
    guard = int(restore.details["guard"])
    for seen in (None, Marks(), said(engine, guard)):
        plan = engine.plan_mark(ORDERS, guard, Marks(note=f"seen {seen is None}"), seen=seen)
        one.run(engine, plan)
        assert [pin.held_by for pin in said(engine, guard).pins] == [restore.id]


def test_a_title_says_what_is_said_of_which_generation(one: EngineFixture, engine: Engine) -> None:
    pin = engine.plan_mark(ORDERS, 1, Marks(pins=(PIN,)), "evidence")
    assert pin.title == "pin generation 1 of sqlite/orders: evidence"
    assert [step.text for step in pin.steps] == ["would pin generation 1 of sqlite/orders: evidence"]
    assert (pin.kind, pin.grade, pin.confirm) == (Kind.MARK, Grade.ADDS, "")
    until = Pin(why="", who="", at=AT, until=AT)
    assert engine.plan_mark(ORDERS, 1, Marks(pins=(until,))).title.endswith("orders until 2026-11-22 12:00 UTC")
    bad = engine.plan_mark(ORDERS, 1, Marks(verdict=Verdict.BAD, note="oops"), "oops")
    assert bad.title == "mark generation 1 of sqlite/orders known bad; note on generation 1 of sqlite/orders: oops"
    assert one.run(engine, bad).state is JobState.DONE
    seen = said(engine)
    assert engine.plan_mark(ORDERS, 1, Marks(note="oops"), seen=seen).title.endswith("no longer known bad")
    cleared = engine.plan_mark(ORDERS, 1, Marks(verdict=Verdict.BAD), seen=seen)
    assert cleared.title == "take the note off generation 1 of sqlite/orders"
    long = engine.plan_mark(ORDERS, 1, Marks(note="x\ny" * 200))
    assert len(long.title) < 160
    assert "\n" not in long.title
    assert engine.plan_mark(ORDERS, 1, seen, seen=seen).blockers == ("nothing would change",)


def test_a_change_goes_through_json() -> None:
    held = Pin(why="guard", who="job", at=AT, until=AT, held_by="7")
    seen = Marks(pins=(PIN, held), verdict=Verdict.GOOD, tags=("a",), note="n")
    change = between(seen, Marks(verdict=None, tags=("b",), note="m"))
    assert change.pins_removed == (PIN,)
    assert MarkChange.from_json(change.to_json()) == change


def test_an_import_is_trusted_by_an_operator_and_the_audit_says_so(one: EngineFixture, engine: Engine) -> None:
    folder = one.root / "state" / "snapshots" / "sqlite" / "orders" / engine.generations(ORDERS)[0].id
    assert one.run(engine, engine.plan_import(CRM, [folder])).state is JobState.DONE
    plan = engine.plan_trust(CRM, 1)
    assert (plan.grade, plan.confirm, plan.title) == (Grade.UNDOABLE, "1", "trust generation 1 of sqlite/crm")
    assert plan.warnings
    assert engine.plan_mark(CRM, 1, Marks(tags=(TRUSTED_TAG,))).grade is Grade.UNDOABLE
    assert plan.command == ("dysnomia-tui", "trust", "sqlite/crm", "1")
    assert one.run(engine, plan).state is JobState.DONE
    world = Machine(one.settings)
    assert made_here(world.store, engine.generations(CRM)[0])
    assert "trust generation 1 of sqlite/crm" in engine.timeline(CRM)
    assert engine.plan_trust(CRM, 1).blockers
    assert one.run(engine, engine.plan_trust(CRM, 1, trusted=False)).state is JobState.DONE
    assert not made_here(world.store, engine.generations(CRM)[0])
    assert engine.plan_trust(CRM, 1, trusted=False).blockers
    assert engine.plan_trust(ORDERS, 1).blockers == ("generation 1 of sqlite/orders is trusted already",)
