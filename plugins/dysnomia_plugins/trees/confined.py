"""Files below one folder, reached by descriptors and never through a link."""

from __future__ import annotations

import ctypes
import errno
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dysnomia_plugins.errors import NotSafe, PluginError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSING = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

SKIPPED_XATTRS = frozenset({"security.selinux", "security.ima", "security.evm", "security.apparmor"})
"""Labels that the system itself gives each file."""


class LinkInTheWay(PluginError):
    """A part of a path is a link where a folder should be."""


def open_below(folder: int, parts: Sequence[str]) -> int:
    """Open a folder below ``folder``, part by part, following no link. Raises LinkInTheWay, OSError."""
    descriptor = os.dup(folder)
    try:
        for part in parts:
            deeper = open_folder(part, descriptor)
            os.close(descriptor)
            descriptor = deeper
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_folder(name: str, parent: int) -> int:
    """Open one folder. Raises LinkInTheWay where it is a link or no folder, else OSError."""
    return _step(name, parent, last=True)


@contextmanager
def folder_at(path: str) -> Iterator[int]:
    """A descriptor of a folder, given by an absolute path none of whose parts may be a link.

    Whoever owns a folder above could otherwise lead root elsewhere. Raises LinkInTheWay, OSError."""
    parts = [part for part in path.split("/") if part]
    descriptor = os.open("/", _PASSING if parts else FOLDER_FLAGS)
    try:
        for at, part in enumerate(parts):
            deeper = _step(part, descriptor, last=at == len(parts) - 1)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def _step(name: str, parent: int, *, last: bool) -> int:
    """Open one part of a path. Those before the last need no permission to be read, only to be passed."""
    try:
        return os.open(name, FOLDER_FLAGS if last else _PASSING, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise LinkInTheWay(f"{name!r} is no folder, or a link to one", "nothing was followed") from error
        raise


def proc_path(name: str, parent: int) -> str:
    """A path of a name in an open folder, for the calls that take no ``dir_fd`` (extended attributes)."""
    return f"/proc/self/fd/{parent}/{name}"


def read_xattrs(target: int | str) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of a descriptor, or of a path (a link's own), sorted; none where there are none."""
    try:
        names = os.listxattr(target, **_nofollow(target))
        pairs = [(name, os.getxattr(target, name, **_nofollow(target))) for name in names if name not in SKIPPED_XATTRS]
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA, errno.ENOSYS, errno.EPERM):
            return ()
        raise
    return tuple(sorted(pairs))


def write_xattrs(target: int | str, wanted: Sequence[tuple[str, bytes]]) -> None:
    """Make the extended attributes exactly those. Raises OSError."""
    there = read_xattrs(target)
    if there == tuple(wanted):
        return
    for name, _ in there:
        if name not in dict(wanted):
            os.removexattr(target, name, **_nofollow(target))
    for name, value in wanted:
        os.setxattr(target, name, value, **_nofollow(target))


def _nofollow(target: int | str) -> dict[str, bool]:
    return {} if isinstance(target, int) else {"follow_symlinks": False}


def copy_attributes(source: int, target: int) -> None:
    """Owner, extended attributes, mode and times of one open folder to another."""
    seen = os.fstat(source)
    os.fchown(target, seen.st_uid, seen.st_gid)
    write_xattrs(target, read_xattrs(source))
    os.fchmod(target, stat.S_IMODE(seen.st_mode))
    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def rename(source: str, source_folder: int, target: str, target_folder: int, flags: int) -> None:
    """``renameat2``. Raises OSError as the system gives it; ENOSYS where there is no such call."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        call = library.renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library has no renameat2") from None
    if call(source_folder, os.fsencode(source), target_folder, os.fsencode(target), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), source, None, target)


def rename_new(source: str, source_folder: int, target: str, target_folder: int) -> None:
    """Rename where nothing is in the way. Raises FileExistsError, OSError."""
    try:
        rename(source, source_folder, target, target_folder, RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        try:
            os.lstat(target, dir_fd=target_folder)
        except FileNotFoundError:
            os.rename(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder)
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None


def sync_file_system(descriptor: int) -> None:
    """Return when everything written to the file system is on the disk."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def remove_folder(path: str) -> None:
    """Delete a folder and all in it, links in it as links. Idempotent. Raises PluginError."""
    try:
        with folder_at(posixpath.dirname(path)) as parent:
            remove_tree(posixpath.basename(path), parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PluginError(f"{path} could not be removed", f"{error.filename or ''} {error.strerror}") from error


def remove_tree(name: str, parent: int) -> None:
    """Delete a file or folder and all in it, following no link. Idempotent.

    Raises:
        NotSafe: another file system is mounted in it; what is on that is not touched.
        OSError: something in it could not be deleted.
    """
    try:
        seen = os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    _remove_folder(name, parent, os.fstat(parent).st_dev)


def _remove_folder(name: str, parent: int, device: int) -> None:
    """Depth first, without recursion: folders may be nested deeper than Python's stack is."""
    stack = [_emptied(name, parent, device)]
    try:
        while stack:
            name, folder, deeper = stack[-1]
            if deeper:
                stack.append(_emptied(deeper.pop(), folder, device))
                continue
            os.close(folder)
            stack.pop()
            os.rmdir(name, dir_fd=stack[-1][1] if stack else parent)
    finally:
        for _, folder, _ in stack:
            os.close(folder)


def _emptied(name: str, parent: int, device: int) -> tuple[str, int, list[str]]:
    """Open a folder and delete what is no folder in it: its name, its descriptor, and the folders in it."""
    try:
        folder = open_folder(name, parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        folder = open_folder(name, parent)
    try:
        seen = os.fstat(folder)
        if seen.st_dev != device:
            raise NotSafe(f"another file system is mounted at {name!r}", "unmount it first; it was not touched")
        if seen.st_mode & 0o700 != 0o700 and seen.st_uid == os.geteuid():
            os.fchmod(folder, stat.S_IMODE(seen.st_mode) | 0o700)
        return name, folder, _unlink_files(folder)
    except BaseException:
        os.close(folder)
        raise


def _unlink_files(folder: int) -> list[str]:
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                continue
            try:
                os.unlink(entry.name, dir_fd=folder)
            except FileNotFoundError:
                pass
    return folders
