"""What plans say before anything runs: what stands in the way, how dangerous it is, the command that does the same."""

from __future__ import annotations

import argparse

import pytest

from dysnomia_plugins.base import Finding, Found, Preflight, Severity
from dysnomia_store.model import CheckResult, Marks
from dysnomia_store.records.retention import Policy
from dysnomia_tui.engine.engine import Engine, RestoreTarget
from dysnomia_tui.engine.errors import Blocked, Exit, ReadOnly
from dysnomia_tui.engine.operations.preflights import as_step
from dysnomia_tui.engine.plans.plan import Grade, Plan
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, DOCS, ORDERS, TEXT, EngineFixture

WHERE = ("-c", "orders", "-C", "sqlite")


@pytest.fixture
def two(machine: EngineFixture, engine: Engine) -> EngineFixture:
    """Generation 1 holds row 1, generation 2 rows 1 and 2, and row 3 is written since."""
    for number in (2, 3):
        assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
        machine.insert(number)
    return machine


# --- what stands in the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("evil/../x", "/", Exit.USAGE),
        ("", "a copy needs a name", Exit.USAGE),
        (".hidden", "", Exit.USAGE),
        ("orders", "orders is the live state", Exit.USAGE),
        ("crm", "already exists", Exit.REFUSED),
    ],
)
def test_a_name_that_cannot_be_is_said_by_the_plan(
    two: EngineFixture, engine: Engine, name: str, said: str, code: Exit
) -> None:
    plan = engine.plan_restore(ORDERS, 1, RestoreTarget("copy", name))
    assert plan.blockers
    assert said in " ".join(plan.blockers)
    with pytest.raises(Blocked) as caught:
        engine.submit(plan)
    assert caught.value.exit is code


def test_a_section_that_is_not_there_is_said_by_the_plan(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "part", ("table:t", "table:none", "view:v")))
    assert plan.blockers == ("generation 1 holds no table none, view v",)
    assert plan.params["blocked"] == Exit.NOT_FOUND
    assert engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "part", ("table:t",))).blockers == ()


def test_what_is_active_is_not_collected(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    plan = engine.plan_activity(DOCS, "collect-garbage")
    assert plan.blockers == ("files/docs is active: deactivate it first",)
    again = engine.plan_activity(DOCS, "activate")
    assert (again.blockers, again.warnings) == ((), ("files/docs is active already",))
    assert machine.run(engine, engine.plan_activity(DOCS, "deactivate")).state is JobState.DONE
    plan = engine.plan_activity(DOCS, "collect-garbage")
    assert (plan.blockers, plan.grade, plan.confirm) == ((), Grade.FINAL, "docs")


def test_a_shell_is_not_opened_where_nothing_may_be_changed(machine: EngineFixture, engine: Engine) -> None:
    argv, _ = engine.shell(ORDERS)
    assert argv
    with pytest.raises(ReadOnly, match="no shell on sqlite/orders"):
        machine.engine(read_only=True).shell(ORDERS)


# --- undo ----------------------------------------------------------------------------------------------------------


def test_a_restore_says_that_it_takes_away_what_was_written_since(two: EngineFixture, engine: Engine) -> None:
    plan = engine.plan_restore(ORDERS, 1)
    (since,) = (step.text for step in plan.steps if "written since" in step.text)
    assert since.startswith("what was written since generation 1 (20")
    assert since.endswith(" UTC) would be in the guard only: compare 1 with what is live to see it")
    assert "replace what is live of sqlite/orders (about 8.0K)" in f"replace {plan.replaces}"
    copy = engine.plan_restore(ORDERS, 1, RestoreTarget("copy", "another"))
    assert not any("written since" in step.text for step in copy.steps)
    (two.root / "data" / "orders.db").unlink()
    assert not any("written since" in step.text for step in engine.plan_restore(ORDERS, 1).steps)


def test_an_undo_says_what_it_goes_back_to_and_what_was_written_since(two: EngineFixture, engine: Engine) -> None:
    two.execute(f"INSERT INTO t VALUES (4, '{'x' * 20_000}')", ORDERS)
    restore = two.run(engine, engine.plan_restore(ORDERS, 1))
    plan = engine.plan_undo(restore.id)
    made = next(one["number"] for one in restore.details["generations"])
    assert {name: plan.params[name] for name in ("of", "key", "restored", "guard")} == {
        "of": "restore", "key": "sqlite/orders", "restored": made, "guard": restore.details["guard"],
    }  # fmt: skip
    assert (plan.blockers, plan.confirm) == ((), str(restore.details["guard"]))
    assert plan.space
    assert plan.command == ("dysnomia-tui", "undo", restore.id)
    text = " ".join(plan.warnings)
    assert f"compare generation {made} with what is live" in text
    held = {one.number: one.metadata.content_size for one in engine.generations(ORDERS) if one.metadata}
    assert f"live holds {held[made]:,} bytes, the guard {held[restore.details['guard']]:,}" in text
    assert held[made] < held[restore.details["guard"]]
    other = two.run(engine, engine.plan_restore(ORDERS, 2))
    assert f"it was restored again since (job {other.id})" in " ".join(engine.plan_undo(restore.id).warnings)


def test_an_undo_whose_guard_is_damaged_is_blocked_by_its_plan(two: EngineFixture, engine: Engine) -> None:
    restore = two.run(engine, engine.plan_restore(ORDERS, 1))
    guard = next(one for one in engine.generations(ORDERS) if one.number == restore.details["guard"])
    folder = two.root / "state" / "snapshots" / "sqlite" / "orders" / guard.id
    path = next(folder.iterdir())
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:40])
    plan = engine.plan_undo(restore.id)
    assert "damaged" in " ".join(plan.blockers)
    with pytest.raises(Blocked):
        engine.submit(plan)


# --- grades --------------------------------------------------------------------------------------------------------


def test_prod_raises_every_grade_but_reading(two: EngineFixture, engine: Engine) -> None:
    prod = two.engine(labels=("PROD",))
    job = two.run(engine, engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)])))
    found = Found("sqlite-database", "other", "wiki", {"sqliteDir": f"{two.root}/data"})
    folder = two.root / "tree"

    def plans(one: Engine) -> dict[str, Plan]:
        return {
            "snapshot": one.plan_snapshot([ORDERS, CRM]),
            "check": one.plan_check(ORDERS, [2]),
            "verify": one.plan_verify(ORDERS, 2),
            "mark": one.plan_mark(ORDERS, 2, Marks(note="x")),
            "import": one.plan_import(ORDERS, [folder]),
            "adopt": one.plan_adopt(found),
            "undo": one.plan_undo(job.id),
            "bring back": one.plan_bring_back([entry.name for entry in one.trash()]),
            "copy": one.plan_restore(ORDERS, 2, RestoreTarget("copy", "c")),
            "activate": one.plan_activity(ORDERS, "activate"),
        }

    plain, labelled = plans(engine), plans(prod)
    assert {name: plan.grade for name, plan in plain.items()} == dict.fromkeys(plain, Grade.ADDS)
    assert {name: plan.grade for name, plan in labelled.items()} == dict.fromkeys(plain, Grade.UNDOABLE)
    assert {name: plan.confirm for name, plan in plain.items()} == dict.fromkeys(plain, "")
    assert {name: plan.confirm for name, plan in labelled.items()} == {
        "snapshot": "2", "check": "2", "verify": "2", "mark": "2", "import": "1", "adopt": "wiki", "undo": "1",
        "bring back": "1", "copy": "2", "activate": "orders",
    }  # fmt: skip
    assert prod.plan_gc(prod.gc_review([ORDERS], None, drop=[(ORDERS, 2)])).grade in (Grade.FINAL, Grade.UNDOABLE)
    assert prod.plan_restore(ORDERS, 2).grade is Grade.FINAL


def test_what_is_dangerous_is_final_whatever_the_target_and_guarded_all_the_same(
    two: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "its statements could run programs on the server"
    monkeypatch.setattr(probes, "preflight", lambda *_, **__: Preflight(findings=(Finding(Severity.DANGEROUS, text),)))
    for plan in (
        engine.plan_restore(ORDERS, 1),
        engine.plan_restore(ORDERS, 1, RestoreTarget("copy", "was")),
        engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "was", ("table:t",))),
        engine.plan_verify(ORDERS, 1),
    ):
        assert (plan.grade, plan.confirm) == (Grade.FINAL, "orders"), plan.title
        assert text in plan.warnings
    steps = " ".join(step.text for step in engine.plan_restore(ORDERS, 1).steps)
    assert "the guard would become a generation" in steps
    monkeypatch.setattr(
        probes, "preflight", lambda *_, **__: Preflight(findings=(Finding(Severity.IRREVERSIBLE, "no guard"),))
    )
    plain = engine.plan_restore(ORDERS, 1)
    assert plain.grade is Grade.FINAL
    assert "no guard would be made" in " ".join(step.text for step in plain.steps)


def test_only_what_is_dangerous_in_the_content_asks_a_command_for_more(
    two: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the words are: what a module does in place is graded, and its restore is as Dysnomia has it."""
    in_place = Finding(Severity.DANGEROUS, "said in other words", in_place=True)
    content = Finding(Severity.DANGEROUS, "its statements could run programs")
    for findings, asks in (((in_place,), False), ((content,), True), ((in_place, content), True)):
        monkeypatch.setattr(probes, "preflight", lambda *_, said=findings, **__: Preflight(findings=said))
        plan = engine.plan_restore(ORDERS, 1)
        assert plan.grade is Grade.FINAL
        assert plan.params["dangerous"] is asks
        assert ("--yes-untrusted" in plan.command) is asks


# --- words ---------------------------------------------------------------------------------------------------------


def test_steps_say_would_in_small_letters(two: EngineFixture, engine: Engine) -> None:
    restore = engine.plan_restore(ORDERS, 1)
    review = engine.gc_review([ORDERS], Policy(last=1))
    for plan in (restore, engine.plan_gc(review), engine.plan_gc(review, now=True), engine.plan_snapshot([ORDERS])):
        for step in plan.steps:
            assert "would" in step.text, step
            assert not step.text.endswith("."), step
            assert not step.text[0].isupper(), step
    assert engine.plan_gc(review).replaces == ""
    assert as_step("The folder would go.") == "the folder would go"
    assert as_step("A file would go.") == "a file would go"
    assert as_step("SQL would run") == "SQL would run"
    assert engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "p", ("table:t",))).title == (
        "restore 1 section of generation 1 of sqlite/orders as p"
    )


def test_plans_name_the_command_that_does_the_same(two: EngineFixture, engine: Engine) -> None:
    target = RestoreTarget("sections", "part", ("table:t",))
    assert engine.plan_restore(ORDERS, 1, target).command == (
        "dysnomia", "-o", "restore", *WHERE, "--generation", "1", "--as", "part", "--section", "table:t",
    )  # fmt: skip
    assert engine.plan_verify(ORDERS, 1).command == ("dysnomia", "-o", "verify", *WHERE, "--generation", "1")
    assert engine.plan_check(ORDERS, [1]).command == ("dysnomia", "-o", "check", *WHERE, "--generation", "1")
    assert engine.plan_check(ORDERS, [1, 2]).command[:3] == ("dysnomia-snapshots", "--query-all", "--check")
    kept = engine.plan_gc(engine.gc_review([ORDERS], Policy(last=1)), text="full")
    assert kept.command == (
        "dysnomia-snapshots", "--gc", "--keep", "1", "-C", "sqlite", "-c", "orders", "--trash", "--reason", "full",
    )  # fmt: skip
    picked = engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)]), now=True)
    assert picked.command[2:4] == ("--keep", "1")
    assert picked.command[-1] == "--now"
    two.run(engine, engine.plan_snapshot([ORDERS]))
    middle = engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 2)]))
    assert middle.command == ()
    job = two.run(engine, kept if not kept.depends else engine.plan_gc(engine.gc_review([ORDERS], Policy(last=1))))
    names = [entry.name for entry in engine.trash() if job.state is JobState.DONE]
    if names:
        assert engine.plan_bring_back(names).command == ("dysnomia-tui", "undo", job.id)


def test_the_commands_that_plans_name_are_understood(two: EngineFixture, engine: Engine) -> None:
    from dysnomia_tui.cli import dysnomia
    from dysnomia_tui.cli.snapshots import command as snapshots
    from dysnomia_tui.cli.tui import command as tui

    parsers: dict[str, argparse.ArgumentParser] = {
        "dysnomia": dysnomia.parser(), "dysnomia-snapshots": snapshots.parser(), "dysnomia-tui": tui.parser(),
    }  # fmt: skip
    restore = two.run(engine, engine.plan_restore(ORDERS, 1))
    for plan in (
        engine.plan_snapshot([ORDERS], text="x"),
        engine.plan_restore(ORDERS, 1, RestoreTarget("sections", "part", ("table:t",)), text="x"),
        engine.plan_verify(ORDERS, 1),
        engine.plan_check(ORDERS, [1]),
        engine.plan_gc(engine.gc_review([ORDERS], Policy(last=1)), now=True, text="x"),
        engine.plan_undo(restore.id),
        engine.plan_trust(ORDERS, 1),
        engine.plan_trust(ORDERS, 1, trusted=False),
    ):
        assert plan.command, plan.title
        parsers[plan.command[0]].parse_args(plan.command[1:])


# --- what a restore proves -----------------------------------------------------------------------------------------


def test_a_load_whose_bytes_were_verified_counts_as_a_check(two: EngineFixture, engine: Engine) -> None:
    first = engine.generations(ORDERS)[-1]
    path = next((two.root / "state" / "snapshots" / "sqlite" / "orders" / first.id).iterdir())
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert two.run(engine, engine.plan_check(ORDERS, [1])).state is JobState.FAILED
    path.write_bytes(good)
    assert two.run(engine, engine.plan_restore(ORDERS, 1, RestoreTarget("copy", "was"))).state is JobState.DONE
    check = engine.generations(ORDERS)[-1].last_check
    assert check is not None
    assert (check.result, check.how) == (CheckResult.OK, "bytes")


def test_a_module_that_restores_proves_nothing(machine: EngineFixture, engine: Engine) -> None:
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE
    assert machine.run(engine, engine.plan_restore(TEXT, 1)).state is JobState.DONE
    assert engine.generations(TEXT)[-1].last_check is None
