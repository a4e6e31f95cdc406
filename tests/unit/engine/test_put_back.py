"""Rows of a generation put back into live, through the engine: exactly these rows, and back again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from dysnomia_store.model import Reason
from dysnomia_tui.engine import WAS_GONE, RowsAsked
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Blocked
from dysnomia_tui.engine.plans.plan import Grade, Plan
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import DOCS, ORDERS, TEXT, EngineFixture

T = "table:t"


def held(machine: EngineFixture) -> dict[int, str]:
    with closing(sqlite3.connect(machine.root / "data" / "orders.db", timeout=60)) as database:
        return dict(database.execute("SELECT id, text FROM t").fetchall())


def asked(*keys: int, seen: str = "") -> list[RowsAsked]:
    return [RowsAsked(T, tuple((str(key),) for key in keys), (seen,) * len(keys) if seen else ())]


def lines(plan: Plan) -> list[str]:
    return [step.text for step in plan.steps if step.text[:2] in ("+ ", "- ", "~ ")]


@pytest.fixture
def lost(machine: EngineFixture, engine: Engine) -> EngineFixture:
    """Generation 1 holds rows 1 to 5; since then 2 and 3 went, 4 was changed, and 6 came."""
    for number in (2, 3, 4, 5):
        machine.insert(number)
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.execute("DELETE FROM t WHERE id IN (2, 3)")
    machine.execute("UPDATE t SET text = 'changed' WHERE id = 4")
    machine.insert(6)
    return machine


def test_each_row_is_as_the_generation_has_it_and_nothing_else_changes(lost: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_put_back(ORDERS, 1, asked(2, 4, 6))
    assert (plan.grade, plan.confirm, plan.blockers, plan.warnings) == (Grade.UNDOABLE, "3", (), ())
    assert lines(plan) == [
        "+ 2 | row 2 (live has no row 2)",
        "~ 4: text changed -> row 4",
        "- 6 | row 6 (live has it: it would be deleted)",
    ]
    assert held(lost) == {1: "row 1", 4: "changed", 5: "row 5", 6: "row 6"}, "a plan changes nothing"
    job = lost.run(engine, plan)
    assert (job.state, job.undoable) == (JobState.DONE, True), job.message
    assert held(lost) == {1: "row 1", 2: "row 2", 4: "row 4", 5: "row 5"}
    (guard, _) = engine.generations(ORDERS)
    assert (guard.reason, guard.number) == (Reason.GUARD, job.details["guard"])
    assert [pin.held_by for pin in guard.marks.pins] == [job.id]


def test_undo_takes_exactly_these_rows_back_and_can_be_undone(lost: EngineFixture, engine: Engine) -> None:
    before = held(lost)
    job = lost.run(engine, engine.plan_put_back(ORDERS, 1, asked(2, 4, 6)))
    lost.insert(7)
    undo = lost.run(engine, engine.plan_undo(job.id))
    assert undo.state is JobState.DONE, undo.message
    assert held(lost) == {**before, 7: "row 7"}, "what was written since stays"
    assert engine.job(job.id).undoable is False
    again = lost.run(engine, engine.plan_undo(undo.id))
    assert again.state is JobState.DONE, again.message
    assert held(lost) == {1: "row 1", 2: "row 2", 4: "row 4", 5: "row 5", 7: "row 7"}
    with pytest.raises(Blocked, match="undone already"):
        engine.plan_undo(job.id)


def test_an_undo_leaves_what_was_changed_since(lost: EngineFixture, engine: Engine) -> None:
    job = lost.run(engine, engine.plan_put_back(ORDERS, 1, asked(2, 3)))
    lost.execute("UPDATE t SET text = 'paid since' WHERE id = 2")
    plan = engine.plan_undo(job.id)
    assert lines(plan) == ["- 3 | row 3 (live has it: it would be deleted)"]
    assert plan.warnings == ("left as it is: 2 of table t was changed since, to 2 | paid since",)
    lost.run(engine, plan)
    assert held(lost) == {1: "row 1", 2: "paid since", 4: "changed", 5: "row 5", 6: "row 6"}


def test_a_row_that_changes_between_plan_and_job_is_left_and_named(lost: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_put_back(ORDERS, 1, asked(2, 3, 4))
    lost.execute("INSERT INTO t VALUES (3, 'of another customer')")
    lost.execute("DELETE FROM t WHERE id = 4")
    job = lost.run(engine, plan)
    assert (job.state, job.details["rows_left"]) == (JobState.PARTLY, ["table t 3", "table t 4"])
    assert "left as they were, for they changed since the plan: table t 3, table t 4" in job.message
    assert held(lost) == {1: "row 1", 2: "row 2", 3: "of another customer", 5: "row 5", 6: "row 6"}
    undo = lost.run(engine, engine.plan_undo(job.id))
    assert (undo.state, held(lost)[3]) == (JobState.DONE, "of another customer")


def test_a_value_that_is_taken_between_plan_and_job_leaves_its_row_and_no_other(
    lost: EngineFixture, engine: Engine
) -> None:
    lost.execute("CREATE UNIQUE INDEX texts ON t (text)")
    plan = engine.plan_put_back(ORDERS, 1, asked(2, 3, 4))
    lost.execute("INSERT INTO t VALUES (9, 'row 3')")
    lost.execute("UPDATE t SET text = 'paid' WHERE id = 4")
    job = lost.run(engine, plan)
    assert (job.state, job.details["rows_left"]) == (JobState.PARTLY, ["table t 4", "table t 3"])
    assert job.message.endswith(
        "; left as they were, for they changed since the plan: table t 4"
        "; left as they were, for what came to live since the plan: text of 3 of table t is in use by the row 9"
    )
    assert held(lost) == {1: "row 1", 2: "row 2", 4: "paid", 5: "row 5", 6: "row 6", 9: "row 3"}
    assert lost.run(engine, engine.plan_undo(job.id)).state is JobState.DONE
    assert held(lost) == {1: "row 1", 4: "paid", 5: "row 5", 6: "row 6", 9: "row 3"}


def test_all_that_live_lacks(lost: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_put_back(ORDERS, 1, [RowsAsked("t", lacking=True)])
    assert len(lines(plan)) == 2
    assert lost.run(engine, plan).state is JobState.DONE
    assert held(lost) == {1: "row 1", 2: "row 2", 3: "row 3", 4: "changed", 5: "row 5", 6: "row 6"}
    nothing = engine.plan_put_back(ORDERS, 1, [RowsAsked("t", lacking=True)])
    assert nothing.blockers == ("there is nothing to put back: live holds what generation 1 has",)


def test_a_key_that_is_used_again_is_named_and_left(lost: EngineFixture, engine: Engine) -> None:
    """Whoever marked row 2 saw that it is gone; by now another row has its key."""
    lost.execute("INSERT INTO t VALUES (2, 'new customer')")
    plan = engine.plan_put_back(ORDERS, 1, asked(2, 3, seen=WAS_GONE))
    assert plan.warnings == ("left as it is: the key 2 of table t is used again, by the row 2 | new customer",)
    assert lines(plan) == ["+ 3 | row 3 (live has no row 3)"]
    job = lost.run(engine, plan)
    assert (job.state, job.details["exit"]) == (JobState.PARTLY, 3), "a script learns that not all is back"
    assert job.message.endswith("; left as the plan named it: 1 row")
    assert engine.plan_put_back(ORDERS, 1, asked(2, seen=WAS_GONE)).blockers == (
        "no row is left that can be put back: the key 2 of table t is used again, by the row 2 | new customer",
    )


def test_what_cannot_be_is_said_in_the_plan(lost: EngineFixture, engine: Engine) -> None:
    wrong = {
        "no section none": [RowsAsked("none", (("1",),))],
        "schema main has no rows with a key of that form": [RowsAsked("schema:main", (("x",),))],
        "table t has no rows with a key of that form": [RowsAsked(T, (("1", "2"),))],
    }
    for words, rows in wrong.items():
        (blocker,) = engine.plan_put_back(ORDERS, 1, rows).blockers
        assert words in blocker
    unknown = engine.plan_put_back(ORDERS, 1, asked(2, 99))
    assert unknown.warnings == ("neither the generation nor live has 99",)
    for key, words in ((TEXT, "has no rows that could be put back"), (DOCS, "x is a file, which is put back whole")):
        assert lost.run(engine, engine.plan_activity(key, "activate")).state is JobState.DONE
        assert lost.run(engine, engine.plan_snapshot([key])).state is JobState.DONE
        (blocker,) = engine.plan_put_back(key, 1, [RowsAsked("x", (("1",),))]).blockers
        assert words in blocker
    (blocker,) = engine.plan_put_back(ORDERS, 1, [RowsAsked(T, ((),))]).blockers
    assert blocker == "no rows of table t specified: name them (--row), or mark them: a key of it is id"


def test_another_snapshot_or_file_than_planned_is_refused(lost: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_put_back(ORDERS, 1, asked(2))
    live = lost.root / "data" / "orders.db"
    live.rename(live.with_suffix(".was"))
    live.write_bytes(live.with_suffix(".was").read_bytes())
    job = lost.run(engine, plan)
    assert (job.state, "was replaced since" in job.message) == (JobState.STALE, True)
    assert 2 not in held(lost)
