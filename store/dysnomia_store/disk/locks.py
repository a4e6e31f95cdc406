"""One writer a component: flock on a file of its own, with who holds it inside.

The lock is the kernel's, so it dies with its holder; what the file says is for people only. Lock files are never
deleted: a file deleted under a waiter would let two writers in.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dysnomia_base.records import dataclass
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import Disk, in_words
from dysnomia_store.errors import Corrupt, Locked
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records

_LOOK = 0.25
"""Seconds for which even a caller who will not wait tries again: a reader that asks who holds a lock has it shared
for a moment."""
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a component's lock, readable by anyone who may read the store."""

    who: str
    job: str
    doing: str
    pid: int
    since: datetime

    def __str__(self) -> str:
        job = f" (job {self.job})" if self.job else ""
        return (
            f"{self.who or 'someone'}{job}, {self.doing or 'at work'} since {self.since:%H:%M:%S} UTC, pid {self.pid}"
        )


class ComponentLock:
    """Held by the one writer of a component. Dies with its process and the children that inherited it."""

    def __init__(self, key: ComponentKey, descriptor: int) -> None:
        self.key = key
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor that children inherit (hand it over by ``pass_fds``)."""
        return self._descriptor


def _open(disk: Disk, layout: Layout, path: Path) -> int:
    with in_words(f"opening the lock {path.name!r}"):
        try:
            return _open_there(disk, path)
        except FileNotFoundError:
            disk.make_folders(path.parent, layout.root)
            return _open_there(disk, path)


def _open_there(disk: Disk, path: Path) -> int:
    with suppress(FileExistsError), disk.create(path):
        pass
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


def _take(descriptor: int, wait: float | None) -> bool:
    """Take an exclusive flock within ``wait`` seconds (None: whenever)."""
    deadline = None if wait is None else time.monotonic() + max(wait, _LOOK)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


@contextmanager
def component_lock(
    disk: Disk, layout: Layout, key: ComponentKey, holder: Holder, wait: float | None
) -> Iterator[ComponentLock]:
    """Hold the component's lock. Raises Locked, naming the holder."""
    path = layout.of("locks", key)
    descriptor = _open(disk, layout, path)
    try:
        if not _take(descriptor, wait):
            owner = _read_holder(path)
            raise Locked(
                f"{key} is locked by {owner or 'another process'}",
                str(owner or ""),
                "wait until it has ended, or cancel that job",
            )
        _write_holder(descriptor, holder)
        # What it says stays when we are through: children that inherited the descriptor may hold the lock on.
        yield ComponentLock(key, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def records_lock(disk: Disk, layout: Layout, key: ComponentKey) -> Iterator[None]:
    """A short lock for marks and checks, which are written without the component's own lock."""
    descriptor = _open(disk, layout, layout.top("locks") / ".records" / key.container / key.component)
    try:
        _take(descriptor, None)
        yield
    finally:
        os.close(descriptor)


def _write_holder(descriptor: int, holder: Holder) -> None:
    text = json.dumps(
        {
            "who": holder.who,
            "job": holder.job,
            "doing": holder.doing,
            "pid": holder.pid,
            "since": records.stamp(holder.since),
        }
    )
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _read_holder(path: Path) -> Holder | None:
    from dysnomia_store.records import typed  # only where somebody else holds it

    try:
        record = typed.holding(records.read_file(path), path.name)
        return Holder(record["who"], record["job"], record["doing"], record["pid"], records.moment(record["since"]))
    except (OSError, ValueError, Corrupt):
        return None


def holder_of(layout: Layout, key: ComponentKey) -> Holder | None:
    """Who holds the component's lock now, or None. Never waits."""
    path = layout.of("locks", key)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(path) or Holder("", "", "", 0, datetime.fromtimestamp(0, UTC))
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)
