"""Changes: snapshot, adopt, undo, activities, checks. Each is a plan that is confirmed as its grade demands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen
from dysnomia_tui.app.services import Services
from dysnomia_tui.engine import Schedule
from dysnomia_tui.engine.records import ComponentView, JobView


class Changes(Controller):
    """Plans what changes state or store."""

    def act_snapshot(self) -> None:
        here = self.here()
        if here.picked:
            self._snapshot_picked(here.picked)
            return
        if here.group is not None:
            name = here.group.name
            self.services.plan(lambda engine: engine.plan_group_snapshot(name))
            return
        if here.component is not None:
            keys = [here.component.key]
        else:
            views = here.container.components if here.container is not None else ()
            keys = [view.key for view in views if view.active and "snapshot" in view.can]
        self.services.plan(lambda engine: engine.plan_snapshot(keys))

    def _snapshot_picked(self, views: Sequence[ComponentView]) -> None:
        keys = [view.key for view in views if view.active and "snapshot" in view.can]
        self._say_left_out([str(view.key) for view in views if view.key not in keys], "no state that is active")
        self.services.plan(lambda engine: engine.plan_snapshot(keys), lambda _job: self._front.unmark_tree())

    def _say_left_out(self, names: Sequence[str], why: str) -> None:
        """What is marked and cannot be taken: the plan is of the others."""
        if names:
            self.services.notify(f"left out, {why}: {', '.join(names)}", severity="warning", markup=False, timeout=12)

    def act_adopt(self) -> None:
        here = self.here()
        application = here.application
        if application is not None and not here.picked_found:
            self.services.plan(
                lambda engine: engine.plan_adopt_application(application), lambda _job: self.services.poller.look()
            )
            return
        drafts = here.picked_found or ((here.found,) if here.found is not None else ())
        able = [one for one in drafts if one.readable]
        if not able:
            self.services.notify(
                drafts[0].remedy or "it cannot be read as this user",
                title="not readable",
                severity="warning",
                markup=False,
                timeout=12,
            )
            return
        locked = [f"{one.container}/{one.component}" for one in drafts if not one.readable]
        self._say_left_out(locked, "not readable as this user")
        key = ComponentKey(able[0].container, able[0].component)

        def submitted(_job: JobView) -> None:
            self._front.unmark_tree()
            self.services.poller.expect(key)
            self.services.poller.look()

        def planned(*, timers: bool) -> None:
            self.services.plan(lambda engine: engine.plan_adopt(*able, timers=timers), submitted)

        def have(schedule: Schedule) -> None:
            if schedule.can_be_offered:
                self._offer_timers(schedule, planned)
            else:
                if schedule.problem and not schedule.snapshots:
                    self.services.notify(
                        f"it is not snapshotted by itself: {schedule.problem}", markup=False, timeout=12
                    )
                planned(timers=False)

        self.services.client.ask("schedule", lambda engine: engine.schedule(), have, self.services.trouble)

    def _offer_timers(self, schedule: Schedule, planned: Callable[..., None]) -> None:
        """No timer snapshots anything yet: with the adoption the schedule can be written."""
        when = ", ".join(f"{one.task} {one.when}" for one in schedule.timers if one.when != "never")

        def chosen(answer: str | None) -> None:
            if answer is not None:
                planned(timers=answer == "timers")

        self.services.push_screen(
            ChoiceScreen(
                "Snapshot it regularly",
                [
                    Choice("timers", "adopt it, and write timers of systemd", when),
                    Choice("alone", "adopt it alone", "nothing is snapshotted unless somebody asks for it"),
                ],
            ),
            chosen,
        )

    def act_undo(self) -> None:
        undo_newest(self.services)

    def act_activate(self) -> None:
        self._activity("activate")

    def act_deactivate(self) -> None:
        self._activity("deactivate")

    def act_collect_live(self) -> None:
        self._activity("collect-garbage")

    def _activity(self, activity: str) -> None:
        key = self.here().key
        assert key is not None
        self.services.plan(lambda engine: engine.plan_activity(key, activity))

    def act_verify(self) -> None:
        here = self.here()
        if here.picked:
            newest = [(view.key, view.newest.number) for view in here.picked if view.newest is not None]
            self._say_left_out([str(view.key) for view in here.picked if view.newest is None], "no generation yet")
            self.services.plan(
                lambda engine: engine.plan_verify_several(newest), lambda _job: self._front.unmark_tree()
            )
            return
        key, generation = self.on_generation()
        numbers = here.chosen
        which = f"generation {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} marked generations"

        def chosen(answer: str | None) -> None:
            if answer == "check":
                self.services.plan(lambda engine: engine.plan_check(key, numbers))
            elif answer == "verify":
                self.services.plan(lambda engine: engine.plan_verify(key, generation.number))

        self.services.push_screen(
            ChoiceScreen(
                f"Check or verify {key.component}",
                [
                    Choice("check", f"Check {which}", "read every byte and compare it with what was written"),
                    Choice(
                        "verify",
                        f"Verify generation {generation.number} by restoring it",
                        "load it into a scratch place, dump it again, compare: the proof that it is a backup",
                    ),
                ],
            ),
            chosen,
        )


def undo_newest(services: Services) -> None:
    """Plan the undo of the newest job on the component that is looked at; of a group's, it is asked how much of it."""
    job = services.here().undo
    assert job is not None
    whole = services.state.whole_of(job)
    if whole is not None:
        _undo_which(services, job, whole)
    else:
        services.plan(lambda engine: engine.plan_undo(job.id))


def _undo_which(services: Services, job: JobView, whole: JobView) -> None:
    """All that a group's job restored, or this component alone."""
    others = [str(key) for key in whole.keys if key not in job.keys]
    stay = f"{', '.join(others)} would stay as {'it is' if len(others) == 1 else 'they are'} now"
    choices = [
        Choice(whole.id, f"all of it: job {whole.id}, {whole.title}", ", ".join(str(key) for key in whole.keys)),
        Choice(job.id, f"{job.keys[0]} alone: job {job.id}", stay),
    ]

    def chosen(job_id: str | None) -> None:
        if job_id is not None:
            services.plan(lambda engine: engine.plan_undo(job_id))

    services.push_screen(ChoiceScreen(f"Undo: {job.keys[0].component} is part of a group's job", choices), chosen)
