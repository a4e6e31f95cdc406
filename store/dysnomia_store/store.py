"""The snapshot store of one state directory: the one class that engine code uses.

Readers never wait and never write (besides the cache); writers hold the component's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_store.gcmodel import GcPlan, Policy, TrashEntry
from dysnomia_store.model import Check, Generation, Marks, Metadata, Reason, Section
from dysnomia_store.names import ComponentKey

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a component's lock, readable by anyone who may read the store."""

    who: str
    job: str
    doing: str
    pid: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """One component at a glance, from the cache."""

    key: ComponentKey
    generations: int
    newest: Generation | None
    newest_good: Generation | None
    stored_size: int
    """Real bytes of all its snapshots."""
    active: bool
    garbage: bool
    problems: int
    """Generations that are suspicious, failed a check, lead nowhere."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to."""

    generation: Generation
    new: bool
    """False where the newest generation already held this state: it was only seen again."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Where the space is."""

    by_component: Mapping[ComponentKey, int]
    orphans: int
    trash: int
    disk_total: int
    disk_free: int
    growth: tuple[tuple[datetime, int], ...]
    """Stored bytes over time, one point a day, oldest first."""


class ComponentLock:
    """Held by the one writer of a component. Dies with its process."""

    key: ComponentKey

    def fileno(self) -> int:
        """The descriptor that children inherit."""
        raise NotImplementedError


class SnapshotDraft:
    """A snapshot in the making (the plugin layer's ``Draft``)."""

    folder: Path

    def artefact(self, name: str) -> AbstractContextManager[Any]:
        raise NotImplementedError

    def claim(self, snapshot_id: str) -> None:
        raise NotImplementedError


class StoredSnapshot:
    """A snapshot to be read (the plugin layer's ``Stored``)."""


class Store:
    """A state directory."""

    root: Path
    id: str
    """Made when the store is first written; 32 hex digits."""

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None: ...

    # Reading.

    def keys(self) -> tuple[ComponentKey, ...]:
        """Every component that has snapshots, generations or a marker; names that are no names are left out
        (see ``strange``)."""
        raise NotImplementedError

    def strange(self) -> tuple[str, ...]:
        """What lies in the store and is none of ours nor Dysnomia's, in words, for the alarms."""
        raise NotImplementedError

    def summaries(self) -> Mapping[ComponentKey, Summary]:
        """All components at a glance, quick also with 100,000 generations."""
        raise NotImplementedError

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        """In the order of their numbers. Works on a store of Dysnomia's alone (times estimated)."""
        raise NotImplementedError

    def generation(self, key: ComponentKey, number: int) -> Generation:
        """Raises NotFound, naming what is there."""
        raise NotImplementedError

    def stored(self, key: ComponentKey, snapshot_id: str) -> StoredSnapshot:
        """Raises NotFound."""
        raise NotImplementedError

    def newest_good_before(self, key: ComponentKey, when: datetime) -> Generation | None:
        """By as-of time; a generation counts until it was last seen."""
        raise NotImplementedError

    def usage(self) -> Usage:
        raise NotImplementedError

    def orphans(self, key: ComponentKey) -> tuple[str, ...]:
        """Ids of snapshots no generation points at."""
        raise NotImplementedError

    # Markers, as Dysnomia has them.

    def set_state(self, key: ComponentKey, *, active: bool, garbage: bool) -> None:
        raise NotImplementedError

    # Writing: all under the component's lock.

    def lock(
        self, key: ComponentKey, *, who: str, job: str, doing: str, wait: float | None = 0.0
    ) -> AbstractContextManager[ComponentLock]:
        """Take the lock. ``wait`` in seconds; None waits for ever. Raises Locked, naming the holder."""
        raise NotImplementedError

    def holder(self, key: ComponentKey) -> Holder | None:
        """Who holds it now, without taking it."""
        raise NotImplementedError

    def reserve(self, lock: ComponentLock) -> int:
        """Give out the next generation number for good."""
        raise NotImplementedError

    def draft(
        self, key: ComponentKey, *, job: str, compression: str = "zstd", level: int | None = None
    ) -> AbstractContextManager[SnapshotDraft]:
        """A new folder in staging, swept on leaving unless it was committed."""
        raise NotImplementedError

    def commit(
        self,
        lock: ComponentLock,
        draft: SnapshotDraft,
        *,
        type: str,  # noqa: A002
        digest_version: int,
        as_of: datetime,
        end: datetime,
        complete: bool | None,
        reason: Reason,
        text: str = "",
        who: str = "",
        job: str = "",
        number: int | None = None,
        tool_versions: Mapping[str, str] | None = None,
        surroundings: Mapping[str, Any] | None = None,
        host: str = "",
    ) -> Committed:
        """Make a draft a generation, in the order DESIGN gives. ``number`` is one that was reserved (a guard's):
        then a generation is always made. Otherwise an unchanged state is only recorded as seen."""
        raise NotImplementedError

    def link(
        self,
        lock: ComponentLock,
        snapshot_id: str,
        *,
        reason: Reason,
        restored: int | None = None,
        text: str = "",
        who: str = "",
        job: str = "",
        surroundings: Mapping[str, Any] | None = None,
    ) -> Generation:
        """A new generation on a snapshot that is already there (after a restore)."""
        raise NotImplementedError

    def write_index(
        self, lock: ComponentLock, snapshot_id: str, metadata: Metadata, sections: Iterable[Section]
    ) -> None:
        """Write metadata and contents index of a snapshot of another tool's, worked out afterwards."""
        raise NotImplementedError

    def mark(self, key: ComponentKey, number: int, marks: Marks, *, who: str) -> None:
        """Replace what operators say of a generation. Raises NotFound, NotPermitted."""
        raise NotImplementedError

    def record_check(self, key: ComponentKey, snapshot_id: str, check: Check) -> None:
        raise NotImplementedError

    def check(self, key: ComponentKey, snapshot_id: str, *, on_bytes: Callable[[int], None] | None = None) -> Check:
        """Read every byte and compare with manifest or Dysnomia's checksum. Does not record."""
        raise NotImplementedError

    def import_folder(
        self, lock: ComponentLock, folder: Path, *, who: str = "", job: str = "", move: bool = False
    ) -> Committed:
        """Take a snapshot folder (named by its id) made elsewhere. Verified where it explains itself."""
        raise NotImplementedError

    # Garbage collection.

    def plan_gc(
        self,
        keys: Collection[ComponentKey],
        policy: Callable[[ComponentKey], Policy],
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
        in_use: Mapping[tuple[ComponentKey, str], str] | None = None,
    ) -> GcPlan:
        """Read the store's state and plan (the pure function is ``gc.plan``). ``keep`` and ``drop`` are the
        operator's marks and overrule the policy, but never a pin nor the last good one."""
        raise NotImplementedError

    def apply_gc(
        self,
        plan: GcPlan,
        *,
        grace: float,
        who: str,
        job: str,
        cancelled: Callable[[], bool] | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Sequence[TrashEntry]:
        """Carry the plan out. ``grace`` in seconds until freed; 0 frees at once. Raises Refused when stale."""
        raise NotImplementedError

    def trash(self) -> tuple[TrashEntry, ...]:
        raise NotImplementedError

    def bring_back(self, names: Collection[str], *, who: str, job: str) -> Sequence[Generation]:
        """Undo a collection: snapshots, links and numbers come back as they were."""
        raise NotImplementedError

    def empty_trash(self, names: Collection[str] | None = None) -> int:
        """Free what is due, or what is named. Returns the bytes freed."""
        raise NotImplementedError

    # Recovery.

    def sweep(self, *, alive: Callable[[str], bool]) -> Iterator[str]:
        """Delete staging folders of jobs that are not alive; put the cache and half-made commits right."""
        raise NotImplementedError
