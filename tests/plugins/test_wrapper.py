"""Snapshots that Dysnomia's own ``wrapper`` made, restored through the type ``wrapper``."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_store.model import Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import EngineFixture, make_machine

FIXTURE = Path(__file__).parents[1] / "fixtures" / "upstream-store.tar.gz"
APP = ComponentKey("wrapper", "app")
WRAPPER = """#!/bin/bash
# A component's own module: its state is the files in $dataDir, a snapshot is a folder of them called by their hash.
set -e
echo "$1 $(umask)" >> "$dataDir/../umasks"
snapshots=$DYSNOMIA_STATEDIR/snapshots/$2/app
generations=$DYSNOMIA_STATEDIR/generations/$2/app
case "$1" in
  activate|deactivate) ;;
  snapshot) id=$(cat "$dataDir"/* | sha256sum | cut -c1-64); mkdir -p "$snapshots/$id" "$generations"
    cp "$dataDir"/* "$snapshots/$id/"; ln -s "../../../snapshots/$2/app/$id" "$generations/1" ;;
  restore) ls "$generations" > "$dataDir/../seen"
    rm -f "$dataDir"/*; cp "$generations/$(cat "$dataDir/../seen")"/* "$dataDir/" ;;
esac
"""


@pytest.fixture
def machine() -> Iterator[EngineFixture]:
    root = Path(tempfile.mkdtemp(prefix="dysnomia-wrapper-"))
    machine = make_machine(root)
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(root, filter="data")
    (root / "app" / "data").mkdir(parents=True)
    (root / "containers" / "wrapper").write_text(f"type=wrapper\ndataDir='{root}/app/data'\n")
    program = root / "components" / "wrapper" / "app" / "bin" / "wrapper"
    program.parent.mkdir(parents=True)
    program.write_text(WRAPPER)
    program.chmod(0o755)
    (root / "app" / "data" / "state").write_text("live\n")
    yield machine
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def engine(machine: EngineFixture) -> Iterator[Engine]:
    engine = machine.engine()
    yield engine
    engine.close()


def state(machine: EngineFixture) -> dict[str, str]:
    return {path.name: path.read_text() for path in (machine.root / "app" / "data").iterdir()}


@pytest.mark.parametrize(("number", "text"), [(1, "3\n"), (2, "4\n"), (3, "5\n")])
def test_any_generation_that_dysnomia_made_is_restored_and_undone(
    machine: EngineFixture, engine: Engine, number: int, text: str
) -> None:
    assert [one.number for one in engine.generations(APP)] == [3, 2, 1]
    done = machine.run(engine, engine.plan_restore(APP, number))
    assert done.state is JobState.DONE, done.message
    assert state(machine) == {"a.txt": "aa\n", "b.txt": "extra\n", "state": text}
    assert (machine.root / "app" / "seen").read_text() == "1\n", "the only generation it was given"
    newest, guard, *before = engine.generations(APP)
    assert (newest.reason, newest.restored, guard.reason) == (Reason.RESTORE, number, Reason.GUARD)
    assert newest.id == next(one.id for one in before if one.number == number)
    undone = machine.run(engine, engine.plan_undo(done.id))
    assert undone.state is JobState.DONE, undone.message
    assert state(machine) == {"state": "live\n"}


def test_it_makes_files_as_by_hand_and_not_as_a_job_does(machine: EngineFixture, engine: Engine) -> None:
    """What it restores, and what its daemon writes, is read by other users; a snapshot is nobody else's."""
    done = machine.run(engine, engine.plan_activity(APP, "activate"))
    restored = machine.run(engine, engine.plan_restore(APP, 1))
    assert (done.state, restored.state) == (JobState.DONE, JobState.DONE), restored.message
    told = (machine.root / "app" / "umasks").read_text().split("\n")
    assert "activate 0022" in told
    assert "restore 0022" in told
    assert {line for line in told if line.startswith("snapshot")} == {"snapshot 0077"}
