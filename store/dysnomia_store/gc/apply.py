"""Apply a garbage collection plan, and undo it.

Links go first, each by a rename into the trash; then the snapshots that no link needs. Whatever a crash leaves is in
its place or in the trash, whole. Nothing here needs space but the folder of the collection itself: on a full disk the
reserve is given back for that, and what is deleted at once needs not even that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_store.catalog import marks
from dysnomia_store.catalog.component import ComponentReading
from dysnomia_store.disk.layout import pointed_at
from dysnomia_store.disk.locks import ComponentLock, records_lock
from dysnomia_store.disk.numbers import reserve
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Refused, StoreFull
from dysnomia_store.gc import trash
from dysnomia_store.gc.state import digest_of
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.snapshots import remove_snapshot
from dysnomia_store.records.retention import GcPlan, GcSnapshot, TrashEntry


class Collector:
    """One plan, being carried out component by component under each one's lock."""

    def __init__(
        self,
        workspace: Workspace,
        plan: GcPlan,
        *,
        grace: float,
        who: str,
        job: str,
        cancelled: Callable[[], bool] | None,
        on_step: Callable[[int, int], None] | None,
    ) -> None:
        self._workspace = workspace
        self._plan = plan
        self._grace = grace
        self._who = who
        self._job = job
        self._cancelled = cancelled
        self._on_step = on_step
        self._links: dict[ComponentKey, list[int]] = {}
        for line in plan.dropped:
            self._links.setdefault(line.key, []).append(line.number)
        for key, name in plan.broken_links:
            self._links.setdefault(key, []).append(int(name))
        self._snapshots: dict[ComponentKey, list[GcSnapshot]] = {}
        for snapshot in plan.snapshots:
            self._snapshots.setdefault(snapshot.key, []).append(snapshot)
        self._keys = tuple(sorted(self._links.keys() | self._snapshots.keys()))
        self._made: list[trash.Collected] = []
        self._done = 0
        self._total = sum(map(len, self._links.values())) + sum(map(len, self._snapshots.values()))

    @property
    def stopped(self) -> bool:
        """Whether a cancel was asked for. What was done until then stays done."""
        return self._cancelled is not None and self._cancelled()

    def run(
        self,
        locked: Callable[[ComponentKey], AbstractContextManager[ComponentLock]],
        heal: Callable[[ComponentLock], object],
        reading: Callable[[ComponentKey], ComponentReading],
    ) -> None:
        """Check every component, then collect one after the other, each under its lock.

        Args:
            locked: takes the lock of a component.
            heal: brings back what another tool collected, under the lock.
            reading: reads a component anew.

        Raises:
            Refused: a component is no longer the one the plan was made from; nothing was touched.
            StoreError: what was not reached is as it was.
        """
        for key in self._keys:
            with locked(key) as lock:
                heal(lock)
                self.check(key, reading(key))
        for key in self._keys:
            if self.stopped:
                break
            with locked(key):
                self.collect(key, partial(reading, key))

    def trashed(self) -> tuple[TrashEntry, ...]:
        """What is in the trash by this collection."""
        if self._grace <= 0:
            return ()
        made = {collection.path for collection in self._made}
        listed = trash.listed(self._workspace.layout)
        return tuple(entry for entry, collection in listed if collection.path in made)

    def check(self, key: ComponentKey, reading: ComponentReading) -> None:
        """Raises Refused where the component is no longer the one the plan was made from."""
        if digest_of(reading) != self._plan.generations.get(str(key)):
            raise Refused(f"{key} has changed since this was planned; nothing of it was touched", "plan it again")

    def collect(self, key: ComponentKey, reading: Callable[[], ComponentReading]) -> None:
        """Collect one component. Raises StoreError; what was not reached is as it was.

        ``reading`` is asked once nobody can pin anything any longer.
        """
        with in_words(f"collecting garbage of {key}"), records_lock(self._workspace.disk, self._workspace.layout, key):
            self.check(key, reading())
            links = sorted(self._links.get(key, ()))
            collection = self._begin(key)
            if links and self._grace <= 0:
                self._remember(key, max(links))
            self._take_links(key, links, collection)
            if not self.stopped:
                self._take_snapshots(key, collection)
            if collection is not None and self._grace <= 0:
                for snapshot_id in collection.ids():
                    trash.free_snapshot(self._workspace, collection, snapshot_id)
                self._workspace.disk.remove_tree(collection.path)
            marks.drop_copies(self._workspace, key)
            self._tidy(key)

    def _remember(self, key: ComponentKey, number: int) -> None:
        """Record a number as used when the trash will not: it is never reused. History says most of them as well, so a
        disk without room for an empty file holds nothing up."""
        with suppress(StoreFull):
            try:
                reserve(self._workspace, key, number)
            except StoreFull:
                if not self._workspace.release_reserve():
                    raise
                reserve(self._workspace, key, number)

    def _begin(self, key: ComponentKey) -> trash.Collected | None:
        """The folder in the trash; None where what goes is deleted at once and there is no room for one."""
        sizes = {snapshot.id: snapshot.stored_size for snapshot in self._snapshots.get(key, ())}

        def begin() -> trash.Collected:
            return trash.begin(
                self._workspace, key, grace=self._grace, who=self._who, job=self._job, why="garbage", sizes=sizes
            )

        try:
            collection = self._workspace.retry_with_reserve(begin)
        except OSError as error:
            if error.errno in NO_SPACE and self._grace <= 0:
                return None
            raise
        self._made.append(collection)
        return collection

    def _take_links(self, key: ComponentKey, numbers: list[int], collection: trash.Collected | None) -> None:
        workspace = self._workspace
        pins = marks.held(workspace.layout, key)
        for number in numbers:
            if self.stopped:
                break
            link = workspace.layout.link(key, number)
            for held in pins.get(number, ()):
                marks.let_go(workspace, key, held)
            with suppress(FileNotFoundError):
                if collection is None:
                    workspace.disk.unlink(link)
                else:
                    lies = collection.link(number)
                    workspace.retry_with_reserve(lambda link=link, lies=lies: workspace.disk.rename(link, lies))  # type: ignore[misc]
            self._step()
        with suppress(FileNotFoundError):
            workspace.disk.fsync_path(workspace.layout.of("generations", key))
        if collection is not None:
            workspace.disk.fsync_path(collection.path / "generations")

    def _take_snapshots(self, key: ComponentKey, collection: trash.Collected | None) -> None:
        workspace = self._workspace
        needed = _linked(workspace, key)
        for snapshot in self._snapshots.get(key, ()):
            if self.stopped:
                break
            if snapshot.id not in needed:
                if collection is None:
                    _delete(workspace, key, snapshot.id)
                else:
                    workspace.retry_with_reserve(partial(trash.take_snapshot, workspace, collection, snapshot.id))
            self._step()
        if collection is not None:
            trash.settle(workspace, collection)

    def _tidy(self, key: ComponentKey) -> None:
        """Delete folders that became empty, as Dysnomia does. What is not empty stays."""
        for name in ("generations", "snapshots", "checksums"):
            folder = self._workspace.layout.of(name, key)
            if folder.is_dir() and self._workspace.disk.rmdir_if_empty(folder):
                self._workspace.disk.rmdir_if_empty(folder.parent)

    def _step(self) -> None:
        self._done += 1
        if self._on_step is not None:
            self._on_step(self._done, self._total)


def _linked(workspace: Workspace, key: ComponentKey) -> set[str]:
    """Ids that links name now: checked again, in case another tool has linked one since the plan."""
    ids = set()
    with suppress(FileNotFoundError), os.scandir(workspace.layout.of("generations", key)) as entries:
        for entry in entries:
            with suppress(OSError):
                ids.add(pointed_at(key, os.readlink(entry.path)) or "")
    return ids


def _delete(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Delete a snapshot in place: its checksum and metadata first."""
    for name in trash.PARTS:
        workspace.disk.unlink(trash.part(workspace.layout, key, snapshot_id, name), missing_ok=True)
    remove_snapshot(workspace, workspace.layout.snapshot(key, snapshot_id))


def bring_back(workspace: Workspace, key: ComponentKey, pairs: list[tuple[TrashEntry, trash.Collected]]) -> list[int]:
    """Put entries of the trash back under their own numbers. Returns them.

    Raises:
        Refused: before anything is moved, where a number is another's now, or a snapshot is nowhere.
        StoreError.
    """
    for entry, collection in pairs:
        if entry.id and entry.generations and not _somewhere(workspace, key, entry.id, collection):
            raise Refused(
                f"snapshot {entry.id} of {key} is neither in the store nor in the trash", "its link stays in the trash"
            )
        for number in entry.generations:
            if os.path.lexists(workspace.layout.link(key, number)):
                raise Refused(
                    f"generation {number} of {key} is now used by another snapshot", "bring the others back one by one"
                )
    numbers = []
    with in_words(f"bringing back generations of {key}"):
        for entry, collection in pairs:
            lies = _somewhere(workspace, key, entry.id, collection) if entry.id else None
            if lies is not None:
                trash.put_back_snapshot(workspace, lies, entry.id)
            for number in entry.generations:
                trash.put_back_link(workspace, collection, number)
                numbers.append(number)
            if collection.snapshot(entry.id).exists() and entry.id:
                trash.free_snapshot(workspace, collection, entry.id)  # the same was made again meanwhile
        for _, collection in pairs:
            trash.close_if_empty(workspace, collection)
    return sorted(numbers)


def _somewhere(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, collection: trash.Collected
) -> trash.Collected | None:
    """The collection from which a snapshot is put back: its own, where it is there or in the store, else a later one
    that took it when the last link that needed it went."""
    if collection.snapshot(snapshot_id).is_dir() or workspace.layout.snapshot(key, snapshot_id).is_dir():
        return collection
    return next(
        (
            other
            for other in trash.collections(workspace.layout)
            if other.key == key and other.snapshot(snapshot_id).is_dir()
        ),
        None,
    )
