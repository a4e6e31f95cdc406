"""An opened state directory: where it is, what time it is there, which locks are held, and its cache."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.clock import Clock, utc_now
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.locks import ComponentLock, Holder, component_lock, holder_of
from dysnomia_store.disk.syscalls import Access, Disk
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import NotFound, Refused, StoreFull

if TYPE_CHECKING:
    from dysnomia_store.catalog.cache import Cache
    from dysnomia_store.content.cutting import Cutting
    from dysnomia_store.model import Generation
    from dysnomia_store.names import ComponentKey


class OpenedStore:
    """A state directory.

    Args:
        root: where it is; it need not be there yet.
        clock: what time it is, for tests and demos.
        group: the name of a group that may read all of it, or ``""``.
        disk: what changes the file system, for tests.
        cutting: how large the frames are that large artefacts are stored in, for tests.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock | None = None,
        group: str = "",
        disk: Disk | None = None,
        cutting: Cutting | None = None,
    ) -> None:
        # It, or a folder above it, may be a link (to a larger disk): nothing is ever opened through a link by a type.
        self.root = Path(os.path.realpath(root))
        layout = Layout(self.root)
        self._workspace = Workspace(layout, disk or Disk(_access(group)), clock or utc_now)
        self._layout = layout
        self._cutting = cutting
        self._workspace.check_format()
        self._held: dict[ComponentKey, tuple[ComponentLock, int]] = {}
        self._mutex = threading.Lock()
        self._cached: Cache | None = None
        self._listed: tuple[ComponentKey | None, tuple[int, int], tuple[Generation, ...]] = None, (0, 0), ()
        """The generations that were listed last: a screen asks for the same ones again and again."""

    @property
    def id(self) -> str:
        """Made when the store is first written; 32 hex digits. ``""`` until then."""
        return self._workspace.store_id

    def close(self) -> None:
        """Close the cache's file. The store can be used again."""
        with self._mutex:
            if self._cached is not None:
                self._cached.close()
                self._cached = None

    @contextmanager
    def lock(
        self, key: ComponentKey, *, who: str, job: str, doing: str, wait: float | None = 0.0
    ) -> Iterator[ComponentLock]:
        """Take the lock. ``wait`` in seconds; None waits for ever. Raises Locked, naming the holder.

        It is this object's while held: methods that lock by themselves (``apply_gc``, ``bring_back``) then use it.
        """
        self._workspace.ready()
        holder = Holder(who, job, doing, os.getpid(), self._workspace.clock())
        with component_lock(self._workspace.disk, self._layout, key, holder, wait) as lock:
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

    def release_reserve(self) -> bool:
        """Delete the 8 MiB reserve file on a full disk. The next draft creates it again."""
        return self._workspace.release_reserve()

    # How.

    @property
    def _cache(self) -> Cache:
        from dysnomia_store.catalog.cache import Cache

        with self._mutex:
            if self._cached is None:
                self._cached = Cache(self._layout, self._workspace.disk)
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
                if not self.release_reserve():
                    raise
                lock = stack.enter_context(self.lock(key, who=who, job=job, doing=doing, wait=wait))
            yield lock


def _access(group: str) -> Access:
    """The number of a group. Raises NotFound where there is none."""
    if not group:
        return Access()
    import grp

    try:
        return Access(grp.getgrnam(group).gr_gid)
    except KeyError:
        raise NotFound(f"there is no group {group!r}", "create it, or change it in config.toml") from None
