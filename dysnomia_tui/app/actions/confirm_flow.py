"""From a plan to a job: planned in a thread, confirmed by its grade, submitted as the very object that was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.plans.plan import Grade, Plan
from dysnomia_tui.engine.records import JobView

if TYPE_CHECKING:
    from textual.timer import Timer

    from dysnomia_tui.app.services import Services

Submitted = Callable[[JobView], None]
SAY_AFTER = 0.7
"""Seconds after which it is said that a plan is still being made: servers are asked for it, and can be slow."""
SAID_FOR = 120.0
PLANNING = "asking what it would do…"


class ConfirmFlow:
    """The only way from the app to ``Engine.submit``."""

    def __init__(self, app: Services) -> None:
        self._app = app
        self._says: Timer | None = None

    def plan(self, make: Callable[[Engine], Plan], submitted: Submitted | None = None) -> None:
        """Make a plan, then confirm and submit it."""
        while_open = self._while_open(submitted)
        self._made()
        self._says = self._app.set_timer(SAY_AFTER, lambda: self._app.notify(PLANNING, timeout=SAID_FOR))

        def have(plan: Plan) -> None:
            self._made()
            self._confirm(plan, while_open)

        def failed(problem: str) -> None:
            self._made()
            self._app.trouble(problem)

        self._app.client.ask("plan", make, have, failed)

    def _made(self) -> None:
        """No plan is waited for any more, or another one."""
        if self._says is not None:
            self._says.stop()
            self._says = None
            self._app.unsay(PLANNING)

    def _while_open(self, submitted: Submitted | None) -> Submitted | None:
        """The same, but only as long as the screen that asks is open: a slow plan can come after it was closed."""
        if submitted is None:
            return None
        asker = self._app.screen_stack[-1]

        def have(job: JobView) -> None:
            if asker in self._app.screen_stack:
                submitted(job)

        return have

    def confirm(self, plan: Plan, submitted: Submitted | None = None) -> None:
        """Show the plan and ask as its grade demands; a plan that only reads is submitted as it is."""
        self._confirm(plan, self._while_open(submitted))

    def _confirm(self, plan: Plan, submitted: Submitted | None) -> None:
        from dysnomia_tui.app.screens.confirm import ConfirmScreen, Decision

        if plan.grade is Grade.READ and not plan.blockers:
            self._submit(plan, "", submitted)
            return

        if any(isinstance(screen, ConfirmScreen) for screen in self._app.screen_stack):
            # Two plans were asked for, one after the other: keys meant for the first must not answer the second.
            self._app.notify(f"{plan.title}: answer the open confirmation first, then ask again", markup=False)
            return

        def decided(decision: Decision | None) -> None:
            if decision is not None:
                self._submit(plan, decision.why, submitted)
            self._app.poller.release()

        self._app.push_screen(ConfirmScreen(plan), decided)

    def submit_typed(self, plan: Plan, why: str = "") -> None:
        """Submit a plan whose whole content the operator has just typed and sent with Enter (a note, a pin).

        Only for grade 1 without warnings; anything else is asked about.
        """
        if plan.grade <= Grade.ADDS and not plan.blockers and not plan.warnings:
            self._submit(plan, why, None)
        else:
            self.confirm(plan)

    def _submit(self, plan: Plan, why: str, submitted: Submitted | None) -> None:
        def have(job: JobView) -> None:
            self._app.notify(job.title, title=f"J{job.id} submitted", markup=False, timeout=3)
            self._app.poller.look_at_jobs()
            if submitted is not None:
                submitted(job)

        # A topic of its own: a submission never gives way to a later one.
        topic = f"submit {plan.digest} {id(plan)}"
        self._app.client.ask(topic, lambda engine: engine.submit(plan, why=why), have, self._app.trouble)


def ask_only(app: Services, plan: Plan, confirmed: Callable[[], None]) -> None:
    """Ask about a plan that no job of this machine carries out, as its grade demands."""
    from dysnomia_tui.app.screens.confirm import ConfirmScreen, Decision

    if any(isinstance(screen, ConfirmScreen) for screen in app.screen_stack):
        app.notify(f"{plan.title}: answer the open confirmation first, then ask again", markup=False)
        return

    def decided(decision: Decision | None) -> None:
        if decision is not None:
            confirmed()
        app.poller.release()

    app.push_screen(ConfirmScreen(plan), decided)
