"""Restores into another container: planned, refused, stale, done and killed, through the engine."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config.model import ComponentSettings
from dysnomia_tui.engine.engine import Engine, RestoreTarget
from dysnomia_tui.engine.errors import Blocked, Stale
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import JobState
from tests.thorough import seldom
from tests.unit.engine.machine import ORDERS, EngineFixture
from tests.waiting import wait_until


def into(name: str = "was", container: str = "staging") -> RestoreTarget:
    return RestoreTarget("copy", name, (), container)


@pytest.fixture
def staging(machine: EngineFixture, engine: Engine) -> Path:
    """The folder of a second container, of which no component is configured; orders has one generation."""
    folder = machine.root / "staging"
    folder.mkdir()
    container = machine.root / "containers" / "staging"
    container.write_text(f"type=sqlite-database\nsqliteDir='{folder}'\n")
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    machine.insert(2)
    return folder


def _rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT id FROM t")]


@pytest.mark.parametrize("name", ["was", "orders"])
def test_a_copy_goes_into_the_other_container_under_both_locks(
    staging: Path, machine: EngineFixture, engine: Engine, name: str
) -> None:
    plan = engine.plan_restore(ORDERS, 1, into(name))
    assert (plan.grade, plan.confirm, plan.blockers, plan.replaces) == (Grade.ADDS, "", (), "")
    assert plan.keys == (ORDERS, ComponentKey("staging", name))
    assert plan.title == f"restore generation 1 of sqlite/orders as {name} in container staging"
    assert f"on the folder {staging}" in plan.steps[0].text
    assert plan.command[-4:] == ("--as", name, "--into", "staging")
    assert [need.where for need in plan.space] == [str(staging)]
    job = machine.run(engine, plan)
    assert (job.state, job.undoable) == (JobState.DONE, False), job.message
    (made,) = staging.iterdir()
    assert made.stem == name
    assert _rows(made) == [1]
    assert machine.rows() == [1, 2]
    again = engine.plan_restore(ORDERS, 1, into(name))
    assert any("exists" in text for text in again.blockers)
    with pytest.raises(Blocked):
        engine.submit(again)
    late = machine.run(engine, plan)
    assert (late.state, "exists" in late.message) == (JobState.STALE, True)
    assert _rows(made) == [1]


def test_a_database_that_a_component_of_that_name_would_have_is_in_the_way(staging: Path, engine: Engine) -> None:
    """``orders`` beside ``orders.db`` would be one component with two files."""
    with closing(sqlite3.connect(staging / "orders.db")) as database:
        database.execute("CREATE TABLE theirs (a)")
    for name in ("orders", "orders.db"):
        assert any("exists" in text for text in engine.plan_restore(ORDERS, 1, into(name)).blockers)
    assert [path.name for path in staging.iterdir()] == ["orders.db"]


def test_what_stands_against_a_target_is_named(staging: Path, machine: EngineFixture, engine: Engine) -> None:
    containers = machine.root / "containers"
    (containers / "again").write_text((containers / "sqlite").read_text())
    (containers / "open").write_text((containers / "staging").read_text())
    (containers / "open").chmod(0o666)
    (containers / "nowhere").write_text(f"type=sqlite-database\nsqliteDir='{machine.root}/nowhere'\n")
    for name, container, words in (
        ("was", "none", "there is no container 'none'"),
        ("was", "files", "container files is of type fileset, and sqlite/orders of type sqlite-database"),
        ("was", "sqlite", "is the container of sqlite/orders itself"),
        ("orders", "again", "the same place as sqlite/orders"),
        ("was", "open", "open"),
        ("was", "nowhere", "nowhere"),
        ("../was", "staging", "'../was'"),
        ("", "staging", "a copy needs a name"),
    ):
        plan = engine.plan_restore(ORDERS, 1, into(name, container))
        assert any(words in text for text in plan.blockers), (container, plan.blockers)
    assert list(staging.iterdir()) == []


def test_a_label_of_the_target_counts(staging: Path, machine: EngineFixture) -> None:
    labelled = machine.engine(components={"staging/*": ComponentSettings(labels=("PROD",))})
    plan = labelled.plan_restore(ORDERS, 1, into())
    assert (plan.grade, plan.confirm) == (Grade.UNDOABLE, "1")
    labelled.close()


def test_a_target_that_is_another_since_it_was_confirmed_makes_the_plan_stale(
    staging: Path, machine: EngineFixture, engine: Engine
) -> None:
    plan = engine.plan_restore(ORDERS, 1, into())
    (machine.root / "other").mkdir()
    container = machine.root / "containers" / "staging"
    container.write_text(f"type=sqlite-database\nsqliteDir='{machine.root}/other'\n")
    with pytest.raises(Stale, match="container staging is configured in another way now"):
        engine.submit(plan)
    assert [*staging.iterdir(), *(machine.root / "other").iterdir()] == []


@pytest.mark.parametrize("gone", seldom([False, True], False), ids=["the target is there", "its configuration is gone"])
def test_a_killed_copy_is_swept_and_never_keeps_anybody_from_the_original(
    staging: Path, machine: EngineFixture, engine: Engine, gone: bool
) -> None:
    machine.execute("WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i+1 FROM n WHERE i<200000) "
                    "INSERT INTO t SELECT i, hex(randomblob(40)) FROM n")  # fmt: skip
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    job = engine.submit(engine.plan_restore(ORDERS, 2, into()))
    wait_until(lambda: list(staging.iterdir()))
    os.kill(machine.worker_pid(job.id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job.id).held)
    assert engine.job(job.id).state is JobState.INTERRUPTED
    container = machine.root / "containers" / "staging"
    said = container.read_text()
    if gone:
        container.unlink()
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    for recovery in engine.recover():
        ended = machine.end(engine, recovery.id)
        assert ended.state is (JobState.FAILED if gone else JobState.DONE), ended.message
    if gone:
        container.write_text(said)
        assert all(machine.end(engine, one.id).state is JobState.DONE for one in engine.recover())
    assert list(staging.iterdir()) == []
