"""Looking at the engine again and again: jobs, overview, probes, and what is not adopted.

Jobs are looked at twice a second while one runs, else every two seconds; the overview every ten, and at once when a
job has ended. An answer that says nothing new changes nothing. Under an open confirmation nothing changes at all: the
answers wait until it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from textual.screen import ModalScreen
from textual.timer import Timer

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present.jobs import outcome
from dysnomia_tui.app.state import AppState
from dysnomia_tui.engine import NOT_ANSWERING
from dysnomia_tui.engine.records import Condition, Discovered, Health, JobState, JobView, Overview, Probe

if TYPE_CHECKING:
    from dysnomia_tui.app.services import Services

TICK = 0.5
"""Seconds."""
JOBS_TICKS = 4
OVERVIEW_TICKS = 20
PROBE_TICKS = 60
LOOK_TICKS = 240
LOOK_EVERY = timedelta(seconds=90)
"""An answer of a server to what it holds that is younger is not asked for again."""
CONDITION_TICKS = 10
"""Between two questions about the component under the cursor, where its lines are all that is shown of it."""
REST = 0.2
"""Seconds that the cursor rests on a component before it is asked about: a key held down asks about none."""
AT_ONCE = 4
"""Servers asked side by side: each is a process for up to two seconds."""


class Poller:
    """Keeps the app's state up to date."""

    def __init__(self, app: Services, poll: bool) -> None:
        self._app = app
        self._poll = poll
        self._ticks = 0
        self._reading: tuple[int, int] | None = None
        self._seen_jobs = False
        self._recovered: frozenset[str] = frozenset()
        self._held: AppState | None = None
        self._to_probe: list[str] = []
        self._attended: ComponentKey | None = None
        self._resting: Timer | None = None
        self._expected: ComponentKey | None = None

    def start(self) -> None:
        """Begin: read everything once, then on a timer."""
        self.look(everything=True)
        if self._poll:
            self._app.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if not self._app.is_open:
            return
        self._ticks += 1
        self.release()
        self.look_at_reading()
        if self._latest.running() or self._ticks % JOBS_TICKS == 0:
            self.look_at_jobs()
        if self._ticks % OVERVIEW_TICKS == 0:
            self.look_at_overview()
        if self._ticks % PROBE_TICKS == 0:
            self._probe_all()
        if self._ticks % LOOK_TICKS == 0:
            self._look_at_servers(LOOK_EVERY)
        if self._ticks % CONDITION_TICKS == 0:
            self._ask_again()

    def look(self, *, everything: bool = False) -> None:
        """Read jobs and overview now; with ``everything``, ask the servers too and look for what is not adopted."""
        self.look_at_overview(probe=everything)
        self.look_at_jobs()
        if everything:
            self._look_at_servers(timedelta(0))
            self._app.client.ask("discover", lambda engine: engine.discovered(), self._have_found, self._no_found)

    def _look_at_servers(self, older_than: timedelta) -> None:
        """Containers with ``components=*``: what their servers hold by now."""

        def have(_problems: Mapping[str, str]) -> None:  # the overview has them as alarms
            if any(container.look is not None for container in self._latest.containers()):
                self.look_at_overview()

        self._app.client.ask(
            "look at servers",
            lambda engine: engine.look_at_servers(older_than=older_than),
            have,
            self._app.trouble,
        )

    def look_at_jobs(self) -> None:
        self._app.client.ask("jobs", lambda engine: tuple(engine.jobs()), self._have_jobs, self._app.trouble)

    def look_at_overview(self, *, probe: bool = False) -> None:
        def have(overview: Overview) -> None:
            self._have_overview(overview)
            if probe:
                self._probe_all()

        self._app.client.ask("overview", lambda engine: engine.overview(self._told), have, self._no_overview)

    def _told(self, done: int, of: int) -> None:
        """Called in the engine's thread."""
        self._reading = done, of

    def look_at_reading(self) -> None:
        """How far the first look at the store is: it takes minutes where a large store has no cache yet."""
        if self._latest.overview is None and self._reading != self._latest.reading:
            self._take(replace(self._latest, reading=self._reading))

    # --- answers -------------------------------------------------------------------------------------------------

    @property
    def _latest(self) -> AppState:
        return self._held if self._held is not None else self._app.state

    def _take(self, state: AppState) -> None:
        if isinstance(self._app.screen, ModalScreen):
            self._held = state
        else:
            self._held = None
            self._app.set_state(state)

    def release(self) -> None:
        """Take what was held back under a dialog that has been closed."""
        if self._held is not None and not isinstance(self._app.screen, ModalScreen):
            self._take(self._held)

    def _have_overview(self, overview: Overview) -> None:
        latest = self._latest
        was = latest.overview
        if was is not None and replace(was, at=overview.at) == overview and not latest.problem:
            return
        self._take(replace(latest, overview=overview, problem=""))
        self._go_to_expected()

    def expect(self, key: ComponentKey) -> None:
        """Put the cursor on this component as soon as it is there: it is being adopted."""
        self._expected = key

    def _go_to_expected(self) -> None:
        key = self._expected
        if key is not None and self._latest.component(key) is not None:
            self._expected = None
            if len(self._app.screen_stack) == 1:
                self._app.show_component(key)

    def _no_overview(self, problem: str) -> None:
        if problem != self._latest.problem:
            self._take(replace(self._latest, problem=problem))

    def _have_jobs(self, jobs: tuple[JobView, ...]) -> None:
        latest = self._latest
        if jobs != latest.jobs:
            ended = self._just_ended(latest.jobs, jobs)
            self._take(replace(latest, jobs=jobs))
            for job in ended:
                if (job.kind == "mark" or job.part_of) and job.state is JobState.DONE:
                    continue  # the list shows it, the job of its group says it
                title, words, severity = outcome(job)
                self._app.notify(words, title=title, severity=severity, markup=False, timeout=10, everywhere=True)
            if any(job.kind == "adopt" for job in ended):
                self._look_after_adoption()
            elif ended:
                self.look_at_overview(probe=True)
        self._seen_jobs = True
        self._recover()

    def _look_after_adoption(self) -> None:
        """At everything anew: config.toml may have got a group."""

        def have(_: None) -> None:
            self.look(everything=True)

        self._app.client.ask("groups", lambda engine: engine.read_groups(), have, self._app.trouble)

    def _just_ended(self, before: Sequence[JobView], now: Sequence[JobView]) -> list[JobView]:
        if not self._seen_jobs:
            return []
        was_open = {job.id for job in before if not job.state.ended}
        known = {job.id for job in before}
        return [job for job in now if job.state.ended and (job.id in was_open or job.id not in known)]

    def _recover(self) -> None:
        """Whoever may write has what a dead worker left put right, once for each job; a viewer never does."""
        overview = self._latest.overview
        left = self._latest.to_recover()
        if overview is None or overview.read_only or left <= self._recovered:
            return
        self._recovered |= left
        self._app.client.ask("recover", lambda engine: tuple(engine.recover()), self._have_recovery, self._app.trouble)

    def _have_recovery(self, jobs: tuple[JobView, ...]) -> None:
        for job in jobs:
            self._app.notify(job.title, title=f"J{job.id} recovers an interrupted job", markup=False)
        self.look_at_jobs()

    def _probe_all(self) -> None:
        self._ask_condition()
        waiting = [container.name for container in self._latest.containers()]
        self._to_probe = [*waiting[AT_ONCE:]]
        for name in waiting[:AT_ONCE]:
            self._probe(name)

    def _probe(self, name: str) -> None:
        def have(probes: tuple[Probe, Mapping[ComponentKey, Probe]]) -> None:
            if self._to_probe:
                self._probe(self._to_probe.pop(0))
            if not probes[0].up and probes[0].detail == NOT_ANSWERING:
                self._probe_patiently(name)
            else:
                take(probes)

        def take(probes: tuple[Probe, Mapping[ComponentKey, Probe]]) -> None:
            known = {key: probe for key, probe in self._latest.own.items() if key.container == name}
            if (self._latest.probes.get(name), known) != probes:
                self._take(self._latest.with_probe(name, *probes))

        def failed(problem: str) -> None:
            take((Probe(up=False, detail=problem), {}))

        self._app.client.ask(f"probe {name}", lambda engine: engine.probes(name), have, failed)

    def _probe_patiently(self, name: str) -> None:
        """It has not answered in the short time that there is: loaded, or gone? What it was stays on the screen."""

        def have(probes: tuple[Probe, Mapping[ComponentKey, Probe]]) -> None:
            self._take(self._latest.with_probe(name, *probes))

        def failed(problem: str) -> None:
            have((Probe(up=False, detail=problem), {}))

        self._app.client.ask(f"slow {name}", lambda engine: engine.probes(name, patient=True), have, failed)

    # --- the component under the cursor ---------------------------------------------------------------------------

    def attend(self, key: ComponentKey | None) -> None:
        """The cursor is on this component: ask how it is, and keep asking. None: on no component."""
        if key == self._attended:
            return
        self._attended = key
        if self._resting is not None:
            self._resting.stop()
        if key is None:
            return
        if self._poll:
            self._resting = self._app.set_timer(REST, self._ask_condition)
        else:
            self._ask_condition()

    def _ask_again(self) -> None:
        """Only what is looked at, and may change while nothing else of it is shown."""
        view = self._latest.component(self._attended)
        if view is not None and view.stateless and len(self._app.screen_stack) == 1:
            self._ask_condition()

    def _ask_condition(self) -> None:
        key = self._attended
        view = self._latest.component(key)
        if key is None or view is None or view.health is Health.GONE:
            return

        def have(condition: Condition) -> None:
            if condition.probe.detail == NOT_ANSWERING and not view.stateless:
                # Loaded or gone? The probe of its container, which waits longer, tells; what was known no longer holds.
                self._take(self._latest.without_condition(key))
                self._probe(key.container)
                return
            if self._latest.conditions.get(key) != condition:
                self._take(self._latest.with_condition(key, condition))

        def failed(problem: str) -> None:
            have(Condition(Probe(up=False, detail=problem)))

        self._app.client.ask("condition", lambda engine: engine.condition(key), have, failed)

    def _have_found(self, discovered: Discovered) -> None:
        if discovered.problem:
            self._app.trouble(discovered.problem)
            return
        if (discovered.found, discovered.applications) != (self._latest.found, self._latest.applications):
            self._take(replace(self._latest, found=discovered.found, applications=discovered.applications))

    def _no_found(self, problem: str) -> None:
        self._have_found(Discovered())
        self._app.trouble(problem)
