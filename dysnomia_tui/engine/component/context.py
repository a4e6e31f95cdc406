"""What an activity works with: the store, the plugin, the component, and the job it is done for.

The worker process makes a ``ComponentJob`` from a job's folder; tests make one by hand. Both run the same activities.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.clock import utc_now
from dysnomia_base.host import host_name
from dysnomia_base.records import dataclass
from dysnomia_plugins.base import (
    CancelToken,
    Component,
    Context,
    Dumped,
    Earlier,
    Journal,
    Plugin,
    Progress,
    Runner,
    StatePlugin,
)
from dysnomia_plugins.errors import Unsupported
from dysnomia_store.errors import Locked
from dysnomia_store.model import CommitInfo, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.journal import PluginJournal
from dysnomia_tui.engine.component.runner import CancelShield, HoldingRunner

if TYPE_CHECKING:
    from dysnomia_store import SnapshotDraft
    from dysnomia_store.store import ComponentLock, Store
    from dysnomia_tui.engine.component.left import UnfinishedJob

LOCK_ROUND = 0.25
"""Seconds of one try at the component's lock, between two looks at the cancel token."""


KEPT = 10
"""Of the warnings of a dump, how many are recorded with its snapshot."""
WORDS = 400
"""Characters of each."""


def _kept(warnings: Sequence[str]) -> tuple[str, ...]:
    """What is recorded of warnings: a plan and a list show them, and they are read with every generation."""
    more = (f"and {len(warnings) - KEPT:,} more",) if len(warnings) > KEPT else ()
    return (*(text[:WORDS] for text in warnings[:KEPT]), *more)


def dump_reader(plugin: Plugin, component: Component, compression: str) -> str:
    """The user who may read a snapshot besides its owner: whom bash Dysnomia's module of the type becomes, where the
    store is one that it restores from as well. ``""`` for nobody."""
    if os.geteuid() != 0 or not isinstance(plugin, StatePlugin) or compression != plugin.read_by_dysnomia:
        return ""
    user = plugin.dump_reader(component)
    try:
        return pwd.getpwnam(user).pw_name if user else ""
    except KeyError:
        return ""  # as whom nobody restores here


@dataclass(frozen=True)
class ComponentJob:
    """The context of an activity in the engine, one job on one component."""

    store: Store
    plugin: Plugin
    component: Component
    job: str
    who: str
    journal: Journal
    runner: Runner
    progress: Progress
    cancel: CancelToken
    compression: str = "zstd"
    level: int | None = None
    guard_hold: timedelta = timedelta(days=7)
    """How long a guard is held against GC."""
    read_all_every: timedelta = timedelta(days=7)
    """For so long a dump may take over what did not change since the newest snapshot."""
    wait: float | None = None
    """Seconds to wait for the component's lock; None waits until cancelled."""
    clock: Callable[[], datetime] = utc_now
    host: str = field(default_factory=host_name)
    planned: str = ""
    """What was live when the plan was made (``StatePlugin.identity``): nothing else is replaced. ``""``: not known."""
    unsettled: Callable[[], Sequence[UnfinishedJob]] = tuple
    """Jobs on this component that left something behind: the next writer, who holds the lock, puts it right."""
    half_restored: Callable[[], Sequence[UnfinishedJob]] = tuple
    """Jobs on this component whose module did not come to the end of its restore, and nothing made live whole since."""
    only_listed: bool = False
    """A look at its server found the component (``components=*``), and nobody activated it."""
    _held: list[int] = field(default_factory=list)
    """Descriptors of the locks held now: child processes hold them as well, so that a dead worker's children keep
    other writers out while they end."""

    @property
    def key(self) -> ComponentKey:
        return self.component.key

    @property
    def active(self) -> bool:
        """Whether the component is marked as active."""
        return self.store.is_active(self.key)

    def draft(self, job: str = "") -> AbstractContextManager[SnapshotDraft]:
        """A snapshot in the making, described as this plugin's."""
        return self.store.draft(
            self.key,
            job=job or self.job,
            compression=self.compression,
            level=self.level,
            type=self.plugin.type,
            digest_version=getattr(self.plugin, "digest_version", 0),
            reader=dump_reader(self.plugin, self.component, self.compression),
        )

    def commit_info(
        self, dumped: Dumped, reason: Reason, text: str = "", *, who: str = "", job: str = ""
    ) -> CommitInfo:
        """What is recorded with a dump of this component: of this job's unless told otherwise."""
        return CommitInfo(
            as_of=dumped.as_of,
            end=dumped.end,
            reason=reason,
            text=text,
            who=who or self.who,
            job=job or self.job,
            surroundings=dumped.surroundings,
            type=self.plugin.type,
            digest_version=getattr(self.plugin, "digest_version", 0),
            complete=dumped.complete,
            tool_versions=dumped.tool_versions,
            host=self.host,
            lacks=dumped.lacks,
            warnings=_kept(dumped.warnings),
        )

    def link_info(self, restored: int, text: str = "", *, who: str = "", job: str = "") -> CommitInfo:
        """What is recorded with the generation that a restore makes of generation ``restored``'s snapshot."""
        now = self.clock()
        return CommitInfo(now, now, Reason.RESTORE, text, restored, who or self.who, job or self.job)

    def tag(self, job: str = "") -> str:
        """What goes into the name of everything a job makes: ``<8 hex of the store's id>_<job id>``."""
        return f"{self.store.id[:8]}_{job or self.job}"

    @contextmanager
    def context(
        self, *, made_here: bool = True, of: UnfinishedJob | None = None, earlier: Earlier | None = None
    ) -> Iterator[Context]:
        """The context a plugin gets, for this job or for the recovery of another. Its staging folder goes after."""
        job = of.job if of else self.job
        journal = of.journal if of else self.journal
        staging = self._staging()
        try:
            yield Context(
                component=self.component,
                runner=HoldingRunner(self.runner, self._held),
                progress=self.progress,
                cancel=self.cancel,
                journal=PluginJournal(journal),
                staging=staging,
                tag=self.tag(job),
                made_here=made_here,
                earlier=earlier,
            )
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """A cancel is not heard inside: for putting things right, which must not be stopped half-way."""
        if isinstance(self.cancel, CancelShield):
            with self.cancel.up():
                yield
        else:
            yield

    def hold(self, other: ComponentJob) -> None:
        """Let children of this job's component hold the lock of another one as well. Until this one's is released."""
        self._held.extend(other._held)

    def _staging(self) -> Path:
        """A private folder on the store's file system, called so that the store's sweep knows whose it is."""
        staging = self.store.root / "staging"
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{self.job}.", dir=staging))

    @contextmanager
    def locked(self, doing: str) -> Iterator[ComponentLock]:
        """Hold the component's lock. Raises Locked (with a ``wait``) or Cancelled."""
        rounds = None if self.wait is None else max(1, round(self.wait / LOCK_ROUND))
        while True:
            self.cancel.check()
            taken = self.store.lock(self.key, who=self.who, job=self.job, doing=doing, wait=LOCK_ROUND)
            try:
                lock = taken.__enter__()
            except Locked:
                rounds = None if rounds is None else rounds - 1
                if rounds is not None and rounds <= 0:
                    raise
                continue
            break
        try:
            self._held.append(lock.fileno())
            for healed in self.store.heal(lock):
                self.progress.log(healed.text)
            yield lock
        finally:
            self._held.clear()
            taken.__exit__(None, None, None)


def state_plugin(component_job: ComponentJob) -> StatePlugin:
    """The job's plugin, which must hold state. Raises Unsupported."""
    if not isinstance(component_job.plugin, StatePlugin):
        raise Unsupported(
            f"{component_job.key} is of type {component_job.plugin.type!r}, which holds no state of its own"
        )
    return component_job.plugin


def settle_others(component_job: ComponentJob, lock: ComponentLock, but: str = "") -> None:
    """Put right what dead jobs left on this component, before anything else is written."""
    for left in component_job.unsettled():
        if left.job not in (but, component_job.job):
            _settle(component_job, lock, left)


def settle_one(component_job: ComponentJob, lock: ComponentLock, left: UnfinishedJob) -> None:
    """Put right what one job left, if it left anything."""
    from dysnomia_tui.engine.component.left import needs_settling

    if needs_settling(left):
        _settle(component_job, lock, left)


def _settle(component_job: ComponentJob, lock: ComponentLock, left: UnfinishedJob) -> None:
    from dysnomia_tui.engine.component.recover import recover_job  # almost no writer finds such a job

    component_job.progress.log(f"recovering what job {left.job} left behind")
    component_job.progress.log(recover_job(component_job, lock, left).text)
