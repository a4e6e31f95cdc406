"""One thing on many components, in turn or side by side: one that fails is said, and the rest go on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dysnomia_tui.cli.shared import jobs
from dysnomia_tui.cli.shared.output import say
from dysnomia_tui.engine.errors import EngineError, Exit

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan
    from dysnomia_tui.engine.records import JobView

SHORTEST_POLL, POLL = 0.004, 0.05
"""Seconds between two looks at the jobs: few after there was something new."""


@dataclass(frozen=True)
class BatchItem:
    """What is to be done with one component."""

    key: ComponentKey
    planner: Callable[[], Plan]
    said: str = ""
    """A message before it begins."""
    idle: Callable[[], str] = str
    """Why there is nothing to do, or ``""``."""


@dataclass(frozen=True)
class BatchOptions:
    """How all of it is done."""

    at_once: int = 1
    why: str = ""
    no_wait: bool = False
    dry_run: bool = False
    as_json: bool = False
    yes_untrusted: bool = False


@dataclass
class _Running:
    key: ComponentKey
    plan: Plan
    job: JobView
    follower: jobs.Follower
    after: int = 0


@dataclass
class JobBatch:
    """Carries work out, at most so many at once, and gathers how each came out."""

    engine: Engine
    how: BatchOptions
    records: list[dict[str, Any]] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    _running: list[_Running] = field(default_factory=list)
    _cancelled: bool = False

    def carry_out(self, work: Sequence[BatchItem]) -> None:
        """Returns when all of it has ended. Ctrl-C asks what runs to cancel, and begins no more; again, what runs is
        left to itself (KeyboardInterrupt)."""
        waiting = deque(work)
        pause = SHORTEST_POLL
        with jobs.interrupts() as hold:
            while waiting or self._running:
                while waiting and len(self._running) < self.how.at_once:
                    self._begin(waiting.popleft())
                try:
                    with hold.listening():
                        if not self._running or self._look():
                            pause = SHORTEST_POLL
                        else:
                            time.sleep(pause)
                            pause = min(POLL, 1.3 * pause)
                except KeyboardInterrupt:
                    self._interrupted()

    def _interrupted(self) -> None:
        if self._cancelled:
            say("running jobs go on in the background; see them with: dysnomia-tui jobs")
            raise KeyboardInterrupt
        self._cancelled = True
        for one in self._running:
            self.engine.cancel(one.job.id)
        say("cancel requested for the running jobs; Ctrl-C again stops waiting for them")

    def _begin(self, work: BatchItem) -> None:
        if self._cancelled:
            self._ended(work.key, Exit.CANCELLED, {"error": "not begun"})
            return
        try:
            idle = work.idle()
            if idle:
                say(f"{work.key}: nothing to do, {idle}")
                self._ended(work.key, Exit.OK, {"idle": idle})
                return
            if work.said:
                say(work.said)
            plan = work.planner()
            if self.how.dry_run:
                could = jobs.could(plan) if self.how.as_json else jobs.show_plan(plan, as_json=False)
                self._ended(work.key, could, {"plan": jobs.plan_json(plan)})
                return
            jobs.refuse_blocked(plan)
            jobs.refuse_untrusted(plan, yes=self.how.yes_untrusted)
            job = jobs.begin(self.engine, plan, why=self.how.why, no_wait=self.how.no_wait)
        except EngineError as error:
            say(f"{work.key}: {error}")
            self._ended(work.key, error.exit, {"error": str(error)})
            return
        alone = self.how.at_once == 1
        follower = jobs.Follower(prefix="  " if alone else f"{work.key}: ", pass_on=not self.how.as_json)
        follower.moving.live = follower.moving.live and alone
        self._running.append(_Running(work.key, plan, job, follower))

    def _look(self) -> bool:
        """Show what is new. Returns whether anything was."""
        moved = False
        for one in tuple(self._running):
            over = self.engine.job(one.job.id).state.ended
            events, one.after = self.engine.events(one.job.id, one.after)
            for event in events:
                one.follower.event(event)
            if events:
                moved = True
            elif over:
                moved = True
                self._running.remove(one)
                one.follower.end()
                job = self.engine.job(one.job.id)
                jobs.say_ended(job)
                self._ended(one.key, jobs.exit_of(job), jobs.report(one.plan, job))
        return moved

    def _ended(self, key: ComponentKey, status: Exit, record: dict[str, Any]) -> None:
        self.exits.append(status)
        self.records.append({"component": str(key), "exit": int(status), **record})
