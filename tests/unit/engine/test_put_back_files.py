"""Files of a generation put back into live, through the engine: exactly these, and back again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from dysnomia_store.model import Reason
from dysnomia_tui.engine import RowsAsked
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.plans.plan import Grade, Plan
from dysnomia_tui.engine.records import JobState, Level
from tests.unit.engine.machine import DOCS, EngineFixture


def asked(*names: str) -> list[RowsAsked]:
    return [RowsAsked(name, ((),)) for name in names]


def lines(plan: Plan) -> list[str]:
    return [step.text.partition(", content")[0] for step in plan.steps if step.text[:2] in ("+ ", "- ", "~ ")]


@pytest.fixture
def docs(machine: EngineFixture) -> Path:
    return machine.root / "tree" / "docs"


@pytest.fixture
def lost(machine: EngineFixture, engine: Engine, docs: Path) -> EngineFixture:
    """Generation 1 holds a file, a folder of two, and one more; since then two went, one was changed, and one came."""
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    (docs / "sub").mkdir()
    for name in ("file", "other", "sub/a", "sub/b"):
        (docs / name).write_text("then")
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    shutil.rmtree(docs / "sub")
    (docs / "file").write_text("now")
    (docs / "other").write_text("now")
    (docs / "new").write_text("new")
    return machine


def test_what_a_snapshot_lacks_is_said_with_its_number(
    machine: EngineFixture, engine: Engine, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket is the least of it: so is said that a folder of the set is not there, or that files were written."""
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    monkeypatch.chdir(docs)  # the path of a socket is short
    for number in range(5):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(number))
    made = machine.run(engine, engine.plan_snapshot([DOCS]))
    texts = [f"docs/{number} is a socket, which cannot be stored" for number in range(5)]
    assert made.details["warnings"] == texts
    assert made.message == "; ".join(("generation 1", *texts[:3], "and 2 more warnings: see the job's log"))
    again = machine.run(engine, engine.plan_snapshot([DOCS]))
    assert texts[0] in again.message, "it is as true of what is unchanged"


def test_a_folder_of_a_set_that_was_away_is_no_secret(machine: EngineFixture, engine: Engine, docs: Path) -> None:
    """A disk that is not mounted: each snapshot since succeeds, is no good one, and a restore of one says what goes."""
    spec = machine.root / "components" / "files" / "docs" / ".dysnomia-fileset"
    spec.write_text("mkdir docs\nmkdir ups\n")
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    (docs / "file").write_text("then")
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    ups = docs.parent / "ups"
    ups.rmdir()
    made = machine.run(engine, engine.plan_snapshot([DOCS]))
    assert made.message == "generation 2; ups is not there"
    one = next(one for one in engine.report().components if one.key == DOCS)
    assert (one.newest_good, one.level) == (1, Level.CRITICAL)
    assert one.problem == "generation 2 is suspicious: it lacks ups: not there when it was made"
    ups.mkdir()
    words = f"{ups} would be set aside, with nothing in its place: it was not there when this was snapshotted"
    plan = engine.plan_restore(DOCS, 2)
    assert words in plan.warnings
    assert words not in engine.plan_restore(DOCS, 1).warnings
    assert machine.run(engine, plan).state is JobState.DONE
    assert not ups.exists()
    again = next(one for one in engine.report().components if one.key == DOCS)
    assert (again.newest_good, again.level) == (3, Level.CRITICAL), "3 is the guard, which has it"


def test_what_was_said_of_a_snapshot_is_said_where_it_is_restored(
    machine: EngineFixture, engine: Engine, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    monkeypatch.chdir(docs)
    for number in range(12):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(number))
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    told = engine.plan_restore(DOCS, 1).warnings
    assert "when it was made: docs/0 is a socket, which cannot be stored" in told
    assert "when it was made: and 2 more" in told
    one = next(one for one in engine.report().components if one.key == DOCS)
    assert one.level is Level.OK


def held(docs: Path) -> dict[str, str]:
    return {str(one.relative_to(docs)): one.read_text() for one in sorted(docs.rglob("*")) if one.is_file()}


def test_each_file_is_as_the_generation_has_it_and_undo_takes_exactly_these_back(
    lost: EngineFixture, engine: Engine, docs: Path
) -> None:
    before = held(docs)
    plan = engine.plan_put_back(DOCS, 1, asked("file:docs/file", "folder:docs/sub", "file:docs/new"))
    assert (plan.grade, plan.confirm, plan.blockers, plan.warnings) == (Grade.UNDOABLE, "5", (), ())
    assert plan.title == "put 5 files of generation 1 back into files/docs"
    assert "3 created, 1 replaced or changed, 1 removed" in plan.steps[0].text
    assert [line[:20] for line in lines(plan)] == [
        "~ file docs/file: si", "+ folder docs/sub: o", "+ file docs/sub/a: s", "+ file docs/sub/b: s",
        "- file docs/new: siz",
    ]  # fmt: skip
    assert lines(plan)[0].startswith("~ file docs/file: size 3 -> 4; content ")
    assert plan.command == (
        "dysnomia", "-o", "put-back", "-c", "docs", "-C", "files", "--generation", "1", "--section", "file:docs/file",
        "--section", "folder:docs/sub", "--section", "file:docs/new",
    )  # fmt: skip
    assert held(docs) == before, "a plan changes nothing"
    job = lost.run(engine, plan)
    assert (job.state, job.undoable) == (JobState.DONE, True), job.message
    assert job.message.startswith("5 files of generation 1 in live again; guard ")
    assert held(docs) == {"file": "then", "other": "now", "sub/a": "then", "sub/b": "then"}
    (guard, _) = engine.generations(DOCS)
    assert (guard.reason, [pin.held_by for pin in guard.marks.pins]) == (Reason.GUARD, [job.id])
    (docs / "since").write_text("since")
    (docs / "sub" / "b").write_text("paid since")
    undo = engine.plan_undo(job.id)
    assert any(one.startswith("left as it is: file docs/sub/b was changed since, to size 10") for one in undo.warnings)
    assert any("docs/sub is a folder in live now, and docs/sub/b in it would go" in one for one in undo.warnings)
    done = lost.run(engine, undo)
    assert (done.state, done.details["exit"]) == (JobState.PARTLY, 3), "not all is as it was"
    assert done.message.endswith("left as the plan named it: 2 files")
    assert held(docs) == {**before, "since": "since", "sub/b": "paid since"}


def test_what_was_removed_from_live_does_not_stay_beside_it(lost: EngineFixture, engine: Engine, docs: Path) -> None:
    """Where a job only removes, as the undo of one that only created: in a document root it would be served."""
    assert lost.run(engine, engine.plan_put_back(DOCS, 1, asked("file:docs/new"))).state is JobState.DONE
    assert held(docs) == {"file": "now", "other": "now"}
    assert [path.name for path in docs.parent.iterdir()] == ["docs"]
    back = lost.run(engine, engine.plan_put_back(DOCS, 1, [RowsAsked("folder:docs", lacking=True)]))
    assert lost.run(engine, engine.plan_undo(back.id)).state is JobState.DONE
    assert held(docs) == {"file": "now", "other": "now"}
    assert [path.name for path in docs.parent.iterdir()] == ["docs"]


def test_what_changes_between_plan_and_job_is_left_and_named(lost: EngineFixture, engine: Engine, docs: Path) -> None:
    plan = engine.plan_put_back(DOCS, 1, asked("file:docs/file", "file:docs/other"))
    (docs / "file").write_text("of another")
    job = lost.run(engine, plan)
    assert (job.state, job.details["rows_left"]) == (JobState.PARTLY, ["file docs/file"])
    assert held(docs) == {"file": "of another", "new": "new", "other": "then"}


def test_all_that_live_lacks_and_nothing_to_do(lost: EngineFixture, engine: Engine, docs: Path) -> None:
    plan = engine.plan_put_back(DOCS, 1, [RowsAsked("folder:docs", lacking=True)])
    assert lost.run(engine, plan).state is JobState.DONE
    assert held(docs) == {"file": "now", "new": "new", "other": "now", "sub/a": "then", "sub/b": "then"}
    again = engine.plan_put_back(DOCS, 1, asked("folder:docs/sub"))
    assert again.title == "put 1 file of generation 1 back into files/docs", "what was asked for, not 0 files"
    (blocker,) = again.blockers
    assert blocker.startswith("there is nothing to put back: live holds what generation 1 has; of a folder that both")
    (blocker,) = engine.plan_put_back(DOCS, 1, asked("file:docs/none")).blockers
    assert "neither the generation nor live has docs/none" in blocker
    (blocker,) = engine.plan_put_back(DOCS, 1, asked("file:docs/a\\nb")).blockers
    assert "bash takes it as $'docs/a\\nb'" in blocker
    for name in ("folder:docs/none", "folder:none", "none"):
        unknown = engine.plan_put_back(DOCS, 1, [RowsAsked(name, lacking=True)])
        assert unknown.blockers == (f"the generation holds no section {name}: see the list of its sections",)
        assert unknown.title == "put what live lacks of generation 1 back into files/docs"
        assert unknown.params["blocked"] == Exit.NOT_FOUND


def test_what_could_not_be_removed_is_an_alarm_and_tried_again(
    machine: EngineFixture, engine: Engine, docs: Path
) -> None:
    """A file that somebody made immutable: what was live before stays beside live, in a document root it is served."""
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    fixed = docs / "fixed"
    fixed.write_text("then")
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode:
        pytest.skip("needs a file system with immutable files")
    job = machine.run(engine, engine.plan_restore(DOCS, 1))
    (aside,) = docs.parent.glob(".dysnomia-*")
    try:
        words = f"still stands at {aside}"
        for _ in range(2):  # the next job on the component tries in vain
            assert [words in text for text in engine.report().alarms if text.startswith(f"job {job.id}: ")] == [True]
            assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    finally:
        subprocess.run(["chattr", "-R", "-i", aside], capture_output=True, check=False)
    assert machine.run(engine, engine.plan_snapshot([DOCS])).state is JobState.DONE
    assert not aside.exists()
    assert not any(text.startswith(f"job {job.id}: ") for text in engine.report().alarms)
