"""A job that cannot be read is named and hides no other; it holds up what it must, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Exit, Unreadable
from dysnomia_tui.engine.jobs.board import JobBoard, is_over
from dysnomia_tui.engine.jobs.folder import JobFolder, create_job
from dysnomia_tui.engine.jobs.request import request_of
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan
from dysnomia_tui.engine.records import JobState
from tests.unit.cli.calling import call
from tests.unit.engine.machine import TEXT, EngineFixture
from tests.waiting import wait_until

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ORDERS = ComponentKey("sqlite", "orders")
CRM = ComponentKey("sqlite", "crm")
PLAN = Plan(Kind.RESTORE, "restore generation 1 of sqlite/orders", (ORDERS,), Grade.UNDOABLE, (), {"id": "abc"})
RESULT: dict[str, Any] = {
    "exit": 0,
    "message": "generation 1 is live",
    "hint": "",
    "details": {},
    "at": NOW.isoformat(),
}
SETTINGS: dict[str, Any] = {
    "statedir": "/s", "user_config": "/c", "containers_path": [], "components_path": [], "modules_path": [],
    "libexec": [], "grace": 1.0, "guard_hold": 1.0, "jobs_at_once": 2, "compression": "zstd", "level": None,
    "group": "",     "compression_by_container": {}, "given_containers": {}, "given_components": {},
}  # fmt: skip


class Jobs:
    """A folder of jobs without workers: who holds a job's lock is this test."""

    def __init__(self, state: Path, held: ExitStack) -> None:
        self.state = state
        self.path = state / "jobs"
        self.path.mkdir(parents=True)
        self._held = held

    @property
    def board(self) -> JobBoard:
        """As a new process sees them."""
        return JobBoard(self.path)

    def add(self, plan: Plan = PLAN, *, alive: bool = False, result: str = "", swapping: bool = False) -> JobFolder:
        """A job: at work, ended with ``result``, or interrupted; ``swapping``: between two steps of a swap."""
        request = request_of(plan, created=NOW, who="alice", why="why not", host="db1", settings=SETTINGS)
        folder, lock = create_job(self.path, plan, request)
        if alive:
            self._held.callback(os.close, lock)
        else:
            os.close(lock)
        entry = audit.entry_of(folder.id, plan, audit.SUBMITTED, who="alice", why="", host="db1")
        audit.append(self.state, NOW, entry)
        folder.record().step("started", at=NOW.isoformat())
        if swapping:
            folder.journal(0).step("swap", guard=2, id="abc", restored=1, text="")
        if result:
            folder.record().step("result", **{"state": result, **RESULT})
        return folder

    def forget_audit(self) -> None:
        shutil.rmtree(self.state / "audit")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with ExitStack() as held:
        yield Jobs(tmp_path / "state", held)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def saying(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def with_field(name: str, value: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))


HARM: dict[str, Callable[[Path], object]] = {
    "torn": saying('{"who": "ali'),
    "empty": saying(""),
    "a list": saying("[]"),
    "null": saying("null"),
    "not a number": saying('{"created": NaN}'),
    "deep": saying("[" * 60_000),
    "deep and whole": saying('{"a":' * 900 + "1" + "}" * 900),
    "UTF-16": lambda path: path.write_bytes('{"a": 1}'.encode("utf-16")),
    "a newer format": with_field("format", 2),
    "a format of text": with_field("format", "1"),
    "keys of another type": with_field("keys", 0),
    "a title of another type": with_field("title", ["x"]),
    "gone": Path.unlink,
    "a pipe": pipe,
    "a folder": folder,
}


@pytest.mark.parametrize("name", ["plan.json", "request.json"])
@pytest.mark.parametrize("harm", HARM)
def test_it_is_listed_with_what_is_wrong_and_where_and_the_others_as_ever(jobs: Jobs, name: str, harm: str) -> None:
    bad = jobs.add(result="done")
    whole = jobs.add(result="done")
    HARM[harm](bad.path / name)
    views = {view.id: view for view in jobs.board.views(20)}
    assert views[whole.id].state is JobState.DONE
    view = views[bad.id]
    assert view.state is JobState.UNREADABLE
    assert view.message.startswith(f"{name} ")
    assert str(bad.path) in view.message
    assert "it ended: done: generation 1 is live" in view.message
    assert (view.title, view.keys, view.who) == (PLAN.title, (ORDERS,), "alice")


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/nowhere"), os.mkfifo])
def test_what_is_no_job_is_named_and_passed_over(jobs: Jobs, make: Callable[[Path], object]) -> None:
    make(jobs.path / "7")
    whole = jobs.add(result="done")
    board = jobs.board
    assert [(view.id, view.state) for view in board.views(20)] == [
        (whole.id, JobState.DONE),
        ("7", JobState.UNREADABLE),
    ]
    assert not board.waiting()
    assert not board.unsettled(ORDERS)
    board.raise_floor()
    assert board.floor() == int(whole.id)


def test_a_record_whose_result_cannot_be_read_is_not_taken_for_a_result(jobs: Jobs) -> None:
    job = jobs.add()
    job.record().step("result", state="splendid", **RESULT)
    view = jobs.board.view(job.id)
    assert view.state is JobState.UNREADABLE
    assert "record is damaged in line 2: the step 'result' cannot be read" in view.message
    assert not is_over(job)


# --- what it left behind -------------------------------------------------------------------------------------------


def test_what_it_left_is_found_on_its_component_without_its_plan(jobs: Jobs) -> None:
    job = jobs.add(swapping=True)
    (job.path / "plan.json").write_text("[]")
    board = jobs.board
    assert board.view(job.id).state is JobState.INTERRUPTED
    assert "plan.json cannot be read" in board.view(job.id).message
    assert [left.job for left in board.unsettled(ORDERS)] == [job.id]
    assert not board.unsettled(CRM)


def test_the_audit_tells_on_which_component_where_its_own_folder_does_not(jobs: Jobs) -> None:
    job = jobs.add(swapping=True)
    for name in ("plan.json", "request.json"):
        (job.path / name).write_text("[]")
    board = jobs.board
    view = board.view(job.id)
    assert (view.title, view.keys, view.who) == (PLAN.title, (ORDERS,), "alice")
    assert [left.job for left in board.unsettled(ORDERS)] == [job.id]
    assert not board.unsettled(CRM)


def test_where_nothing_tells_no_writer_goes_on(jobs: Jobs) -> None:
    job = jobs.add(swapping=True)
    for name in ("plan.json", "request.json"):
        (job.path / name).write_text("[]")
    jobs.forget_audit()
    board = jobs.board
    assert board.view(job.id).state is JobState.INTERRUPTED
    for key in (ORDERS, CRM):
        with pytest.raises(Unreadable, match=r"plan\.json cannot be read.*then move .* out of the store") as caught:
            board.unsettled(key)
        assert caught.value.exit is Exit.CORRUPT
    shutil.move(job.path, jobs.state.parent / "looked at")
    assert not board.unsettled(ORDERS)


def test_where_nothing_tells_and_nothing_was_left_everybody_goes_on(jobs: Jobs) -> None:
    job = jobs.add()
    for name in ("plan.json", "request.json"):
        (job.path / name).write_text("[]")
    jobs.forget_audit()
    assert not jobs.board.unsettled(ORDERS)
    assert jobs.board.view(job.id).keys == ()


def harm_journal(job: JobFolder, old: bytes, new: bytes) -> None:
    path = job.path / "journal.0"
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def test_a_damaged_journal_holds_up_its_own_component_only(jobs: Jobs) -> None:
    job = jobs.add(swapping=True)
    harm_journal(job, b'"guard":2', b'"guard":3')
    board = jobs.board
    assert [left.damage for left in board.unsettled(ORDERS)] == [
        "journal.0 is damaged in line 1: its checksum is wrong"
    ]
    assert not board.unsettled(CRM)


def test_a_journal_that_cannot_be_opened_holds_up_its_own_component_only(jobs: Jobs) -> None:
    job = jobs.add(swapping=True)
    pipe(job.path / "journal.0")
    board = jobs.board
    assert [left.job for left in board.unsettled(ORDERS)] == [job.id]
    assert not board.unsettled(CRM)


@pytest.mark.parametrize(("result", "left"), [("done", 0), ("failed", 1)])
def test_a_damaged_journal_matters_unless_its_job_ended_well(jobs: Jobs, result: str, left: int) -> None:
    job = jobs.add(swapping=True, result=result)
    harm_journal(job, b'"guard":2', b'"guard":3')
    assert len(jobs.board.unsettled(ORDERS)) == left
    assert is_over(job) is (left == 0)


@pytest.mark.parametrize("name", ["journal.x", "journal.", "journal.-1", "journal.01", "journal." + "9" * 300])
def test_a_file_that_is_called_like_a_journal_is_none(jobs: Jobs, name: str) -> None:
    job = jobs.add(swapping=True)
    try:
        (job.path / name).touch()
    except OSError:
        pytest.skip("no file system has such a name")
    assert [index for index, _ in job.journals()] == [0]


@pytest.mark.parametrize("said", ["9" * 15, "99", "-1", "x", "", "1" * 5000, "²"])
def test_a_floor_above_all_jobs_is_none(jobs: Jobs, said: str) -> None:
    job = jobs.add(swapping=True)
    (jobs.path / "floor").write_text(said)
    assert [left.job for left in jobs.board.unsettled(ORDERS)] == [job.id]


# --- while it is at work -------------------------------------------------------------------------------------------


def test_one_at_work_is_waited_for_on_its_component(jobs: Jobs) -> None:
    job = jobs.add(alive=True)
    (job.path / "plan.json").write_text("[]")
    board = jobs.board
    assert board.view(job.id).state is JobState.RUNNING
    assert [(waiting.number, waiting.keys) for waiting in board.waiting()] == [(int(job.id), frozenset({ORDERS}))]


def test_nothing_is_collected_that_it_may_need(jobs: Jobs) -> None:
    job = jobs.add(alive=True)
    assert jobs.board.in_use([ORDERS]) == [(job.id, ORDERS, "abc")]
    (job.path / "plan.json").write_text("[]")
    with pytest.raises(Unreadable, match="which snapshots it needs cannot be read"):
        jobs.board.in_use([ORDERS])
    assert not jobs.board.in_use([CRM])
    (job.path / "request.json").write_text("[]")
    jobs.forget_audit()
    with pytest.raises(Unreadable, match="wait until it has ended"):
        jobs.board.in_use([CRM])


def test_a_recovery_that_cannot_be_read_and_left_nothing_is_over_with_the_next(jobs: Jobs) -> None:
    dead = jobs.add()
    plan = Plan(Kind.RECOVER, "recover job 1", (ORDERS,), Grade.ADDS, (), {"job": dead.id})
    recovery = jobs.add(plan)
    assert [folder.id for folder in jobs.board.dead_recoveries(dead.id)] == [recovery.id]
    (recovery.path / "plan.json").write_text("[]")
    assert [folder.id for folder in jobs.board.dead_recoveries(dead.id)] == [recovery.id]


def test_events_of_another_shape_are_left_out(jobs: Jobs) -> None:
    job = jobs.add(alive=True)
    at = NOW.isoformat()
    lines: list[object] = [
        {"at": at, "kind": "phase", "name": "dump", "key": ""},
        {"at": at, "kind": "progress", "done": "9", "total": 0, "unit": [], "rate": 1},
        {"at": 5, "kind": "phase", "name": "x"},
        {"at": at, "kind": ["phase"], "name": "x"},
        [],
        5,
    ]
    job.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    view = jobs.board.view(job.id)
    assert (view.phase, view.done) == ("dump", 0)


# --- as a person meets it ------------------------------------------------------------------------------------------


def test_the_command_lists_it_by_its_number_with_the_file(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad, whole = jobs.add(result="done"), jobs.add(result="done")
    (bad.path / "plan.json").write_text("[]")
    for name in ("DYSNOMIA_STATEDIR", "HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(jobs.state if name == "DYSNOMIA_STATEDIR" else tmp_path))
    assert call(monkeypatch, "dysnomia-tui", "jobs") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:4:3] == [whole.id, "done"]
    assert second.split()[:4:3] == [bad.id, "unreadable"]
    assert f"plan.json cannot be read: it is not a record (in {bad.path})" in second
    assert call(monkeypatch, "dysnomia-tui", "jobs", "--json") == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)] == ["done", "unreadable"]


def test_an_interrupted_one_without_its_plan_is_recovered(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    os.kill(machine.worker_pid(job.id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job.id).held)
    machine.hold(held=False)
    (machine.folder(job.id).path / "plan.json").write_text("[]")
    assert any(f"job {job.id} was interrupted" in alarm.text for alarm in engine.overview().alarms)
    (recovery,) = engine.recover()
    assert machine.end(engine, recovery.id).state is JobState.DONE
    assert engine.job(job.id).state is JobState.UNREADABLE
    assert engine.recover() == ()
    assert machine.run(engine, engine.plan_snapshot([TEXT])).state is JobState.DONE


def test_one_whose_plan_is_changed_before_it_begins_touches_nothing(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    first = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    second = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: engine.job(second.id).behind == first.id)
    path = machine.folder(second.id).path / "request.json"
    path.write_text("[]")
    machine.hold(held=False)
    machine.end(engine, first.id)
    view = machine.end(engine, second.id)
    assert view.state is JobState.UNREADABLE
    assert "it ended: failed: request.json cannot be read" in view.message
    assert len(engine.generations(TEXT)) == 1
