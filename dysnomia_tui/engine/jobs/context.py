"""What a worker works with, and how a job comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_base.records import dataclass
from dysnomia_plugins.errors import Cancelled
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_tui.engine.component.context import ComponentJob
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.jobs.events import EventLog, JobProgress
from dysnomia_tui.engine.machine.listed import only_listed
from dysnomia_tui.engine.plans.staleness import LIVE
from dysnomia_tui.engine.redact import Redactor, secrets_of

if TYPE_CHECKING:
    from dysnomia_plugins.base import Component
    from dysnomia_tui.engine.component.runner import CancelShield
    from dysnomia_tui.engine.jobs.board import JobBoard
    from dysnomia_tui.engine.jobs.folder import JobFolder
    from dysnomia_tui.engine.machine.machine import Machine
    from dysnomia_tui.engine.plans.plan import Plan
    from dysnomia_tui.engine.records import JobState

ELSEWHERE = "elsewhere"
"""Of a plan's params: its second component is a copy in another container."""
LOOK = 0.05
"""Seconds between two looks for the cancel file."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    state: JobState
    message: str
    exit: Exit = Exit.OK
    hint: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def warning(self, texts: Sequence[str]) -> Outcome:
        """The same, with what was warned of on the way."""
        if not texts:
            return self
        warnings = [*self.details.get("warnings", ()), *texts]
        return replace(self, message="; ".join((self.message, *texts)), details={**self.details, "warnings": warnings})


class JobCancel:
    """The cancel token of a job: a file in its folder, or a signal to the worker."""

    def __init__(self, folder: JobFolder) -> None:
        self._path: Path = folder.path / "cancel"
        self._asked = False
        self._next = 0.0

    @property
    def cancelled(self) -> bool:
        now = time.monotonic()
        if not self._asked and now >= self._next:
            self._next = now + LOOK
            self._asked = self._path.exists()
        return self._asked

    def ask(self) -> None:
        self._asked = True

    def check(self) -> None:
        """Raises Cancelled, naming who asked for it, where the job was asked to stop."""
        if self.cancelled:
            raise Cancelled(f"cancelled by {self._by()}")

    def _by(self) -> str:
        """Who asked; a signal to the worker has no name."""
        try:
            return self._path.read_text("utf-8", "replace").strip() or "the operator"
        except OSError:
            return "a signal"


def secrets_in(machine: Machine, plan: Plan) -> tuple[str, ...]:
    """The secrets of a plan's components, which no message of its job may hold; one that is not configured has none."""
    from dysnomia_tui.engine.translate import Expected

    secrets: dict[str, None] = {}
    for key in plan.keys:
        with suppress(*Expected):
            secrets |= dict.fromkeys(secrets_of(machine.component(key).properties))
    return tuple(secrets)


@dataclass(frozen=True)
class JobContext:
    """One job in its worker."""

    machine: Machine
    board: JobBoard
    folder: JobFolder
    plan: Plan
    who: str
    why: str
    host: str
    log: EventLog
    cancel: CancelShield
    lock: int
    """The job's own lock, which every child inherits."""
    clock: Callable[[], datetime]

    @property
    def id(self) -> str:
        return self.folder.id

    def _component(self, index: int) -> Component:
        """The second one of a job that makes a copy in another container need not be configured."""
        keys = self.plan.keys
        if index and self.plan.params.get(ELSEWHERE):
            return self.machine.place_elsewhere(keys[0], keys[index])
        return self.machine.component(keys[index])

    def component_job(self, index: int = 0) -> ComponentJob:
        """The ComponentJob for the plan's component ``index``. Raises Unknown, ConfigError, PluginError."""
        key = self.plan.keys[index]
        component = self._component(index)
        settings = self.machine.settings
        secrets = secrets_of(component.properties)
        log = EventLog(self.folder.events, Redactor(secrets), self.clock, self.log.warned)
        return ComponentJob(
            store=self.machine.store,
            plugin=self.machine.plugin(key),
            component=component,
            job=self.id,
            who=self.who,
            journal=self.folder.journal(index),
            runner=ProcessRunner(self.cancel, inherit=(self.lock,), secrets=secrets),
            progress=JobProgress(log, str(key)),
            cancel=self.cancel,
            compression=settings.compression_by_container.get(key.container, settings.compression),
            level=settings.level,
            guard_hold=settings.guard_hold,
            read_all_every=settings.read_all_every,
            clock=self.clock,
            host=self.host,
            planned=self.plan.depends.get(f"{LIVE} {key}", ""),
            unsettled=lambda: self.board.unsettled(key, but=self.id),
            half_restored=lambda: self.board.half_restored(key, but=self.id),
            only_listed=only_listed(self.machine.store, key),
        )
