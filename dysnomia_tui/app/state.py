"""What the app knows of the world: one frozen record, replaced as answers come in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.records import (
    Alarm,
    Application,
    ComponentView,
    Condition,
    ContainerView,
    Found,
    GroupView,
    JobState,
    JobView,
    Overview,
    Probe,
)


def _replaced(job: JobView, group: str) -> bool:
    """Whether the job of a group replaced what was live."""
    return job.of_whole_group == group and job.details.get("action") in ("restore", "undo")


@dataclass(frozen=True)
class AppState:
    """Everything the screens are drawn from."""

    overview: Overview | None = None
    """None until the store was read for the first time."""
    jobs: tuple[JobView, ...] = ()
    """Running first, then newest first."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """By container; one that is missing has not answered yet."""
    found: tuple[Found, ...] | None = None
    """State that is not adopted; None while it is looked for."""
    applications: tuple[Application, ...] = ()
    """Those that are installed and no group yet."""
    problem: str = ""
    """Why the last look at the store failed."""
    own: Mapping[ComponentKey, Probe] = field(default_factory=dict)
    """What components say of themselves; those whose container has answered."""
    conditions: Mapping[ComponentKey, Condition] = field(default_factory=dict)
    """Of components that the cursor was on."""
    reading: tuple[int, int] | None = None
    """How many components were read, of how many, until the store was read for the first time."""

    def with_probe(self, container: str, probe: Probe, own: Mapping[ComponentKey, Probe] | None = None) -> AppState:
        others = {key: one for key, one in self.own.items() if key.container != container}
        return replace(self, probes={**self.probes, container: probe}, own={**others, **(own or {})})

    def alarms(self) -> tuple[Alarm, ...]:
        """What needs a person: what the store knows, and what components say of themselves."""
        return self._alarms

    @cached_property
    def _alarms(self) -> tuple[Alarm, ...]:
        """Each key asks for them, and they are of all components."""
        if self.overview is None:
            return ()
        broken = [key for key, probe in self.own.items() if probe.broken]
        views = [view for key in broken if (view := self.component(key)) is not None and view.active]
        own = (Alarm(f"{v.key.component} {self.own[v.key].word}", v.key) for v in views)
        return (*self.overview.alarms, *self._store_lost(), *self._servers_down(frozenset(broken)), *own)

    def _store_lost(self) -> Iterator[Alarm]:
        """As ``status`` has it. Where the disk of the store is not mounted each component looks inactive, and nothing
        would need anybody; what is snapshotted then goes into a new store below it."""
        views = tuple(self.components())
        if self.overview is None or self.jobs or not views:
            return
        if not any(view.active or view.garbage or view.generations for view in views):
            text = "the store is empty: if something was ever activated or snapshotted with it, its disk is not mounted"
            yield Alarm(f"{text}, or {self.overview.store} is not its folder", topic="the store is empty")

    def _servers_down(self, have_alarms: Collection[ComponentKey]) -> Iterator[Alarm]:
        """Containers with something in service whose server does not answer; not where a component says why."""
        for container in self.containers():
            probe = self.probes.get(container.name)
            if probe is None or probe.up or container.problem:
                continue
            active = [view.key for view in container.components if view.active]
            if not active or any(key in have_alarms for key in active):
                continue
            yield Alarm(f"{container.name}: the server does not answer ({probe.detail or 'down'})", active[0])

    @property
    def notice(self) -> str:
        """What this user may not see, and how to see it; ``""`` if nothing."""
        return self.overview.notice if self.overview is not None else ""

    @property
    def hidden(self) -> bool:
        """Whether the store may not be read: then an empty list says nothing."""
        return self.overview is not None and self.overview.hidden

    def with_condition(self, key: ComponentKey, condition: Condition) -> AppState:
        return replace(self, conditions={**self.conditions, key: condition})

    def without_condition(self, key: ComponentKey) -> AppState:
        return replace(self, conditions={one: known for one, known in self.conditions.items() if one != key})

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""
        return self.overview.read_only if self.overview is not None else ""

    def containers(self) -> tuple[ContainerView, ...]:
        return self.overview.containers if self.overview is not None else ()

    def component(self, key: ComponentKey | None) -> ComponentView | None:
        """The component, as it was last seen."""
        return self._by_key.get(key) if key is not None else None

    @cached_property
    def _by_key(self) -> Mapping[ComponentKey, ComponentView]:
        return {view.key: view for view in self.components()}

    def not_adopted(self) -> tuple[Found, ...]:
        """What was found on this machine, without what has been adopted since it was looked for."""
        active = {view.key for view in self.components() if view.active}
        return tuple(one for one in self.found or () if ComponentKey(one.container, one.component) not in active)

    def container(self, name: str) -> ContainerView | None:
        return next((view for view in self.containers() if view.name == name), None)

    def groups(self) -> tuple[GroupView, ...]:
        return self.overview.groups if self.overview is not None else ()

    def group(self, name: str) -> GroupView | None:
        """The group of config.toml with this name."""
        return next((group for group in self.groups() if group.name == name), None)

    def components(self) -> Iterator[ComponentView]:
        for container in self.containers():
            yield from container.components

    def running(self) -> tuple[JobView, ...]:
        """Jobs that have not ended."""
        return tuple(job for job in self.jobs if not job.state.ended)

    def undoable(self, key: ComponentKey | None) -> JobView | None:
        """The newest job on the component that can be undone."""
        jobs = [job for job in self.jobs if job.undoable and key in job.keys and job.state.ended]
        return max(jobs, key=lambda job: job.created, default=None)

    def undoable_whole(self, name: str) -> JobView | None:
        """The newest restore (or undo) of a whole group or container, where it can be undone: none before it."""
        jobs = [job for job in self.jobs if job.kind == "group" and job.state.ended and _replaced(job, name)]
        newest = max(jobs, key=lambda job: job.created, default=None)
        return newest if newest is not None and newest.undoable else None

    def whole_of(self, job: JobView) -> JobView | None:
        """The job of a group that began a job, where that can be undone as one."""
        return next((one for one in self.jobs if job.part_of and one.id == job.part_of and one.undoable), None)

    def at_work(self, key: ComponentKey) -> JobView | None:
        """The running (or waiting) job on one component alone."""
        return self._at_work.get(key)

    @cached_property
    def _at_work(self) -> Mapping[ComponentKey, JobView]:
        alone = [job for job in self.running() if len(job.keys) == 1 and job.kind != "mark"]
        alone.sort(key=lambda job: (job.state is JobState.QUEUED, job.created), reverse=True)
        return {job.keys[0]: job for job in alone}

    def to_recover(self) -> frozenset[str]:
        """The jobs that died, or could not clean up behind themselves, and that nothing has put right."""
        return frozenset(job.id for job in self.jobs if job.to_recover)
