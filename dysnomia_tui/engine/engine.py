"""The engine: what the app and the commands talk to. Reads the world, makes plans, submits jobs and watches them.

Every method may be called from any thread; none needs a terminal; none that reads ever waits for a writer. All raise
EngineError, with an exit code.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_base.clock import from_seconds, utc_now
from dysnomia_base.host import host_name
from dysnomia_base.records import replace
from dysnomia_store import moment
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import OnRead, not_told
from dysnomia_tui.engine import audit, idle_timers
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.errors import ReadOnly, Unknown
from dysnomia_tui.engine.job_control import JobControl
from dysnomia_tui.engine.jobs.board import LOOKED_AT, JobBoard
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.permissions import why_read_only
from dysnomia_tui.engine.planner import Planner
from dysnomia_tui.engine.records import (
    Alarm,
    Condition,
    Discovered,
    Drill,
    FoundRow,
    GenerationProofs,
    HistoryLine,
    JobState,
    JobView,
    Overview,
    Report,
    SectionChange,
    TrashView,
)
from dysnomia_tui.engine.teller import Teller
from dysnomia_tui.engine.translate import translated

if TYPE_CHECKING:
    from dysnomia_plugins.base import Found, Plugin, Probe
    from dysnomia_store import Archive
    from dysnomia_store.model import Generation, Section
    from dysnomia_store.store import Usage
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.contents.browser import Browser
    from dysnomia_tui.engine.contents.plain import Plain
    from dysnomia_tui.engine.diff.handle import Diff
    from dysnomia_tui.engine.finding.asked import FindAsked, HistoryAsked
    from dysnomia_tui.engine.finding.handle import Search
    from dysnomia_tui.engine.group.members import Standing
    from dysnomia_tui.engine.machine.shell_session import Session
    from dysnomia_tui.engine.operations.deploy import Deployment
    from dysnomia_tui.engine.timers import Schedule

__all__ = ["LIVE", "Engine", "RestoreTarget", "Side"]

LIVE = "live"
SLOW = "slow"
"""The word of a server that answers, and takes longer for it than it should."""
Side = int | str
"""One side of a diff: a generation's number, or ``LIVE``."""


class Engine(Planner, JobControl, Teller):
    """One state directory and one configuration, as one user may see and change them."""

    def __init__(
        self,
        settings: Settings,
        *,
        read_only: bool = False,
        clock: Callable[[], datetime] | None = None,
        extra_types: Mapping[str, Callable[[], Plugin]] | None = None,
        fork_workers: bool = False,
        keeps_looks: bool = True,
    ) -> None:
        """``fork_workers``: workers may be forked from this process, which is a command's (see ``start_worker``)."""
        self.keeps_looks = keeps_looks
        self.settings = settings
        self._fork_workers = fork_workers
        self._asked_read_only = read_only
        self._clock = clock or utc_now
        self._world = Machine(settings, clock, extra_types)
        self._board = JobBoard(self._world.jobs)
        self._guard = threading.Lock()
        self._browser: Browser | None = None

    def close(self) -> None:
        """End the processes that were kept for browsing. The engine can be used again."""
        with self._guard:
            browser, self._browser = self._browser, None
        if browser is not None:
            browser.close()

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""
        return why_read_only(self.settings, self._asked_read_only)

    def left_out(self) -> Sequence[str]:
        """Modules that are not obeyed because others may write them, each in a sentence."""
        return self._world.registry.left_out()

    # Reading.

    def overview(self, on_read: OnRead = not_told) -> Overview:
        """Everything the main screen lists. Quick: from configuration and the store's cache; asks no server.

        ``on_read``: called with how many components were read, of how many. Where the store has no cache yet, a hundred
        thousand generations take half a minute."""
        with translated():
            units = idle_timers.units_of(self.settings)
            return self._look(self._board.views(LOOKED_AT), units, idle_timers.alarms(units), on_read)

    def _look(
        self,
        jobs: Sequence[JobView],
        units: Path | None,
        timers: Iterable[Alarm],
        on_read: OnRead = not_told,
    ) -> Overview:
        from dysnomia_tui.engine.machine.overview import look

        alarms, earlier = self._alarms(timers), self._board.earlier(jobs)
        return look(self._world, jobs, self.read_only, self._clock(), alarms, units, on_read, earlier)

    def names_nothing(self) -> Sequence[str]:
        """Heads of those tables of config.toml that are for components and containers which are not there."""
        from dysnomia_tui.engine.machine.named import names_nothing

        with translated():
            return names_nothing(self.settings, self._world.inventory(), self._world.store.keys())

    def report(self) -> Report:
        """What a monitoring system is told: of each component whether someone has to act. Asks no server, and systemd
        alone whether the timers that are written here run."""
        from dysnomia_tui.engine.machine.report import is_empty, report

        with translated():
            units = idle_timers.units_of(self.settings)
            asked = None if units is None else idle_timers.Asked(units)  # answers while the rest is looked at
            jobs = self._board.views(LOOKED_AT)
            overview = self._look(jobs, units, idle_timers.alarms(units, asked))
            return report(overview, jobs, empty=is_empty(self.settings.statedir))

    def drills(self, keys: Collection[ComponentKey] | None = None) -> Sequence[Drill]:
        """The generations that are due to be proved by a restore (of all components, if none are given), in order."""
        from dysnomia_tui.engine.operations.drill import due

        with translated():
            return due(self._world, keys)

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        """Newest first."""
        with translated():
            return tuple(reversed(self._world.store.generations(key)))

    def alone(self, key: ComponentKey) -> Mapping[str, int]:
        """Of each snapshot of a component, by id, the bytes that come back when it alone is deleted."""
        with translated():
            return self._world.store.alone(key)

    def links(self, container: str = "", component: str = "") -> Sequence[tuple[ComponentKey, int, str]]:
        """Component, number and id (``""`` for a broken link) of every generation, read from the links."""
        with translated():
            return tuple(self._world.store.all_generations(container or None, component or None))

    def sections(self, key: ComponentKey, number: int) -> Iterator[Section]:
        """The contents of a generation, streamed from its index (rescanned where there is none)."""
        from dysnomia_tui.engine.contents.contents import sections_of

        with translated():
            yield from sections_of(self._world, self._world.store.generation(key, number))

    def changes(self, key: ComponentKey, number: int) -> Sequence[SectionChange]:
        """Sections that differ from the generation before, from the two indexes; no dump is read."""
        from dysnomia_tui.engine.contents.contents import changes_since

        with translated():
            return changes_since(self._world, key, number)

    def browse(
        self, key: ComponentKey, number: int, section: Section, start: int, count: int
    ) -> Sequence[tuple[str | None, ...]]:
        """Rows (or lines) of a section."""
        from dysnomia_tui.engine.contents.browser import Browser

        with self._guard:
            if self._browser is None:
                self._browser = Browser(self._world)
        with translated():
            return self._browser.rows(key, number, section, start, count)

    def remarks(self, key: ComponentKey, number: int, sections: Sequence[Section]) -> Mapping[str, str] | None:
        """What tells a person which these sections are, by their names: of messages subject, sender and date.

        None where the type has nothing to tell."""
        from dysnomia_tui.engine.contents.contents import remarks

        with translated():
            return remarks(self._world, key, number, sections)

    def find_time(self, key: ComponentKey, when: datetime) -> Generation | None:
        """The newest good generation whose state held at or before ``when``."""
        with translated():
            return self._world.store.newest_good_before(key, when)

    def standing(self, group: str, when: datetime) -> Sequence[Standing]:
        """Where each component of a group (of config.toml, or a container) was at a time."""
        from dysnomia_tui.engine.group.members import standing

        with translated():
            return standing(self._world, group, when)

    def probe(self, container: str) -> Probe:
        """Ask the container's server, in a process that gets two seconds: is it up, which version; size and clients
        of all its components. Never raises for a server that is down."""
        return self.probes(container)[0]

    def probes(self, container: str, *, patient: bool = False) -> tuple[Probe, Mapping[ComponentKey, Probe]]:
        """The same, and each component by itself (those that were asked in the time there was).

        ``patient``: wait longer, for a server that did not answer in the two seconds; one that does now is ``slow``.
        """
        from dysnomia_tui.engine.probing import client as probes

        if not patient:
            return probes.probe_container(self.settings, container)
        probe, own = probes.probe_container(self.settings, container, probes.PATIENT_LIMIT)
        return replace(probe, word=SLOW) if probe.up else probe, own

    def condition(self, key: ComponentKey) -> Condition:
        """The same, about one component, and what its type tells of it. Never raises either."""
        from dysnomia_tui.engine.probing import client as probes

        return probes.condition(self.settings, key)

    def discover(self) -> Sequence[Found]:
        """State on this machine that is not configured. Empty in the demo, which is about itself alone."""
        return self.discovered().found

    def discovered(self) -> Discovered:
        """The same, and the applications that are installed here and no group of config.toml yet."""
        if not self.settings.discovers:
            return Discovered()
        from dysnomia_tui.engine.probing import client as probes

        configured = self._world.inventory().components
        all_ = probes.discover(self.settings)
        new = tuple(one for one in all_.found if ComponentKey(one.container, one.component) not in configured)
        return replace(all_, found=new)

    def read_groups(self) -> None:
        """Take the groups of config.toml as they are now: adopting an application writes one."""
        from dysnomia_tui.config.load import groups_now

        with translated():
            self.settings = replace(self.settings, **groups_now(self.settings))
        self._world.settings = self.settings

    def schedule(self) -> Schedule:
        """What is done on time here, and how it stands with systemd. Nothing in the demo."""
        from dysnomia_tui.engine.timers import Schedule, schedule_of

        return schedule_of(self.settings, os.environ) if self.settings.discovers else Schedule()

    def usage(self) -> Usage:
        with translated():
            return self._world.store.usage()

    def trash(self) -> Sequence[TrashView]:
        with translated():
            return [
                TrashView(entry.name, entry.key, entry.generations, entry.stored_size, entry.collected, entry.freed_on)
                for entry in self._world.store.trash()
            ]

    def diff(self, key: ComponentKey, old: Side, new: Side) -> Diff:
        """Begin to compare two generations, or one with what is live."""
        from dysnomia_tui.engine.contents.contents import sides
        from dysnomia_tui.engine.diff.handle import start_diff

        with translated():
            return start_diff(*sides(self._world, key, old, new))

    def sql_patch(self, key: ComponentKey, old: Side, new: Side) -> Iterator[str]:
        """SQL that makes exactly ``new`` of the state ``old``, a piece at a time. Raises Unsupported's EngineError
        before the first piece where it cannot be said in SQL."""
        from dysnomia_tui.engine.contents.contents import sides
        from dysnomia_tui.engine.diff.patch import patch_lines

        with translated():
            yield from patch_lines(*sides(self._world, key, old, new))

    def history(self, key: ComponentKey, asked: HistoryAsked) -> Search[HistoryLine]:
        """Begin to follow a row, a line or a section through the generations, newest first."""
        from dysnomia_tui.engine.finding.handle import start_history

        with translated():
            return start_history(self.settings, key, asked)

    def find(self, key: ComponentKey, asked: FindAsked) -> Search[FoundRow]:
        """Begin to look for a text in the rows and lines of a generation."""
        from dysnomia_tui.engine.finding.handle import start_find

        with translated():
            return start_find(self.settings, key, asked)

    @contextmanager
    def plain(self, key: ComponentKey, number: int) -> Iterator[Plain]:
        """A generation as plain bytes, for standard tools. What fails while they are read has its exit code too."""
        from dysnomia_tui.engine.contents.plain import Plain

        with translated():
            yield Plain(self._world, self._world.store.generation(key, number))

    def export(
        self,
        chosen: Mapping[ComponentKey, Collection[Generation]],
        path: Path,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Archive:
        """Write generations to an archive, a file that is not there yet. The store is only read."""
        with translated():
            generations = {key: tuple(listed) for key, listed in chosen.items()}
            return self._world.store.export(generations, path, host=host_name(), on_bytes=on_bytes)

    def shell(self, key: ComponentKey) -> tuple[Sequence[str], Mapping[str, str]]:
        """argv and environment of the server's own client on the component. Raises ReadOnly: whoever is in it can
        change what is live."""
        if self.read_only:
            raise ReadOnly(f"no shell on {key}: {self.read_only}", "a shell can change what is live")
        self.look_for([key])
        with translated():
            return self._world.plugin(key).shell(self._world.component(key))

    def session(self, key: ComponentKey) -> Session:
        """What a shell with the container's properties is opened with. Raises ReadOnly, as ``shell`` does."""
        from dysnomia_tui.engine.machine.shell_session import session

        if self.read_only:
            raise ReadOnly(f"no shell on {key}: {self.read_only}", "a shell can change what is live")
        self.look_for([key])
        with translated():
            return session(self._world, key)

    def deployment(self, container: str = "") -> Deployment:
        """What is available, active and garbage, and what a deployment would do; of one container, or of all."""
        from dysnomia_tui.engine.operations import deploy

        with translated():
            return deploy.deployment(self._world, container)

    def nothing_to_do(self, key: ComponentKey, activity: str) -> str:
        """Why an activity of a component has nothing to do, or ``""``. Raises Unknown, ConfigError."""
        from dysnomia_tui.engine.operations import deploy

        self.look_for([key])
        with translated():
            return deploy.nothing_to_do(self._world, key, activity)

    # What was done.

    def timeline(self, key: ComponentKey | None = None) -> str:
        """The audit as a UTC timeline of an incident, for handing over."""
        with translated():
            return audit.timeline(self.settings.statedir, host_name(), key, self._gone())

    def audit_entries(self, key: ComponentKey | None = None) -> Sequence[Mapping[str, Any]]:
        """What the timeline is made of, oldest first: each as it was written down (``at`` in ISO 8601)."""
        with translated():
            return audit.in_order(self.settings.statedir, key, self._gone())

    def proofs(self, key: ComponentKey | None = None) -> Sequence[GenerationProofs]:
        """When and how each generation in the store was proved, and by which job and whom."""
        from dysnomia_tui.engine.proofs import proofs

        with translated():
            return tuple(proofs(self._world, key))

    def proofs_text(self, key: ComponentKey | None = None) -> Iterator[str]:
        """The same as lines for handing over."""
        from dysnomia_tui.engine.proofs import lines

        return lines(self.proofs(key), host_name(), key)

    def _gone(self) -> Sequence[Mapping[str, Any]]:
        """Endings that nobody has written down yet: of jobs whose process is gone."""
        missing = []
        for job, entry in audit.unended(self.settings.statedir).items():
            with suppress(Unknown, OSError):
                view = self._board.view(job)
                if view.state is JobState.INTERRUPTED:
                    last = from_seconds(self._board.folder(job).events.stat().st_mtime)
                    at = max(last, moment(entry["at"]))
                    missing.append({**entry, "at": at.isoformat(), "event": view.state.value, "message": view.message})
        return missing
