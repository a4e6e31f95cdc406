"""A bash module killed in mid-restore: live may be half of it, and that is said until it is whole again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from dysnomia_store.model import Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState, JobView
from tests.unit.engine.machine import EngineFixture
from tests.waiting import wait_until

PAIR = ComponentKey("pair", "both")
MODULE = """#!/bin/bash
# The state is two files, which say the same. Between the two a restore waits while there is a file called between.
set -e
component=$(basename "$2"); container=$(basename "$3")
snapshots=$DYSNOMIA_STATEDIR/snapshots/$container/$component
generations=$DYSNOMIA_STATEDIR/generations/$container/$component
case "$1" in
  activate|deactivate) ;;
  snapshot) [ ! -e "$dir/unreadable" ]
    id=$(cat "$dir/a" "$dir/b" | sha256sum | cut -c1-64); mkdir -p "$snapshots/$id" "$generations"
    cp "$dir/a" "$dir/b" "$snapshots/$id/"; ln -s "../../../snapshots/$container/$component/$id" "$generations/1" ;;
  restore) last=$generations/$(ls "$generations" | sort -n | tail -n 1); cp "$last/a" "$dir/a"
    touch "$dir/half"; while [ -e "$dir/between" ]; do sleep 0.05; done
    [ ! -e "$dir/fail" ]; cp "$last/b" "$dir/b" ;;
esac
"""


class Pair:
    """The module's component: generation 1 holds ``old``, live is ``new``."""

    def __init__(self, machine: EngineFixture, engine: Engine) -> None:
        self.machine = machine
        self.engine = engine
        self.folder = machine.root / "pair"
        self.folder.mkdir()
        (machine.root / "containers" / "pair").write_text(f"type=two-files\ndir='{self.folder}'\n")
        (machine.root / "components" / "pair").mkdir()
        (machine.root / "components" / "pair" / "both").touch()
        module = machine.root / "modules" / "two-files"
        module.write_text(MODULE)
        module.chmod(0o755)
        self.write("old")
        assert machine.run(engine, engine.plan_snapshot([PAIR])).state is JobState.DONE
        self.write("new")

    def write(self, text: str) -> None:
        for name in ("a", "b"):
            (self.folder / name).write_text(text)

    def live(self) -> tuple[str, str]:
        return (self.folder / "a").read_text(), (self.folder / "b").read_text()

    def file(self, name: str, *, there: bool = True) -> None:
        (self.folder / name).touch() if there else (self.folder / name).unlink()

    def killed(self) -> str:
        """A restore of generation 1 whose worker was killed half-way. Returns its job."""
        self.file("between")
        job = self.engine.submit(self.engine.plan_restore(PAIR, 1))
        wait_until((self.folder / "half").exists)
        os.kill(self.machine.worker_pid(job.id), signal.SIGKILL)
        wait_until(lambda: not self.machine.folder(job.id).held)
        self.file("between", there=False)
        assert self.live() == ("old", "new"), "half of each"
        return job.id

    def alarms(self) -> Sequence[str]:
        return [one.text for one in self.engine.overview().alarms if "half restored" in one.text and one.key == PAIR]

    def undone(self, job_id: str) -> JobView:
        return self.machine.run(self.engine, self.engine.plan_undo(job_id))


@pytest.fixture
def pair(machine: EngineFixture, engine: Engine) -> Pair:
    return Pair(machine, engine)


def test_it_is_said_at_once_and_undone_without_any_recovery(pair: Pair) -> None:
    job = pair.killed()
    view = pair.engine.job(job)
    assert view.state is JobState.INTERRUPTED
    assert view.undoable
    assert "half restored" in view.message
    assert pair.alarms() == [
        f"the live state of pair/both may be half restored, by job {job}: undo job {job}: "
        "what was live before is generation 2"
    ]
    undone = pair.undone(job)
    assert undone.state is JobState.DONE, undone.message
    assert pair.live() == ("new", "new"), "what it was"
    assert pair.alarms() == []
    assert not pair.engine.job(job).undoable


def test_recovered_it_is_half_restored_all_the_same(pair: Pair) -> None:
    job = pair.killed()
    for recovery in pair.engine.recover():
        ended = pair.machine.end(pair.engine, recovery.id)
        assert ended.state is JobState.DONE
        assert "may be half restored" in ended.message
    assert pair.engine.job(job).undoable
    assert len(pair.alarms()) == 1
    fresh = pair.machine.engine()
    assert fresh.job(job).undoable
    fresh.close()
    pair.undone(job)
    assert pair.live() == ("new", "new")
    assert pair.alarms() == []


def test_a_snapshot_in_between_says_what_it_may_be_of(pair: Pair) -> None:
    job = pair.killed()
    made = pair.machine.run(pair.engine, pair.engine.plan_snapshot([PAIR], text="nightly"))
    said = f"live may be half restored, by job {job}"
    assert (made.state, made.details["warnings"]) == (JobState.DONE, [said])
    assert said in made.message
    newest = pair.engine.generations(PAIR)[0]
    assert newest.metadata is not None
    assert newest.text == f"nightly; {said}"
    assert pair.engine.job(job).undoable, "settled by the snapshot, and not forgotten"
    assert len(pair.alarms()) == 1
    pair.undone(job)
    assert pair.live() == ("new", "new")
    pair.write("later")
    after = pair.machine.run(pair.engine, pair.engine.plan_snapshot([PAIR]))
    assert after.details["warnings"] == []


def test_another_restore_that_ends_well_makes_it_whole(pair: Pair) -> None:
    job = pair.killed()
    again = pair.machine.run(pair.engine, pair.engine.plan_restore(PAIR, 1))
    assert again.state is JobState.DONE, again.message
    assert pair.live() == ("old", "old")
    assert pair.alarms() == []
    assert not pair.engine.job(job).undoable
    guards = [one for one in pair.engine.generations(PAIR) if one.reason is Reason.GUARD]
    assert [f"half restored, by job {job}" in one.text for one in guards] == [True, False], "newest first"


def test_what_its_module_cannot_snapshot_can_be_undone(pair: Pair) -> None:
    job = pair.killed()
    pair.file("unreadable")
    undone = pair.undone(job)
    assert undone.state is JobState.DONE, undone.message
    assert pair.live() == ("new", "new")
    assert pair.alarms() == []


def test_a_module_that_failed_half_way_is_no_less_half_restored(pair: Pair) -> None:
    pair.file("fail")
    failed = pair.machine.run(pair.engine, pair.engine.plan_restore(PAIR, 1))
    assert failed.state is JobState.FAILED
    assert failed.undoable
    assert len(pair.alarms()) == 1
    pair.file("fail", there=False)
    pair.machine.run(pair.engine, pair.engine.plan_snapshot([PAIR]))
    assert len(pair.alarms()) == 1
    pair.undone(failed.id)
    assert pair.live() == ("new", "new")
    assert pair.alarms() == []


def test_many_jobs_later_it_is_still_said(pair: Pair) -> None:
    job = pair.killed()
    for _ in range(3):
        pair.machine.run(pair.engine, pair.engine.plan_snapshot([PAIR]))
    assert [view.id for view in pair.engine.jobs(limit=1)][1:] == [job], "beyond the limit, and not left out"
