"""Every change the store makes to the file system, one method a system call.

One object, so that one place sets owners and modes, turns errors into words, and in tests counts each call and fails
it. Renames and links fail where their goal exists; only ``replace`` says that what is there goes.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_base.limits import reason
from dysnomia_base.records import dataclass
from dysnomia_store.disk.held import closing, open_folder
from dysnomia_store.errors import NotFound, NotPermitted, StoreError, StoreFull

NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EPERM)
"""What a file system says that cannot exchange two entries in one step."""

Before = Callable[[str, str], None]
"""Called with the name of each call and its path just before it is made; may raise OSError in its place."""

_OTHER_DISK = (
    "its file system keeps no modes or links of files (vfat, exFAT), or forbids this change (chattr +i):"
    " choose a state directory on another, such as ext4"
)


@contextmanager
def in_words(doing: str) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what was being done.

    Raises:
        StoreFull, NotPermitted, NotFound, StoreError: each with the exit code that ``exit_codes`` has for the OSError.
    """
    try:
        yield
    except OSError as error:
        raise as_store_error(error, doing) from error


def as_store_error(error: OSError, doing: str) -> StoreError:
    """The StoreError for an OSError."""
    where = f" ({os.fsdecode(error.filename)})" if error.filename is not None else ""
    if error.errno in NO_SPACE:
        return StoreFull(f"no space left while {doing}{where}", "free some space, or collect garbage and delete it now")
    if error.errno in NOT_ALLOWED:
        hint = _OTHER_DISK if error.errno == errno.EPERM and _ours(error.filename) else "run it as the store's owner"
        return NotPermitted(f"not permitted while {doing}{where}: {error.strerror}", hint)
    kind = NotFound if error.errno == errno.ENOENT else StoreError
    return kind(f"{doing} failed{where}: {reason(error)}")


def _ours(name: str | bytes | None) -> bool:
    """Whether we may do to a file what its owner may."""
    if os.geteuid() == 0:
        return True
    with suppress(OSError):
        return name is not None and os.lstat(name).st_uid == os.geteuid()
    return False


@dataclass(frozen=True, slots=True)
class Access:
    """Who besides the owner may see what the store writes."""

    gid: int | None = None
    """A group that may read everything, or None."""

    @property
    def folder(self) -> int:
        return 0o700 if self.gid is None else 0o750

    @property
    def file(self) -> int:
        return 0o600 if self.gid is None else 0o640


class _Watched(io.RawIOBase):
    """A file whose every write is announced first."""

    def __init__(self, raw: io.FileIO, before: Before, path: str) -> None:
        self._raw = raw
        self._before = before
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        self._before("write", self._path)
        return self._raw.write(data)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class Disk:
    """The system calls that change a store."""

    def __init__(self, access: Access | None = None, before: Before | None = None) -> None:
        self.access = access or Access()
        self._before = before

    def _announce(self, call: str, path: Path) -> None:
        if self._before is not None:
            self._before(call, str(path))

    # Files.

    def create(self, path: Path, mode: int | None = None) -> BinaryIO:
        """Open a new file for writing, unbuffered. Raises FileExistsError where there is one."""
        self._announce("create", path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            self._give(descriptor, mode or self.access.file)
        except OSError:
            os.close(descriptor)
            raise
        raw = io.FileIO(descriptor, "wb")
        return cast(BinaryIO, raw if self._before is None else _Watched(raw, self._before, str(path)))

    def fsync(self, file: BinaryIO) -> None:
        """fsync the file."""
        if self._before is not None:
            self._before("fsync", str(getattr(file, "name", "")))
        os.fsync(file.fileno())

    def fdatasync(self, file: BinaryIO) -> None:
        """Wait until the file's bytes, and what is needed to read them back, are on the disk."""
        if self._before is not None:
            self._before("fdatasync", str(getattr(file, "name", "")))
        os.fdatasync(file.fileno())

    def write_new(self, path: Path, data: bytes) -> None:
        """Write a whole new file and wait until its bytes are on the disk. Its folder is not synced."""
        with self.create(path) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            self.fsync(file)

    def append(self, path: Path, line: bytes) -> None:
        """Add a line to a file in one write, and wait until it is on the disk.

        A line that a crash cut short is ended first, so that only it is lost.
        """
        self._announce("append", path)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size == 0:
                self._give(descriptor, self.access.file)
            elif os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            view = memoryview(line)
            while view:
                self._announce("write", path)
                view = view[os.write(descriptor, view) :]
            self._announce("fsync", path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def fsync_path(self, path: Path) -> None:
        """Wait until a file's bytes, or a folder's entries, are on the disk."""
        self._announce("fsync", path)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def copy_file(self, source: Path, target: Path, mode: int | None = None, *, parent: int | None = None) -> None:
        """Copy a regular file's bytes, never through a link, and sync the copy.

        Args:
            parent: an open folder, of which the last name of ``source`` is taken.

        Raises OSError, for what is no regular file too."""
        name = source if parent is None else source.name
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        with io.FileIO(descriptor, "rb") as reading:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "is not a regular file", str(source))
            with self.create(target, mode) as writing:
                from shutil import copyfileobj  # only writers come here

                copyfileobj(reading, writing, 1 << 20)
                self.fsync(writing)

    def preallocate(self, path: Path, size: int) -> None:
        """Make a file of ``size`` bytes that really take space."""
        with self.create(path) as file:
            self._announce("write", path)
            os.posix_fallocate(file.fileno(), 0, size)
            self.fsync(file)

    # Folders.

    def mkdir(self, path: Path, mode: int | None = None) -> None:
        """Make one folder. Raises FileExistsError."""
        self._announce("mkdir", path)
        path.mkdir(0o700)
        self._give(path, mode or self.access.folder)

    def make_folders(self, path: Path, root: Path) -> None:
        """Make ``path`` and what is missing above it down from ``root``, each durable in its parent."""
        missing = []
        at = path
        while at != root and not at.is_dir():
            missing.append(at)
            at = at.parent
        for folder in reversed(missing):
            try:
                self.mkdir(folder)
            except FileExistsError:
                if not folder.is_dir():
                    raise
            self.fsync_path(folder.parent)

    def rmdir(self, path: Path) -> None:
        self._announce("rmdir", path)
        path.rmdir()

    def rmdir_if_empty(self, path: Path) -> bool:
        """Delete a folder that holds nothing; True where it is gone."""
        try:
            self.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        return True

    # Entries.

    def rename(self, source: Path, target: Path) -> None:
        """Rename, never replacing. Raises FileExistsError."""
        self._announce("rename", target)
        _rename_noreplace(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over what is there: of two files that mean the same, in one step. The one call that replaces."""
        self._announce("replace", target)
        source.replace(target)

    def exchange(self, one: Path, other: Path) -> None:
        """Let two entries change places in one step. Raises OSError, one of ``NO_EXCHANGE`` where that cannot be."""
        self._announce("exchange", other)
        _renameat2(one, other, _RENAME_EXCHANGE)

    def link(self, source: Path, target: Path) -> None:
        """Another hard link, never replacing, never through a symbolic link. Raises FileExistsError."""
        self._announce("link", target)
        os.link(source, target, follow_symlinks=False)

    def symlink(self, points_at: str, path: Path) -> None:
        """A symbolic link, never replacing. Raises FileExistsError."""
        self._announce("symlink", path)
        path.symlink_to(points_at)

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        self._announce("unlink", path)
        path.unlink(missing_ok=missing_ok)

    def chmod(self, path: Path, mode: int, gid: int | None = None) -> None:
        self._announce("chmod", path)
        if gid is not None:
            os.chown(path, -1, gid, follow_symlinks=False)
        path.chmod(mode)

    def touch_folder(self, path: Path) -> None:
        """Advance a folder's mtime: its content changed although its entries did not."""
        self._announce("utime", path)
        os.utime(path)

    def remove_tree(self, path: Path) -> None:
        """Delete a file, or a folder and all in it, never following a link. What is gone already is passed over.

        All below the folder that it is in is reached by descriptor: whoever may rename in it leads us nowhere else."""
        with suppress(FileNotFoundError):
            parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            with closing(parent):
                self._remove(path, parent)

    def remove_held(self, path: Path, folder: int, parent: int) -> None:
        """The same for a folder that is held, and the one above it. Where another has its name now, that one stays."""
        self._empty(path, folder)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(path.name, dir_fd=parent), os.fstat(folder)):
                self._announce("rmdir", path)
                os.rmdir(path.name, dir_fd=parent)

    def _remove(self, path: Path, parent: int) -> None:
        """``path`` is only what errors are to say: what is deleted is its last name in ``parent``."""
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(path.name, dir_fd=parent).st_mode):
                self._announce("unlink", path)
                os.unlink(path.name, dir_fd=parent)
                return
            with closing(open_folder(path.name, parent)) as folder:
                self._empty(path, folder)
            self._announce("rmdir", path)
            os.rmdir(path.name, dir_fd=parent)

    def _empty(self, path: Path, folder: int) -> None:
        if os.fstat(folder).st_mode & 0o300 != 0o300:
            os.fchmod(folder, 0o700)
        for name in os.listdir(folder):
            self._remove(path / name, folder)

    def _give(self, what: int | Path, mode: int) -> None:
        """Set mode and group, whatever the umask; the mode last, since a change of group may clear bits of it."""
        if self.access.gid is not None:
            os.chown(what, -1, self.access.gid)
        os.chmod(what, mode)  # noqa: PTH101 (a descriptor as well)


def _renameat2(source: Path, target: Path, flag: int) -> None:
    import ctypes  # only writers come here

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def _rename_noreplace(source: Path, target: Path) -> None:
    """renameat2(RENAME_NOREPLACE); where a file system has not got it, link and unlink, or a check for folders."""
    try:
        _renameat2(source, target, _RENAME_NOREPLACE)
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    if source.is_dir() and not source.is_symlink():
        # rename(2) itself refuses a folder that holds anything, and only the lock's holder renames here.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)
    else:
        os.link(source, target, follow_symlinks=False)
        source.unlink()
