"""A command follows its job to the end: its exit code, Ctrl-C, --no-wait."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.shared import jobs
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Blocked, Busy, Exit
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import Event, JobState, JobView

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ComponentKey("sqlite", "orders")
PLAN = Plan(Kind.SNAPSHOT, "snapshot sqlite/orders", (KEY,), Grade.ADDS, (Step("would dump orders"),))


def job(number: str = "7", state: JobState = JobState.DONE, **changes: Any) -> JobView:
    view = JobView(
        id=number, kind="snapshot", title="snapshot sqlite/orders", keys=(KEY,), state=state, who="me", why="",
        created=NOW, started=NOW, ended=None, phase="", done=0, total=None, unit="bytes", rate=None, message="",
    )  # fmt: skip
    return replace(view, **changes)


@dataclass
class FakeEngine:
    """As much of the engine as a command uses to follow a job."""

    outcome: JobView = field(default_factory=job)
    others: Sequence[JobView] = ()
    interrupt_at: tuple[int, ...] = ()
    """Before which events the operator presses Ctrl-C."""
    behind: str = ""
    submitted: list[Plan] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    _times: int = 0

    def jobs(self, limit: int = 200) -> Sequence[JobView]:
        return self.others

    def submit(self, plan: Plan, *, why: str = "") -> JobView:
        self.submitted.append(plan)
        return job(state=JobState.QUEUED, behind=self.behind)

    def follow(self, job_id: str) -> Iterator[Event]:
        for number, kind in enumerate(("queued", "phase", "progress", "log", "result")):
            if number in self.interrupt_at[self._times : self._times + 1]:
                self._times += 1
                os.kill(os.getpid(), signal.SIGINT)
            yield Event(NOW, kind, {"name": "dump", "done": 1, "total": 2, "line": f"line {number}"})

    def job(self, job_id: str) -> JobView:
        return self.outcome

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


def carried(fake: FakeEngine, **options: Any) -> JobView:
    return jobs.carry_out(cast(Engine, fake), PLAN, **options)


@pytest.mark.parametrize(
    ("state", "details", "code"),
    [
        (JobState.DONE, {}, Exit.OK),
        (JobState.PARTLY, {}, Exit.PARTLY),
        (JobState.FAILED, {}, Exit.FAILED),
        (JobState.FAILED, {"exit": 9}, Exit.NO_SPACE),
        (JobState.FAILED, {"exit": "nonsense"}, Exit.FAILED),
        (JobState.CANCELLED, {}, Exit.CANCELLED),
        (JobState.STALE, {}, Exit.REFUSED),
        (JobState.INTERRUPTED, {}, Exit.FAILED),
    ],
)
def test_how_a_job_ended_is_the_exit_code(state: JobState, details: dict[str, Any], code: Exit) -> None:
    assert jobs.exit_of(job(state=state, details=details)) is code


@pytest.mark.parametrize(
    ("exits", "code"),
    [
        ([], Exit.OK),
        ([Exit.OK, Exit.OK], Exit.OK),
        ([Exit.OK, Exit.FAILED], Exit.PARTLY),
        ([Exit.CORRUPT, Exit.CORRUPT], Exit.CORRUPT),
        ([Exit.CORRUPT, Exit.NO_SPACE], Exit.FAILED),
        ([Exit.PARTLY, Exit.FAILED], Exit.PARTLY),
    ],
)
def test_one_exit_code_for_several_jobs(exits: list[Exit], code: Exit) -> None:
    assert jobs.worst(exits) is code


def test_events_and_the_end_are_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    ended = carried(FakeEngine(job(message="generation 8")))
    out, err = capsys.readouterr()
    assert ended.state is JobState.DONE
    assert out == ""
    assert "job 7: snapshot sqlite/orders" in err
    assert "line 3" in err
    assert err.rstrip().endswith("job 7 done: generation 8")


def test_of_a_failed_job_the_way_out_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    carried(FakeEngine(job(state=JobState.FAILED, message="the disk is full", details={"hint": "make room"})))
    assert capsys.readouterr().err.rstrip().endswith("job 7 failed: the disk is full: make room")


def test_ctrl_c_asks_the_job_to_cancel_and_waits_for_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeEngine(job(state=JobState.CANCELLED), interrupt_at=(2,))
    assert carried(fake).state is JobState.CANCELLED
    assert fake.cancelled == ["7"]
    err = capsys.readouterr().err
    assert err.count("line 0") == 1, "events that were shown before the key are not shown again"


def test_a_second_ctrl_c_leaves_the_job_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeEngine(interrupt_at=(2, 3))
    with pytest.raises(KeyboardInterrupt):
        carried(fake)
    assert fake.cancelled == ["7"], "asked once, and not killed"
    assert "goes on in the background" in capsys.readouterr().err


def test_ctrl_c_while_submitting_is_not_lost() -> None:
    @dataclass
    class Hasty(FakeEngine):
        def submit(self, plan: Plan, *, why: str = "") -> JobView:
            os.kill(os.getpid(), signal.SIGINT)
            return super().submit(plan, why=why)

    fake = Hasty(job(state=JobState.CANCELLED))
    carried(fake)
    assert fake.cancelled == ["7"]
    assert len(fake.submitted) == 1


def test_the_signal_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    carried(FakeEngine())
    assert signal.getsignal(signal.SIGINT) is before


def test_no_wait_refuses_while_another_job_is_on_the_component() -> None:
    fake = FakeEngine(others=[job("6", JobState.RUNNING)])
    with pytest.raises(Busy, match="job 6") as caught:
        carried(fake, no_wait=True)
    assert caught.value.exit is Exit.LOCKED
    assert not fake.submitted


def test_no_wait_does_not_mind_other_components_nor_what_has_ended() -> None:
    other = job("6", JobState.RUNNING, keys=(ComponentKey("sqlite", "crm"),))
    assert carried(FakeEngine(others=[other, job("5")]), no_wait=True).state is JobState.DONE


def test_no_wait_takes_back_what_came_second() -> None:
    fake = FakeEngine(behind="6")
    with pytest.raises(Busy, match="job 6"):
        carried(fake, no_wait=True)
    assert fake.cancelled == ["7"]


def test_a_dry_run_prints_the_plan_and_submits_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeEngine()
    status = jobs.settle(cast(Engine, fake), PLAN, why="", dry_run=True, no_wait=False, as_json=False)
    assert status is Exit.OK
    assert not fake.submitted
    assert capsys.readouterr().out.splitlines()[:2] == ["would snapshot sqlite/orders", "  1. would dump orders"]


def test_a_plan_with_a_blocker_is_refused_before_it_is_submitted() -> None:
    fake = FakeEngine()
    blocked = replace(PLAN, blockers=("role bob is missing",))
    with pytest.raises(Blocked, match="role bob is missing"):
        jobs.settle(cast(Engine, fake), blocked, why="", dry_run=False, no_wait=False, as_json=False)
    assert not fake.submitted
    assert jobs.show_plan(blocked, as_json=False) is Exit.REFUSED
    unusable = replace(blocked, params={"blocked": int(Exit.USAGE)})
    with pytest.raises(Blocked) as caught:
        jobs.settle(cast(Engine, fake), unusable, why="", dry_run=False, no_wait=False, as_json=False)
    assert caught.value.exit is Exit.USAGE
    assert jobs.show_plan(unusable, as_json=False) is Exit.USAGE


def test_what_is_dangerous_and_not_trusted_needs_an_option_by_command() -> None:
    fake = FakeEngine()
    dangerous = replace(PLAN, params={"dangerous": True})
    with pytest.raises(Blocked, match="--yes-untrusted") as caught:
        jobs.settle(cast(Engine, fake), dangerous, why="", dry_run=False, no_wait=False, as_json=False)
    assert caught.value.exit is Exit.REFUSED
    assert not fake.submitted
    done = jobs.settle(
        cast(Engine, fake), dangerous, why="", dry_run=False, no_wait=False, as_json=False, yes_untrusted=True
    )
    assert done is Exit.OK
    assert fake.submitted


@pytest.mark.parametrize("code", [Exit.CORRUPT, Exit.UNAVAILABLE, Exit.USAGE])
def test_what_blocks_a_plan_is_its_exit_code(code: Exit) -> None:
    fake = FakeEngine()
    blocked = replace(PLAN, blockers=("it is so",), params={"blocked": int(code)})
    for dry_run in (False, True):
        try:
            status = jobs.settle(cast(Engine, fake), blocked, why="", dry_run=dry_run, no_wait=False, as_json=False)
        except Blocked as error:
            status = error.exit
        assert status is code
    assert not fake.submitted
    assert jobs.could(replace(PLAN, params={"blocked": int(code)})) is Exit.OK, "a plan without a blocker can be"
