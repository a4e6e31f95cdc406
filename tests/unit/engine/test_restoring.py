"""Restore and undo on real state, through the engine: what was live is never lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dysnomia_store.model import CheckResult, Marks, Reason
from dysnomia_tui.engine.component.trust import TRUSTED_TAG, made_here
from dysnomia_tui.engine.engine import Engine, RestoreTarget
from dysnomia_tui.engine.errors import Blocked, Exit
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, DOCS, ORDERS, TEXT, EngineFixture


@pytest.fixture
def two(machine: EngineFixture, engine: Engine) -> EngineFixture:
    """Generation 1 holds row 1, generation 2 rows 1 and 2, and row 3 is written since."""
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.insert(2)
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.insert(3)
    return machine


def test_a_restore_guards_what_was_live_and_says_what_is(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_restore(ORDERS, 1)
    assert (plan.grade, plan.confirm, plan.blockers) == (Grade.UNDOABLE, "1", ())
    assert all("would" in step.text or "replaced" in step.text for step in plan.steps)
    job = two.run(engine, plan)
    assert two.rows() == [1]
    newest, guard = engine.generations(ORDERS)[:2]
    assert (newest.reason, newest.restored, newest.id) == (Reason.RESTORE, 1, engine.generations(ORDERS)[-1].id)
    assert (guard.reason, guard.number) == (Reason.GUARD, job.details["guard"])
    assert [pin.held_by for pin in guard.marks.pins] == [job.id]
    assert newest.number == guard.number + 1


def test_undo_brings_back_what_was_written_and_is_itself_guarded(two: EngineFixture, engine: Engine) -> None:
    restore = two.run(engine, engine.plan_restore(ORDERS, 1))
    two.insert(77)
    plan = engine.plan_undo(restore.id)
    assert plan.grade is Grade.UNDOABLE
    undo = two.run(engine, plan)
    assert two.rows() == [1, 2, 3]
    assert engine.job(restore.id).undoable is False
    late = two.run(engine, plan)
    assert (late.state, "undone already" in late.message) == (JobState.STALE, True)
    assert two.rows() == [1, 2, 3]
    with pytest.raises(Blocked, match="undone already"):
        engine.plan_undo(restore.id)
    again = two.run(engine, engine.plan_undo(undo.id))
    assert again.state is JobState.DONE
    assert two.rows() == [1, 77]


def test_a_restore_of_what_was_not_live_leaves_nothing_to_put_right(two: EngineFixture, engine: Engine) -> None:
    (two.root / "data" / "orders.db").unlink()
    plan = engine.plan_restore(ORDERS, 2)
    assert (plan.grade, plan.confirm, plan.replaces) == (Grade.ADDS, "", "")
    assert "nothing is live" in plan.steps[0].text
    assert "would have nothing to go back to" in plan.steps[-1].text
    restore = two.run(engine, plan)
    assert (restore.state, two.rows()) == (JobState.DONE, [1, 2])
    assert JobBoard(two.settings.statedir / "jobs").unsettled(ORDERS) == []
    after = engine.submit(engine.plan_snapshot([ORDERS]))
    assert not [event for event in engine.follow(after.id) if "recovering" in str(event.data)]
    assert [one.number for one in engine.generations(ORDERS)] == [4, 2, 1]
    with pytest.raises(Blocked, match="kept nothing"):
        engine.plan_undo(restore.id)


def test_an_undo_whose_guard_was_collected_is_refused_by_name(two: EngineFixture) -> None:
    engine = two.engine(guard_hold=timedelta(0))
    restore = two.run(engine, engine.plan_restore(ORDERS, 1))
    guard = restore.details["guard"]
    collected = two.run(engine, engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, guard)])))
    with pytest.raises(Blocked, match=f"generation {guard} of sqlite/orders, is no longer"):
        engine.plan_undo(restore.id)
    assert two.run(engine, engine.plan_undo(collected.id)).state is JobState.DONE
    assert two.run(engine, engine.plan_undo(restore.id)).state is JobState.DONE
    assert two.rows() == [1, 2, 3]


def test_a_copy_leaves_live_alone(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_restore(ORDERS, 1, RestoreTarget("copy", "orders_old"))
    assert (plan.grade, plan.confirm, plan.replaces) == (Grade.ADDS, "", "")
    assert two.run(engine, plan).state is JobState.DONE
    assert two.rows() == [1, 2, 3]
    refused = two.run(engine, replace(engine.plan_restore(ORDERS, 2, RestoreTarget("copy", "orders_old")), blockers=()))
    assert refused.state is JobState.FAILED
    assert "already" in refused.message
    assert len(engine.generations(ORDERS)) == 2


def test_sections_go_into_a_copy_and_a_wrong_one_is_named(two: EngineFixture, engine: Engine) -> None:
    target = RestoreTarget("sections", "part", ("table:t",))
    assert two.run(engine, engine.plan_restore(ORDERS, 1, target)).state is JobState.DONE
    wrong_plan = engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "part2", ("table:none",)))
    assert wrong_plan.blockers == ("generation 1 holds no table none",)
    wrong = two.run(engine, replace(wrong_plan, blockers=()))
    assert (wrong.state, "table none" in wrong.message) == (JobState.FAILED, True)
    assert engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "x", ())).blockers


def test_a_damaged_snapshot_never_reaches_live(two: EngineFixture, engine: Engine) -> None:
    first = engine.generations(ORDERS)[-1]
    plan = engine.plan_restore(ORDERS, 1)
    path = next((two.root / "state" / "snapshots" / "sqlite" / "orders" / first.id).iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    job = two.run(engine, plan)
    assert job.state is JobState.FAILED
    assert "damaged" in job.message
    assert job.details["exit"] == Exit.CORRUPT
    with pytest.raises(Blocked, match="damaged") as caught:
        engine.submit(engine.plan_restore(ORDERS, 1))
    assert caught.value.exit is Exit.CORRUPT
    assert two.rows() == [1, 2, 3]
    check = two.run(engine, engine.plan_check(ORDERS, [1, 2]))
    assert check.state is JobState.PARTLY
    assert check.details["checks"]["1"]["result"] == CheckResult.CORRUPT.value
    assert check.details["checks"]["2"]["result"] == CheckResult.OK.value
    assert check.details["exit"] == 7
    assert any("corrupt" in warning for warning in engine.plan_restore(ORDERS, 1).warnings)


def test_verify_proves_a_snapshot_and_fails_for_one_that_differs(two: EngineFixture, engine: Engine) -> None:
    view = two.run(engine, engine.plan_verify(ORDERS, 1))
    assert view.state is JobState.DONE
    assert engine.generations(ORDERS)[-1].last_check is not None
    check = engine.generations(ORDERS)[-1].last_check
    assert check is not None
    assert (check.how, check.result) == ("restore", CheckResult.OK)


def test_several_components_are_verified_one_after_the_other(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_verify_several([(ORDERS, 1), (ORDERS, 2)])
    assert (plan.grade, plan.blockers, len(plan.steps)) == (Grade.ADDS, (), 2)
    view = two.run(engine, plan)
    assert (view.state, view.message) == (JobState.DONE, "2 ok")
    checks = [one.last_check for one in engine.generations(ORDERS)]
    assert [check.how for check in checks if check is not None] == ["restore", "restore"]
    with pytest.raises(Blocked, match="nothing was chosen"):
        engine.plan_verify_several([])


def test_prod_asks_one_grade_more(two: EngineFixture) -> None:
    engine = two.engine(labels=("PROD",))
    plan = engine.plan_restore(ORDERS, 1)
    assert (plan.grade, plan.confirm) == (Grade.FINAL, "orders")
    copy = engine.plan_restore(ORDERS, 1, RestoreTarget("copy", "x"))
    assert (copy.grade, copy.confirm) == (Grade.UNDOABLE, "1")


def test_a_collection_is_undone_from_the_trash(two: EngineFixture, engine: Engine) -> None:
    before = engine.generations(ORDERS)
    plan = engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)]))
    assert (plan.grade, plan.confirm) == (Grade.UNDOABLE, "1")
    job = two.run(engine, plan)
    assert [one.number for one in engine.generations(ORDERS)] == [2]
    assert len(engine.trash()) == 1
    assert job.undoable
    assert two.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert [(one.number, one.id) for one in engine.generations(ORDERS)] == [(one.number, one.id) for one in before]
    assert not engine.job(job.id).undoable
    with pytest.raises(Blocked, match="undone already"):
        engine.plan_undo(job.id)


def test_deleting_now_is_final_and_asks_for_the_name(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)]), now=True)
    assert (plan.grade, plan.confirm) == (Grade.FINAL, "orders")
    job = two.run(engine, plan)
    assert job.state is JobState.DONE
    assert engine.trash() == []
    assert not job.undoable


def test_a_review_without_policy_deletes_nothing(two: EngineFixture, engine: Engine) -> None:
    review = engine.gc_review([ORDERS, CRM], None)
    assert review.dropped == ()
    assert engine.plan_gc(review).blockers == ("nothing would be collected",)


def test_what_is_imported_is_untrusted_until_somebody_says_so(two: EngineFixture, engine: Engine) -> None:
    first = engine.generations(ORDERS)[-1]
    folder = two.root / "state" / "snapshots" / "sqlite" / "orders" / first.id
    job = two.run(engine, engine.plan_import(CRM, [folder]))
    assert job.state is JobState.DONE, job.message
    imported = engine.generations(CRM)[0]
    world = Machine(two.settings)
    assert made_here(world.store, engine.generations(ORDERS)[0])
    assert not made_here(world.store, imported)
    assert any("not made here" in warning for warning in engine.plan_restore(CRM, imported.number).warnings)
    trusted = engine.plan_mark(CRM, imported.number, Marks(tags=(TRUSTED_TAG,)), "trust it")
    assert two.run(engine, trusted).state is JobState.DONE
    assert made_here(world.store, engine.generations(CRM)[0])


# --- a fileset, whose original is set aside ------------------------------------------------------------------------


def test_a_fileset_goes_there_and_back(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    docs = machine.root / "tree" / "docs"
    (docs / "a").write_text("one")
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    (docs / "a").write_text("two")
    (docs / "b").write_text("new")
    job = machine.run(engine, engine.plan_restore(DOCS, 1))
    assert job.state is JobState.DONE, job.message
    assert {path.name: path.read_text() for path in docs.iterdir()} == {"a": "one"}
    assert machine.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert {path.name: path.read_text() for path in docs.iterdir()} == {"a": "two", "b": "new"}
    assert [path.name for path in (machine.root / "tree").iterdir()] == ["docs"]


# --- a module of Dysnomia's convention -----------------------------------------------------------------------------


def test_any_generation_is_restored_through_a_module(machine: EngineFixture, engine: Engine) -> None:
    for text in ("first", "second", "third"):
        machine.text.write_text(f"{text}\n")
        assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    machine.text.write_text("live\n")
    plan = engine.plan_restore(TEXT, 1)
    assert any("in place" in warning for warning in plan.warnings)
    job = machine.run(engine, plan)
    assert job.state is JobState.DONE, job.message
    assert machine.text.read_text() == "first\n"
    assert machine.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert machine.text.read_text() == "live\n"
    log = [event.data["line"] for event in engine.events(job.id)[0] if event.kind == "log"]
    assert any("activity restore on text" in line for line in log)


def test_a_module_that_fails_half_way_says_where_what_was_live_is(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    machine.text.write_text("live\n")
    plan = engine.plan_restore(TEXT, 1)
    script = machine.root / "modules" / "text-file"
    script.write_text(script.read_text().replace("  restore)", "  restore) echo broken > $dir/live; exit 3;"))
    job = machine.run(engine, plan)
    assert job.state is JobState.FAILED
    assert f"generation {job.details['guard']}" in job.message
    script.write_text(script.read_text().replace("echo broken > $dir/live; exit 3;", ""))
    assert job.undoable
    assert machine.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert machine.text.read_text() == "live\n"


def test_a_modules_markers_are_taken_over(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_activity(TEXT, "activate")).state is JobState.DONE
    marker = machine.root / "state" / "activated" / "module" / "text"
    assert marker.exists()
    assert machine.run(engine, engine.plan_activity(TEXT, "deactivate")).state is JobState.DONE
    assert not marker.exists()
