"""Jobs that are over: a look at them by one file shows what a look at their folders would, and old ones go."""

from __future__ import annotations

import grp
import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import engine as engine_module
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.jobs import board, old, over, view
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.jobs.folder import OLD, job_numbers
from dysnomia_tui.engine.records import Health, JobState, JobView
from tests.unit.engine.machine import CRM, DOCS, ORDERS, TEXT, EngineFixture
from tests.waiting import wait_until


def by_folders(machine: EngineFixture, monkeypatch: pytest.MonkeyPatch) -> Sequence[JobView]:
    """The jobs as their folders alone show them."""
    with monkeypatch.context() as patch:
        patch.setattr(over, "read", lambda _jobs: {})
        return JobBoard(machine.settings.statedir / "jobs").views(200)


def looked_at(machine: EngineFixture, monkeypatch: pytest.MonkeyPatch) -> tuple[Sequence[JobView], Sequence[str]]:
    """The jobs as a new look shows them, and which folders it read."""
    read = []
    job_view = view.job_view

    def noted(folder: Any, *rest: Any) -> JobView:
        read.append(folder.id)
        return job_view(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(board, "job_view", noted)
        return JobBoard(machine.settings.statedir / "jobs").views(200), read


def kept(machine: EngineFixture, job_id: str) -> bool:
    """Whether the worker of a job, which writes its line last, has done so."""
    return int(job_id) in over.read(machine.settings.statedir / "jobs")


def run(machine: EngineFixture, engine: Engine, *plans: Any) -> list[JobView]:
    views = [machine.end(engine, engine.submit(plan, why="a ticket").id) for plan in plans]
    wait_until(lambda: all(kept(machine, view.id) for view in views))
    return views


def test_a_look_reads_one_file(machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS, CRM, DOCS]), engine.plan_snapshot([ORDERS]))
    run(machine, engine, engine.plan_restore(ORDERS, 1))
    views, read = looked_at(machine, monkeypatch)
    assert list(views) == list(by_folders(machine, monkeypatch))
    assert len(views) == 3
    assert read == []


def test_what_is_undone_is_not_shown_as_undoable(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    (restored,) = run(machine, engine, engine.plan_restore(ORDERS, 1))
    assert restored.undoable
    watching = JobBoard(machine.settings.statedir / "jobs")
    assert watching.view(restored.id).undoable
    run(machine, engine, engine.plan_undo(restored.id))
    assert not watching.view(restored.id).undoable
    views, read = looked_at(machine, monkeypatch)
    assert list(views) == list(by_folders(machine, monkeypatch))
    assert read == [restored.id]


@pytest.mark.parametrize("name", ["plan.json", "request.json", "record", "events.jsonl"])
def test_a_job_whose_files_have_changed_is_read_again(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (ended,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    with (machine.settings.statedir / "jobs" / ended.id / name).open("ab") as file:
        file.write(b"\x01")
    views, read = looked_at(machine, monkeypatch)
    assert read == [ended.id]
    assert list(views) == list(by_folders(machine, monkeypatch))


def test_a_job_that_has_not_ended_well_is_read(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    assert looked_at(machine, monkeypatch)[1] == [job.id]
    os.kill(machine.worker_pid(job.id), signal.SIGKILL)
    machine.hold(held=False)
    wait_until(lambda: engine.job(job.id).state is JobState.INTERRUPTED)
    assert looked_at(machine, monkeypatch)[1] == [job.id]


def test_jobs_of_a_store_that_has_no_such_file_are_written_down_by_the_next(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]), engine.plan_snapshot([CRM]))
    (machine.settings.statedir / "jobs" / over.NAME).unlink()
    assert len(looked_at(machine, monkeypatch)[1]) == 2
    run(machine, engine, engine.plan_snapshot([DOCS]))
    assert looked_at(machine, monkeypatch)[1] == []


def test_a_damaged_file_costs_time_only(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]), engine.plan_snapshot([CRM]))
    path = machine.settings.statedir / "jobs" / over.NAME
    whole, folders = path.read_bytes(), list(by_folders(machine, monkeypatch))
    dice = random.Random(1)
    for _ in range(200):
        damaged = bytearray(whole)
        at = dice.randrange(len(damaged))
        damaged[at : at + dice.choice((0, 1, 40))] = dice.randbytes(dice.choice((0, 1, 9)))
        path.write_bytes(damaged[: dice.choice((len(damaged), at))])
        assert list(looked_at(machine, monkeypatch)[0]) == folders


def test_the_file_of_another_version_is_passed_over(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ended,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    path = machine.settings.statedir / "jobs" / over.NAME
    with monkeypatch.context() as patch:
        patch.setattr(over, "_FORMAT", 2)
        path.unlink()
        JobBoard(path.parent).keep(ended.id)
    assert path.read_bytes()
    assert looked_at(machine, monkeypatch)[1] == [ended.id]


@pytest.mark.parametrize("what", ["a folder", "a link", "a pipe", "nobody's"])
def test_what_stands_in_its_place_is_not_followed(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    path, elsewhere = machine.settings.statedir / "jobs" / over.NAME, machine.root / "elsewhere"
    path.unlink()
    if what == "a folder":
        path.mkdir()
    elif what == "a link":
        path.symlink_to(elsewhere)
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.touch(0o000)
    ended = machine.end(engine, engine.submit(engine.plan_snapshot([CRM])).id)
    assert ended.state is JobState.DONE
    assert len(looked_at(machine, monkeypatch)[0]) == 2
    assert not elsewhere.exists()


def test_a_group_may_read_it(machine: EngineFixture) -> None:
    group = grp.getgrgid(os.getgid() or grp.getgrnam("nogroup").gr_gid).gr_name
    engine = Engine(replace(machine.settings, group=group))
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    status = (machine.settings.statedir / "jobs" / over.NAME).stat()
    assert (status.st_mode & 0o777, status.st_gid) == (0o640, grp.getgrnam(group).gr_gid)


# --- and are removed when they are old -----------------------------------------------------------------------------


def age(machine: EngineFixture, *job_ids: str) -> None:
    """Make these jobs a hundred days old."""
    long_ago = utc_now().timestamp() - 100 * 86400
    for job_id in job_ids:
        for path in machine.folder(job_id).path.iterdir():
            os.utime(path, (long_ago, long_ago))


def jobs_left(machine: EngineFixture) -> list[int]:
    jobs = machine.settings.statedir / "jobs"
    old.remove(JobBoard(jobs), utc_now())
    assert not [name for name in os.listdir(jobs) if name.startswith(OLD)]
    return job_numbers(jobs)


@pytest.fixture
def many(machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> EngineFixture:
    """Jobs 1 to 5: two snapshots, a restore, one that was killed, and one more."""
    monkeypatch.setattr(old, "NEWEST", 1)
    run(machine, engine, engine.plan_snapshot([ORDERS]), engine.plan_snapshot([CRM]))
    run(machine, engine, engine.plan_restore(ORDERS, 1))
    machine.hold()
    killed = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    os.kill(machine.worker_pid(killed.id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(killed.id).held)
    machine.hold(held=False)
    run(machine, engine, engine.plan_snapshot([DOCS]))
    return machine


def test_old_ones_are_removed_that_nobody_can_undo_or_has_to_look_at(many: EngineFixture, engine: Engine) -> None:
    assert jobs_left(many) == [1, 2, 3, 4, 5]
    age(many, "1", "2", "3", "4", "5")
    assert jobs_left(many) == [3, 4, 5]
    lines = engine.timeline(ORDERS)
    assert "J1" in lines or "job 1" in lines
    with pytest.raises(Unknown, match="no job '1'") as refused:
        engine.job("1")
    assert "timeline" in refused.value.hint


def test_a_job_of_which_one_file_is_young_or_cannot_be_read_is_kept(many: EngineFixture) -> None:
    age(many, "1", "2")
    (many.folder("1").path / "events.jsonl").touch()
    (many.folder("2").path / "plan.json").write_text("{")
    age(many, "2")
    assert jobs_left(many) == [1, 2, 3, 4, 5]


def test_the_newest_are_kept_however_old(many: EngineFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old, "NEWEST", 4)
    age(many, "1", "2", "3", "4", "5")
    assert jobs_left(many) == [2, 3, 4, 5]


def test_what_was_left_of_a_removal_goes_with_the_next_job(many: EngineFixture, engine: Engine) -> None:
    left = many.settings.statedir / "jobs" / f"{OLD}1"
    many.folder("1").path.rename(left)
    run(many, engine, engine.plan_snapshot([ORDERS]))
    assert not left.exists()


def test_others_are_looked_at_each_turn() -> None:
    seen = {number for turn in range(1, 40) for number in old._some(range(1, 1001), turn)}
    assert seen == set(range(1, 1001))
    assert list(old._some([1, 2], 7)) in ([1, 2], [2, 1])


# --- a component whose last job lies behind those on many others ------------------------------------------------------


def health_of(machine: EngineFixture, engine: Engine, key: ComponentKey) -> Health:
    """As a process sees it that has just been started."""
    engine._board = JobBoard(machine.settings.statedir / "jobs")
    views = [one for container in engine.overview().containers for one in container.components if one.key == key]
    return views[0].health


@pytest.fixture
def busy(machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[JobView]]:
    """Looks show two jobs; a call has three on another component run."""
    for module in (engine_module, board):
        monkeypatch.setattr(module, "LOOKED_AT", 2)
    run(machine, engine, *(engine.plan_activity(key, "activate") for key in (ORDERS, CRM)))
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    return lambda: run(machine, engine, *[engine.plan_snapshot([CRM])] * 3)


def test_a_failed_snapshot_is_told_however_many_jobs_came_after(
    machine: EngineFixture, engine: Engine, busy: Callable[[], list[JobView]]
) -> None:
    live = machine.root / "data" / "orders.db"
    good = live.read_bytes()
    live.write_bytes(b"no database" * 100)
    (failed,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    assert failed.state is JobState.FAILED
    assert health_of(machine, engine, ORDERS) is Health.FAILED
    busy()
    assert failed.id not in {view.id for view in engine.jobs(2)}
    assert health_of(machine, engine, ORDERS) is Health.FAILED
    assert health_of(machine, engine, CRM) is Health.OK
    assert any(alarm.key == ORDERS for alarm in engine.overview().alarms)
    live.write_bytes(good)
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    busy()
    assert health_of(machine, engine, ORDERS) is Health.OK, "a snapshot came after it"


def test_a_killed_snapshot_is_told_and_recovered_however_many_jobs_came_after(
    machine: EngineFixture, engine: Engine, busy: Callable[[], list[JobView]]
) -> None:
    machine.hold()
    killed = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    os.kill(machine.worker_pid(killed.id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(killed.id).held)
    machine.hold(held=False)
    busy()
    assert killed.id in {view.id for view in engine.jobs(2)}
    assert any(f"job {killed.id} was interrupted" in alarm.text for alarm in engine.overview().alarms)
    wait_until(lambda: not machine.folder(killed.id).held)  # its children end a moment after it
    (recovery,) = engine.recover()
    machine.end(engine, recovery.id)
    assert killed.id not in {view.id for view in engine.jobs(2)}


def test_a_failed_proof_is_told_until_one_goes_well_however_many_jobs_came_after(
    machine: EngineFixture, engine: Engine
) -> None:
    (done,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    jobs = machine.settings.statedir / "jobs"

    def told(number: int, kind: str, state: JobState, key: ComponentKey) -> list[str]:
        one = replace(done, id=str(number), kind=kind, state=state, keys=(key,))
        over.append(jobs, [over.Over(one, (1, 2))])
        return [view.id for view in JobBoard(jobs).earlier([])]

    assert told(10, "verify", JobState.DONE, ORDERS) == []
    assert told(11, "verify", JobState.FAILED, ORDERS) == ["11"]
    assert told(12, "snapshot", JobState.FAILED, ORDERS) == ["12", "11"], "the one does not end the other"
    assert told(13, "verify", JobState.CANCELLED, ORDERS) == ["12", "11"]
    assert told(14, "check", JobState.DONE, CRM) == ["14", "12", "11"]
    assert told(15, "verify", JobState.DONE, ORDERS) == ["15", "14", "12"]


def test_what_a_restore_keeps_aside_is_told_however_many_jobs_came_after(
    machine: EngineFixture, engine: Engine, busy: Callable[[], list[JobView]]
) -> None:
    (machine.root / "data" / "orders.db").write_bytes(b"no database" * 100)
    (restored,) = run(machine, engine, engine.plan_restore(ORDERS, 1))
    assert restored.state is JobState.PARTLY
    busy()
    assert restored.id not in {view.id for view in engine.jobs(2)}
    engine._board = JobBoard(machine.settings.statedir / "jobs")
    (alarm,) = [alarm for alarm in engine.overview().alarms if alarm.text.startswith("job")]
    assert alarm.text.endswith(f"dysnomia-tui undo {restored.id} --forget")
    assert alarm.text in engine.report().alarms
    engine.forget(restored.id)
    busy()
    engine._board = JobBoard(machine.settings.statedir / "jobs")
    assert [alarm.text for alarm in engine.overview().alarms] == []


def test_a_job_on_a_thousand_components_is_written_down(machine: EngineFixture, engine: Engine) -> None:
    (done,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    keys = tuple(ComponentKey.of("sqlite", f"a component with a long name {number}") for number in range(3000))
    jobs = machine.settings.statedir / "jobs"
    wide = replace(done, id="77", keys=keys, state=JobState.FAILED)
    over.append(jobs, [over.Over(wide, (1, 2))])
    assert over.read(jobs)[77].view == wide
    assert over.read_unwell(jobs)[77].view == wide
    assert 77 in over.ids(jobs)


def test_jobs_that_could_not_be_written_down_are_so_with_the_next(machine: EngineFixture, engine: Engine) -> None:
    """As on a disk that was full for a while."""
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    path = machine.settings.statedir / "jobs" / over.NAME
    before = path.read_bytes()
    run(machine, engine, engine.plan_snapshot([CRM]), engine.plan_snapshot([DOCS]))
    path.write_bytes(before)
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    assert list(over.read(path.parent)) == [1, 2, 3, 4]
    assert len(path.read_bytes().splitlines()) == 4


def test_what_is_read_of_those_that_went_wrong_is_what_is_read_of_all(machine: EngineFixture, engine: Engine) -> None:
    run(machine, engine, engine.plan_snapshot([ORDERS]))
    (machine.root / "data" / "orders.db").write_bytes(b"no database" * 100)
    run(machine, engine, engine.plan_snapshot([ORDERS]), engine.plan_snapshot([CRM]), engine.plan_snapshot([ORDERS]))
    jobs = machine.settings.statedir / "jobs"
    everything = over.read(jobs)
    assert over.read_unwell(jobs) == {number: everything[number] for number in (2, 4)}
    assert over.ids(jobs) == {1, 2, 3, 4}
    (jobs / over.NAME).unlink()
    assert (over.read_unwell(jobs), over.ids(jobs), over.changed(jobs)) == ({}, set(), ())


def test_the_file_does_not_grow_for_ever(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done,) = run(machine, engine, engine.plan_snapshot([ORDERS]))
    jobs = machine.settings.statedir / "jobs"
    path = jobs / over.NAME
    path.chmod(0o640)
    (line,) = path.read_bytes().splitlines(keepends=True)
    monkeypatch.setattr(over, "_MOST", 10 * len(line))
    monkeypatch.setattr(over, "_KEPT", 20 * len(line))
    monkeypatch.setattr(over, "_LARGE", 30 * len(line))
    sizes = []
    for _ in range(100):
        over.append(jobs, over.read(jobs).values())
        sizes.append(path.stat().st_size)
        assert over.read(jobs)[int(done.id)].view == done
    assert max(sizes) <= 30 * len(line)
    assert set(path.read_bytes().splitlines(keepends=True)) == {line}, "lines stay whole"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [name for name in os.listdir(jobs) if name.endswith(".new")] == []
