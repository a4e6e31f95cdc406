"""The engine's part that carries plans out: submits them as jobs, watches, cancels and recovers those."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING

from dysnomia_base.host import host_name
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.errors import Blocked, Exit, ReadOnly, Stale, Unknown, Unreadable
from dysnomia_tui.engine.jobs.board import LOOKED_AT, JobBoard
from dysnomia_tui.engine.machine.identity import who
from dysnomia_tui.engine.records import Event, JobState, JobView
from dysnomia_tui.engine.translate import translated

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.jobs.folder import JobFolder
    from dysnomia_tui.engine.jobs.spawn import Forked
    from dysnomia_tui.engine.machine.machine import Machine
    from dysnomia_tui.engine.plans.plan import Plan

SHORTEST_POLL, POLL = 0.004, 0.1
"""Seconds between two looks at whether a job lives, where it has no events meanwhile: few after there were some, since
a quick job has more soon."""
RECOVERY_TRIES = 3
"""Recoveries of one job that are submitted one right after the other; after that a person has to look, and they come
with a pause between."""
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)
"""Each is twice the one before."""


class JobControl:
    """Starts jobs and follows them. All methods raise EngineError."""

    settings: Settings
    _world: Machine
    _board: JobBoard
    _clock: Callable[[], datetime]
    _fork_workers: bool

    @property
    @abstractmethod
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""

    @abstractmethod
    def plan_recover(self, job_id: str) -> Plan:
        """The plan of the recovery of an interrupted job."""

    def submit(self, plan: Plan, *, why: str = "") -> JobView:
        """Start a detached worker on exactly this plan. Raises ReadOnly, Blocked, Stale."""
        from dysnomia_tui.engine.jobs.submit import submit_job
        from dysnomia_tui.engine.plans.staleness import why_stale

        if self.read_only:
            raise ReadOnly(f"{plan.title} was not done: {self.read_only}", "changes are refused here")
        if plan.blockers:
            blocked = Blocked(f"{plan.title} cannot be done: {'; '.join(plan.blockers)}", "correct that first")
            blocked.exit = Exit(plan.params.get("blocked", Exit.REFUSED))
            raise blocked
        with translated():
            reason = why_stale(self._world, plan)
            if reason:
                raise Stale(f"the plan is out of date: {reason}", "look at the new plan, then confirm it")
            job_id = submit_job(
                self._world, plan, who=who(os.environ), why=why, host=host_name(), now=self._clock(),
                forked=_forked() if self._fork_workers else None,
            )  # fmt: skip
            return self._board.view(job_id)

    def expect_many(self, operation: str) -> None:
        """Many snapshots or restores will be submitted: where their workers are forked from this process, import what
        they all need once, here, instead of in each of them."""
        if self._fork_workers:
            import_module(f"dysnomia_tui.engine.operations.{operation}")
            if operation == "restore":
                import_module("dysnomia_tui.engine.component.restore")

            self._world.store.import_for_snapshots()

    def jobs(self, limit: int = LOOKED_AT) -> Sequence[JobView]:
        """Running first, then newest first. Interrupted ones are seen here."""
        return self._board.views(limit)

    def job(self, job_id: str) -> JobView:
        return self._board.view(job_id)

    def events(self, job_id: str, after: int = 0) -> tuple[Sequence[Event], int]:
        """Events of a job from byte ``after`` of its file, and the next ``after``."""
        from dysnomia_tui.engine.jobs.events import read_events

        return read_events(self._board.folder(job_id).events, after)

    def follow(self, job_id: str) -> Iterator[Event]:
        """Events as they come, until the result. A job that is interrupted, or whose result could not be written
        among its events, ends with a result all the same."""
        from dysnomia_tui.engine.jobs.events import await_events

        after, pause = 0, SHORTEST_POLL
        while True:
            ended = self._board.view(job_id).state.ended
            events, after = self.events(job_id, after)
            for event in events:
                yield event
                if event.kind == "result":
                    return
            if ended and not events:
                view = self._board.view(job_id)
                data = {"state": view.state.value, "message": view.message, "details": dict(view.details)}
                yield Event(view.ended or self._clock(), "result", {**data, "exit": view.details.get("exit", 1)})
                return
            if not events:
                await_events(self._board.folder(job_id).events, after, pause)
            pause = SHORTEST_POLL if events else min(POLL, 1.3 * pause)

    def cancel(self, job_id: str) -> None:
        """Request that a job stops. Its events show when it has. Raises ReadOnly; Unknown where the job has ended."""
        if self.read_only:
            raise ReadOnly(f"job {job_id} was not asked to stop: {self.read_only}", "changes are refused here")
        folder = self._board.folder(job_id)
        if self._board.view(job_id).state.ended:
            raise Unknown(f"job {job_id} has already ended", "there is nothing to cancel")
        with translated():
            folder.ask_cancel(who(os.environ))
        with suppress(OSError, Unreadable):  # it is asked all the same; the job says itself how it ended
            self._write_down(folder, audit.CANCEL_ASKED)

    def forget(self, job_id: str) -> str:
        """Take a job off the list of those that can be undone: what it set aside, and could not make a generation, is
        the operator's to remove from now on. Returns where that stands. Raises ReadOnly, Unknown."""
        view = self._board.view(job_id)
        aside = str(view.details.get("aside") or "")
        if not (aside and view.undoable):
            raise Unknown(f"job {job_id} keeps nothing aside", "the generations that it made are the store's")
        if self.read_only:
            raise ReadOnly(f"job {job_id} stays as it is: {self.read_only}", "changes are refused here")
        folder = self._board.folder(job_id)
        with translated():
            folder.record().step("undone", by=f"{audit.FORGOTTEN} by {who(os.environ)}")
            self._write_down(folder, audit.FORGOTTEN, aside)
        return aside

    def _write_down(self, folder: JobFolder, event: str, message: str = "") -> None:
        """In the audit: what this user asked of a job. Raises OSError, Unreadable."""
        entry = audit.entry_of(
            folder.id, folder.plan(), event, who=who(os.environ), why="", host=host_name(), message=message
        )
        audit.append(self.settings.statedir, self._clock(), entry, self.settings.group)

    def recover(self) -> Sequence[JobView]:
        """Submit the recovery of jobs that died or could not clean up; does nothing where this user may not write."""
        if self.read_only:
            return ()
        jobs = self._board.views(LOOKED_AT)
        recoveries = [(job, job.details.get("recovers")) for job in jobs if job.kind == "recover"]
        submitted = []
        for job in jobs:
            if not job.to_recover or job.kind == "recover":
                continue
            own = [recovery for recovery, of in recoveries if of == job.id]
            if any(not recovery.state.ended for recovery in own) or self._pauses(own):
                continue
            how = "was interrupted" if job.state is JobState.INTERRUPTED else "left something behind"
            if not self._board.alive(job.id):
                submitted.append(self.submit(self.plan_recover(job.id), why=f"job {job.id} {how}"))
        return tuple(submitted)

    def _pauses(self, recoveries: Sequence[JobView]) -> bool:
        """Whether it is too early to try again, after all these."""
        more = len(recoveries) - RECOVERY_TRIES
        if more < 0:
            return False
        pause: timedelta = min(SHORTEST_PAUSE * (1 << min(more, 10)), LONGEST_PAUSE)
        return self._clock() < max(recovery.created for recovery in recoveries) + pause


def _forked() -> Forked:
    """The worker, for a process forked from this one. Imported here: an engine that only looks needs none of it."""
    from dysnomia_tui.engine.worker import forked

    return forked
