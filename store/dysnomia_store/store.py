"""The snapshot store of one state directory: the one class that engine code uses.

Readers never wait and never write (besides the cache); writers hold the component's lock. Opening a store makes nothing
and imports little: what a method needs is imported when it is first called.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_store.disk import Access, Disk, in_words
from dysnomia_store.errors import NotFound, NotPermitted, Refused, StoreFull
from dysnomia_store.gcmodel import GcPlan, Policy, TrashEntry
from dysnomia_store.house import Clock, House, system_clock
from dysnomia_store.layout import Layout
from dysnomia_store.locks import ComponentLock, Holder, component_lock, holder_of
from dysnomia_store.model import Check, Generation, History, Marks, Metadata, Reason, Section, Seen
from dysnomia_store.names import ComponentKey

if TYPE_CHECKING:
    from dysnomia_store.cache import Cache
    from dysnomia_store.component import Reading
    from dysnomia_store.heal import Healed
    from dysnomia_store.snapshots import SnapshotDraft, StoredSnapshot

__all__ = ["Clock", "Committed", "ComponentLock", "Holder", "Store", "Summary", "Usage"]


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


class Store:
    """A state directory.

    Args:
        root: where it is; it need not be there yet.
        clock: what time it is, for tests and demos.
        group: the name of a group that may read all of it, or ``""``.
        disk: what changes the file system, for tests.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None, group: str = "", disk: Disk | None = None) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 (links in it stay as they are)
        layout = Layout(self.root)
        self._house = House(layout, disk or Disk(_access(group)), clock or system_clock)
        self._layout = layout
        self._held: dict[ComponentKey, tuple[ComponentLock, int]] = {}
        self._mutex = threading.Lock()
        self._cached: Cache | None = None
        self._listed: tuple[ComponentKey | None, str, tuple[Generation, ...]] = None, "", ()
        """The generations that were listed last: a screen asks for the same ones again and again."""

    @property
    def id(self) -> str:
        """Made when the store is first written; 32 hex digits. ``""`` until then."""
        return self._house.store_id

    def close(self) -> None:
        """Let go of the cache's file. The store can be used again."""
        with self._mutex:
            if self._cached is not None:
                self._cached.close()
                self._cached = None

    # Reading.

    def keys(self) -> tuple[ComponentKey, ...]:
        """Every component that has snapshots, generations or a marker; names that are no names are left out
        (see ``strange``)."""
        from dysnomia_store.survey import keys

        return keys(self._layout)

    def strange(self) -> tuple[str, ...]:
        """What lies in the store and is none of ours nor Dysnomia's, in words, for the alarms."""
        from dysnomia_store.survey import strange

        return strange(self._layout)

    def all_generations(
        self, container: str | None = None, component: str | None = None
    ) -> Iterator[tuple[ComponentKey, int, str]]:
        """(key, number, id) of every generation, sorted, straight from the links. ``""`` as id leads nowhere."""
        from dysnomia_store.survey import all_generations

        return all_generations(self._layout, container, component)

    def summaries(self) -> Mapping[ComponentKey, Summary]:
        """All components at a glance, quick also with 100,000 generations."""
        return {key: self.summary(key) for key in self.keys()}

    def summary(self, key: ComponentKey) -> Summary:
        """One component at a glance. What may not be read of it counts as nothing."""
        from dysnomia_store.state import marked_as
        from dysnomia_store.views import generations

        active, garbage = marked_as(self._layout, key)
        try:
            glance = self._cache.glance(key)
            wanted = [number for number in (glance.newest, glance.newest_good) if number is not None]
            found = {one.number: one for one in generations(key, self._cache.lines(key, set(wanted)))}
        except NotPermitted:
            return Summary(key, 0, None, None, 0, active, garbage, 0)
        return Summary(
            key=key,
            generations=glance.count,
            newest=None if glance.newest is None else found.get(glance.newest),
            newest_good=None if glance.newest_good is None else found.get(glance.newest_good),
            stored_size=glance.stored,
            active=active,
            garbage=garbage,
            problems=glance.problems,
        )

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        """In the order of their numbers. Works on a store of Dysnomia's alone (times estimated).

        Raises NotPermitted.
        """
        from dysnomia_store.views import generations

        proof = self._cache.proven(key)
        with self._mutex:
            known, its_proof, found = self._listed
        if known == key and proof and proof == its_proof:
            return found
        found = generations(key, self._cache.lines(key))
        with self._mutex:
            self._listed = key, proof, found
        return found

    def generation(self, key: ComponentKey, number: int) -> Generation:
        """Raises NotFound, naming what is there."""
        from dysnomia_store.views import generations

        found = generations(key, self._cache.lines(key, (number,)))
        if not found:
            there = sorted(number for _, number, _ in self.all_generations(key.container, key.component))
            span = f"it has {len(there)}, {there[0]} to {there[-1]}" if there else "it has none"
            raise NotFound(f"{key} has no generation {number}", span)
        return found[0]

    def history(self, key: ComponentKey, number: int) -> History | None:
        """How a generation came to be, with the surroundings of its time; None where nothing was written."""
        from dysnomia_store.heal import history_at

        return history_at(self._house, key, number, self.generation(key, number).id)

    def seen(self, key: ComponentKey, number: int) -> tuple[Seen, ...]:
        """The later snapshots that found a generation's state again, oldest first."""
        from dysnomia_store.component import seen_of

        return seen_of(self._layout, key, number, self.generation(key, number).id)

    def checks(self, key: ComponentKey, snapshot_id: str) -> tuple[Check, ...]:
        """Every result of check and verify, oldest first."""
        from dysnomia_store.checks import results

        return results(self._layout, key, snapshot_id)

    def stored(self, key: ComponentKey, snapshot_id: str) -> StoredSnapshot:
        """Raises NotFound."""
        from dysnomia_store.install import metadata_at
        from dysnomia_store.snapshots import StoredSnapshot

        folder = self._layout.snapshot(key, snapshot_id)
        with in_words(f"looking for snapshot {snapshot_id} of {key}"):
            if not snapshot_id or not folder.is_dir():
                raise NotFound(f"{key} has no snapshot {snapshot_id}", "it may have been collected: look in the trash")
        metadata = metadata_at(self._house, key, snapshot_id)
        return StoredSnapshot(folder, metadata, self._layout.index(key, snapshot_id))

    def newest_good_before(self, key: ComponentKey, when: datetime) -> Generation | None:
        """By as-of time; a generation counts until it was last seen."""
        from dysnomia_store.views import newest_good_before

        number = newest_good_before(self.reading(key), when)
        return None if number is None else self.generation(key, number)

    def usage(self) -> Usage:
        """Where the space is, and how it grew."""
        from dysnomia_store.usage import usage

        return usage(self)

    def reading(self, key: ComponentKey) -> Reading:
        """What was read of a component, undigested, for those who count over all of it."""
        return self._cache.light(key)

    def orphans(self, key: ComponentKey) -> tuple[str, ...]:
        """Ids of snapshots no generation points at."""
        reading = self.reading(key)
        linked = {gen.id for gen in reading.gens.values()}
        return tuple(sorted(snap.id for snap in reading.snaps.values() if snap.exists and snap.id not in linked))

    # Markers, as Dysnomia has them.

    def set_state(self, key: ComponentKey, *, active: bool, garbage: bool) -> None:
        """Set or delete the two marker files. Raises StoreError."""
        from dysnomia_store.state import mark_as

        self._house.ready()
        mark_as(self._house, key, active=active, garbage=garbage)

    # Writing: all under the component's lock.

    @contextmanager
    def lock(
        self, key: ComponentKey, *, who: str, job: str, doing: str, wait: float | None = 0.0
    ) -> Iterator[ComponentLock]:
        """Take the lock. ``wait`` in seconds; None waits for ever. Raises Locked, naming the holder.

        It is this object's while held: methods that lock by themselves (``apply_gc``, ``bring_back``) then use it.
        """
        self._house.ready()
        holder = Holder(who, job, doing, os.getpid(), self._house.clock())
        with component_lock(self._house.disk, self._layout, key, holder, wait) as lock:
            with self._mutex:
                self._held[key] = lock, threading.get_ident()
            try:
                yield lock
            finally:
                with self._mutex:
                    del self._held[key]

    def holder(self, key: ComponentKey) -> Holder | None:
        """Who holds it now, without taking it."""
        return holder_of(self._layout, key)

    def heal(self, lock: ComponentLock) -> tuple[Healed, ...]:
        """Bring back pinned generations that bash Dysnomia collected. Every writer does it first by itself."""
        from dysnomia_store.heal import heal

        return heal(self._house, self._holding(lock))

    def reserve(self, lock: ComponentLock) -> int:
        """Give out the next generation number for good."""
        from dysnomia_store.numbers import reserve

        self.heal(lock)
        return reserve(self._house, lock.key)

    @contextmanager
    def draft(
        self,
        key: ComponentKey,
        *,
        job: str,
        compression: str = "zstd",
        level: int | None = None,
        type: str = "",  # noqa: A002
        digest_version: int = 1,
        reader: str = "",
    ) -> Iterator[SnapshotDraft]:
        """A new folder in staging, swept on leaving unless it was committed.

        ``reader`` names a user who may read the snapshot besides the owner: bash Dysnomia's module becomes another.
        """
        from dysnomia_store.snapshots import SnapshotDraft

        self._house.ready()
        about = {"component": str(key), "type": type, "digest_version": digest_version}
        with in_words(f"starting a snapshot of {key}"):
            self._house.fill_reserve()
            base = self._house.stage(job)
        draft = SnapshotDraft(
            base,
            disk=self._house.disk,
            compression=compression,
            level=level,
            about=about,
            reader=_group_of(reader) if reader else None,
        )
        try:
            yield draft
        finally:
            draft.abort()
            try:
                self._house.disk.remove_tree(base)
            except OSError:
                pass  # the next sweep takes it

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
        from dysnomia_store.commit import About, commit

        key = self._holding(lock)
        self.heal(lock)
        sealed = draft.seal()
        metadata = Metadata(
            id=sealed.id,
            type=type,
            content_size=sealed.content_size,
            stored_size=sealed.stored_size,
            files=sealed.files,
            digest=sealed.digest,
            digest_version=digest_version,
            complete=complete,
            sections=sealed.sections,
            rows=sealed.rows,
            tool_versions=tool_versions or {},
            host=host,
            surroundings=surroundings or {},
            origin=self.id,
        )
        about = About(as_of, end, reason, text, None, who, job, surroundings)
        made, new = commit(self._house, key, draft, metadata, about, number)
        return Committed(self.generation(key, made), new)

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
        number: int | None = None,
        as_of: datetime | None = None,
    ) -> Generation:
        """A new generation on a snapshot that is already there (after a restore). ``as_of`` is now, if not given."""
        from dysnomia_store.commit import About, generation

        key = self._holding(lock)
        self.heal(lock)
        now = self._house.clock()
        about = About(as_of or now, now, reason, text, restored, who, job, surroundings)
        return self.generation(key, generation(self._house, key, snapshot_id, about, number))

    def write_index(
        self, lock: ComponentLock, snapshot_id: str, metadata: Metadata, sections: Iterable[Section]
    ) -> None:
        """Write metadata and contents index of a snapshot of another tool's, worked out afterwards."""
        from dysnomia_store.describe import write_index

        write_index(self._house, self._holding(lock), snapshot_id, metadata, sections)

    def mark(self, key: ComponentKey, number: int, marks: Marks, *, who: str) -> None:
        """Replace what operators say of a generation. Raises NotFound, NotPermitted."""
        from dysnomia_store.marks import write

        found = self.generation(key, number)
        if not found.id:
            raise Refused(f"generation {number} of {key} cannot be marked", found.problem)
        self._house.ready()
        write(self._house, key, number, found.id, marks, who)

    def record_check(self, key: ComponentKey, snapshot_id: str, check: Check) -> None:
        """Add a result to what is known of a snapshot. Raises StoreError."""
        from dysnomia_store.checks import record

        self._house.ready()
        record(self._house, key, snapshot_id, check)

    def check(self, key: ComponentKey, snapshot_id: str, *, on_bytes: Callable[[int], None] | None = None) -> Check:
        """Read every byte and compare with manifest or Dysnomia's checksum. Does not record."""
        from dysnomia_store.checks import check

        return check(self._layout, key, snapshot_id, self._house.clock(), on_bytes)

    def import_folder(
        self, lock: ComponentLock, folder: Path, *, who: str = "", job: str = "", move: bool = False
    ) -> Committed:
        """Take a snapshot folder (named by its id) made elsewhere. Verified where it explains itself."""
        from dysnomia_store.importing import import_folder

        key = self._holding(lock)
        self.heal(lock)
        made, new = import_folder(self._house, key, folder, who=who, job=job, move=move)
        return Committed(self.generation(key, made), new)

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
        from dysnomia_store.gc import plan
        from dysnomia_store.gcstate import gc_state

        states = [gc_state(key, self.reading(key)) for key in sorted(set(keys))]
        return plan(states, policy, at=self._house.clock(), keep=keep, drop=drop, in_use=in_use or {})

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
        from dysnomia_store.collect import Collector

        collector = Collector(self._house, plan, grace=grace, who=who, job=job, cancelled=cancelled, on_step=on_step)
        for key in collector.keys:
            with self._locked(key, who=who, job=job, doing="collecting garbage") as lock:
                self.heal(lock)
                collector.check(key, self.reading(key))
        for key in collector.keys:
            if collector.stopped:
                break
            with self._locked(key, who=who, job=job, doing="collecting garbage"):
                collector.collect(key, lambda key=key: self.reading(key))  # type: ignore[misc]
        if grace <= 0:
            return ()
        made = {collection.path for collection in collector.made}
        from dysnomia_store.trash import listed

        return tuple(entry for entry, collection in listed(self._layout) if collection.path in made)

    def trash(self) -> tuple[TrashEntry, ...]:
        """What lies in the trash, oldest first."""
        from dysnomia_store.trash import listed

        return tuple(entry for entry, _ in listed(self._layout))

    def bring_back(self, names: Collection[str], *, who: str, job: str) -> Sequence[Generation]:
        """Undo a collection: snapshots, links and numbers come back as they were."""
        from dysnomia_store.collect import bring_back
        from dysnomia_store.trash import chosen

        entries = chosen(self._layout, names)
        found: list[Generation] = []
        for key in sorted({entry.key for entry, _ in entries}):
            with self._locked(key, who=who, job=job, doing="bringing back what was collected"):
                numbers = bring_back(self._house, key, [pair for pair in entries if pair[0].key == key])
            found.extend(self.generation(key, number) for number in numbers)
        return found

    def empty_trash(self, names: Collection[str] | None = None) -> int:
        """Free what is due, or what is named. Returns the bytes freed."""
        from dysnomia_store.trash import chosen, close_if_empty, free, listed

        now = self._house.clock()
        entries = (
            [pair for pair in listed(self._layout) if pair[0].freed_on <= now]
            if names is None
            else chosen(self._layout, names)
        )
        freed = 0
        for entry, collection in entries:
            with self._locked(entry.key, who="", job="", doing="emptying the trash"):
                freed += free(self._house, entry, collection)
                close_if_empty(self._house, collection)
        return freed

    # Recovery.

    def give_reserve(self) -> bool:
        """Give the 8 MiB laid aside back to a full disk. The next draft lays them aside again."""
        return self._house.give_reserve()

    def sweep(self, *, alive: Callable[[str], bool]) -> Iterator[str]:
        """Delete staging folders of jobs that are not alive; put the cache and half-made commits right."""
        from dysnomia_store.sweep import sweep

        yield from sweep(self, self._house, alive)
        self._cache.forget()

    # How.

    @property
    def _cache(self) -> Cache:
        from dysnomia_store.cache import Cache

        with self._mutex:
            if self._cached is None:
                self._cached = Cache(self._layout, self._house.disk)
            return self._cached

    def _holding(self, lock: ComponentLock) -> ComponentKey:
        """The key of a lock that is held. Raises Refused: writing without is a fault of the program."""
        with self._mutex:
            if self._held.get(lock.key, (None, 0))[0] is not lock:
                raise Refused(f"{lock.key} is not locked", "take its lock first")
        return lock.key

    @contextmanager
    def _locked(
        self, key: ComponentKey, *, who: str, job: str, doing: str, wait: float = 30.0
    ) -> Iterator[ComponentLock]:
        """The lock this thread holds already, or a new one."""
        with self._mutex:
            held, thread = self._held.get(key, (None, 0))
        if held is not None and thread == threading.get_ident():
            yield held
            return
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(self.lock(key, who=who, job=job, doing=doing, wait=wait))
            except StoreFull:
                if not self.give_reserve():
                    raise
                lock = stack.enter_context(self.lock(key, who=who, job=job, doing=doing, wait=wait))
            yield lock


def _access(group: str) -> Access:
    """What a group's name means. Raises NotFound where there is none."""
    if not group:
        return Access()
    import grp

    try:
        return Access(grp.getgrnam(group).gr_gid)
    except KeyError:
        raise NotFound(f"there is no group {group!r}", "create it, or change it in config.toml") from None


def _group_of(user: str) -> int:
    """A user's own group. Raises NotFound."""
    import pwd

    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        raise NotFound(f"there is no user {user!r}", "create it, or change the container's configuration") from None
