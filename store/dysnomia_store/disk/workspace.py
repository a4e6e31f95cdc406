"""What every part of the store works with: its paths, its disk, its clock, and how a file becomes part of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

from dysnomia_base import room
from dysnomia_base.clock import Clock
from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_base.records import dataclass
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import Disk, in_words
from dysnomia_store.errors import Corrupt, StoreError, UnknownFormat
from dysnomia_store.records import codec as records

T = TypeVar("T")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
RESERVE = 8 << 20
"""Size of the reserve file, which is deleted when the disk is full."""
_FREE_ENOUGH = 8 * RESERVE


@dataclass(frozen=True, slots=True)
class Workspace:
    """A store's paths, disk and clock."""

    layout: Layout
    disk: Disk
    clock: Clock

    @property
    def store_id(self) -> str:
        """32 hex digits; ``""`` while nothing was ever written here by us."""
        from dysnomia_store.records import typed  # a query opens a store, and reads no record

        try:
            return typed.store_id(records.read_file(self.layout.top("store.json")), "store.json")
        except (OSError, Corrupt):
            return ""

    def check_format(self) -> None:
        """Raise NewerFormat where a later version made the store, UnknownFormat where nobody can tell.

        One without ``store.json`` is of the first."""
        try:
            records.load(
                records.read_file(self.layout.top("store.json")), f"the store {self.layout.root}", records.NEWEST
            )
        except UnknownFormat:
            raise
        except (OSError, Corrupt):
            return  # Dysnomia's own, not made yet, or torn: then it has no id, and its records say what they are

    def unreadable(self) -> Iterator[str]:
        """What is wrong with the store's identity, in a sentence; nothing where it is whole, or not there yet."""
        if os.path.lexists(self.layout.top("store.json")) and not self.store_id:
            yield (
                f"store.json in {self.layout.root} cannot be read, so this store has no identity and trusts none of its"
                " snapshots as made here: restore it from a backup"
            )

    def ready(self) -> None:
        """Make the state directory and its identity, where they are not there yet."""
        self.check_format()
        with in_words("making the state directory"):
            root = self.layout.root
            if not root.is_dir():
                anchor = next(parent for parent in root.parents if parent.is_dir())
                self.disk.make_folders(root, anchor)
            path = self.layout.top("store.json")
            if path.exists():
                return
            record = {"format": records.FORMAT, "id": os.urandom(16).hex(), "made": records.stamp(self.clock())}
            try:
                self.publish(path, records.dump(record))
            except FileExistsError:
                pass  # another process was quicker: its identity holds

    @property
    def shares(self) -> bool:
        """Whether snapshots here may share frames. The pool may be gone, so what counts is the store's format."""
        path = self.layout.top("store.json")
        try:
            record = records.load(records.read_file(path), "store.json", records.NEWEST)
        except FileNotFoundError:
            return False
        except (OSError, Corrupt):
            return True  # torn: looking costs time alone
        return bool(record.get("format", records.FORMAT) >= records.FRAMES)

    def raise_format(self, number: int) -> None:
        """Say durably that the store holds what versions that read only earlier formats do not. Raises OSError."""
        path = self.layout.top("store.json")
        try:
            record = records.load(records.read_file(path), "store.json", records.NEWEST)
        except (FileNotFoundError, Corrupt):
            return  # torn: then the records say what they are
        if record.get("format", records.FORMAT) >= number:
            return
        self.republish(path, records.dump({**record, "format": number}))

    def folder(self, path: Path) -> Path:
        """Make a folder of the store and those above it, each durable in its parent."""
        self.disk.make_folders(path, self.layout.root)
        return path

    def stage(self, job: str) -> Path:
        """A new folder in staging. ``job`` says whose it is, for the sweep; ``""`` means this process's own."""
        name = f"{job or f'pid{os.getpid()}'}.{os.urandom(6).hex()}"
        path = self.folder(self.layout.top("staging")) / name
        self.disk.mkdir(path)
        return path

    @contextmanager
    def staging(self, job: str) -> Iterator[Path]:
        """The same as a context manager: deleted at the end of the block."""
        with nullcontext() if job else self._unswept():
            path = self.stage(job)
            try:
                yield path
            finally:
                try:
                    self.disk.remove_tree(path)
                except OSError:
                    pass  # the next sweep takes it

    @contextmanager
    def _unswept(self) -> Iterator[None]:
        """For as long as it lasts, no sweep takes what is in staging without a job. The number of its process does not
        tell whether that one lives: in a container that shares the store it is another's, or nobody's."""
        descriptor = os.open(self.folder(self.layout.top("staging")), _FOLDER)
        try:
            with suppress(OSError):  # a file system without such locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Whether no process, wherever it runs, has anything in staging without a job: none does while it lasts, then.

        Raises FileNotFoundError where there is no staging."""
        descriptor = os.open(self.layout.top("staging"), _FOLDER)
        try:
            yield _alone(descriptor)
        finally:
            os.close(descriptor)

    def publish(self, path: Path, data: bytes) -> None:
        """Make a whole file appear under its name, durable with its folder. Raises FileExistsError."""
        self._appear(path, data, self.disk.rename)

    def republish(self, path: Path, data: bytes) -> None:
        """The same, in place of a file that is there."""
        self._appear(path, data, self.disk.replace)

    def _appear(self, path: Path, data: bytes, move: Callable[[Path, Path], None]) -> None:
        self.folder(path.parent)
        temporary = self.folder(self.layout.top("staging")) / f"pid{os.getpid()}.{os.urandom(6).hex()}"
        with self._unswept():
            try:
                self.disk.write_new(temporary, data)
                move(temporary, path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        self.disk.fsync_path(path.parent)

    def append(self, path: Path, line: bytes) -> None:
        """Add a line to a file of the store, durable with its folder."""
        new = not path.exists()
        if new:
            self.folder(path.parent)
        self.disk.append(path, line)
        if new:
            self.disk.fsync_path(path.parent)

    # The reserve.

    def ensure_reserve(self) -> None:
        """Create the reserve file if it is missing and the disk is far from full. Never fails."""
        path = self.layout.top("reserve")
        try:
            if path.exists() or (free_bytes(self.layout.root) or 0) < _FREE_ENOUGH:
                return
            with self.staging("") as base:
                temporary = base / "reserve"
                self.disk.preallocate(temporary, RESERVE)
                self.disk.rename(temporary, path)
        except (OSError, StoreError):
            pass  # there will be another time

    def retry_with_reserve(self, do: Callable[[], T]) -> T:
        """Call ``do``; on ENOSPC or EDQUOT release the reserve file and retry once. Raises OSError."""
        try:
            return do()
        except OSError as error:
            if error.errno not in NO_SPACE or not self.release_reserve():
                raise
            return do()

    def release_reserve(self) -> bool:
        """Delete the reserve file, to free its space. True where there was one."""
        path = self.layout.top("reserve")
        if not path.exists():
            return False
        with in_words("releasing the reserve"):
            self.disk.unlink(path)
        return True


def free_bytes(path: Path) -> int | None:
    """Free bytes on the file system of a path, or of its nearest folder above that is there; None where it does not
    count them. Raises OSError."""
    return room.free_bytes(os.statvfs(next((folder for folder in (path, *path.parents) if folder.is_dir()), path)))


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks: the numbers of the processes are all that there is
        return True
    return True
