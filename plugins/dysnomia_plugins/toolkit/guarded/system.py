"""The system calls that files of others are reached by: by descriptor, part by part, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dysnomia_plugins.errors import PluginError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSING = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

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
    return step(name, parent, last=True)


@contextmanager
def folder_at(path: str) -> Iterator[int]:
    """A descriptor of a folder, given by an absolute path none of whose parts may be a link.

    Whoever owns a folder above could otherwise lead root elsewhere. Raises LinkInTheWay, OSError."""
    parts = [part for part in path.split("/") if part]
    descriptor = os.open("/", _PASSING if parts else FOLDER_FLAGS)
    try:
        for at, part in enumerate(parts):
            deeper = step(part, descriptor, last=at == len(parts) - 1)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def step(name: str, parent: int, *, last: bool) -> int:
    """Open one part of a path. Those before the last need no permission to be read, only to be passed.

    Raises LinkInTheWay, OSError."""
    try:
        return os.open(name, FOLDER_FLAGS if last else _PASSING, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise LinkInTheWay(
                f"{name!r} is not a folder, or is a link to one", "links are not followed here"
            ) from error
        raise


def proc_path(name: str, parent: int) -> str:
    """A path of a name in an open folder, for the calls that take no ``dir_fd`` (extended attributes)."""
    return f"/proc/self/fd/{parent}/{name}"


@contextmanager
def pinned(name: str, parent: int) -> Iterator[int]:
    """A descriptor that stands for whatever has that name now, be it a link, a FIFO or a device; nothing is opened.

    For the ``…_pinned`` calls, which change just that and follow nothing. Raises OSError."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pinned_path(descriptor: int) -> str:
    """A path that leads to an open descriptor and nowhere else, for calls and programs that take paths only."""
    return f"/proc/self/fd/{descriptor}"


def chmod_pinned(descriptor: int, mode: int) -> None:
    """``chmod`` of what ``pinned`` gave. Raises OSError."""
    os.chmod(pinned_path(descriptor), mode)  # noqa: PTH101


def chown_pinned(descriptor: int, uid: int, gid: int) -> None:
    """``chown`` of what ``pinned`` gave, a link's own. Raises OSError."""
    os.chown(pinned_path(descriptor), uid, gid)


def read_xattrs(target: int | str) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of a descriptor, or of a path (a link's own), sorted; none where there are none."""
    try:
        names = os.listxattr(target) if isinstance(target, int) else os.listxattr(target, follow_symlinks=False)
        if not names:
            return ()
        pairs = [(name, os.getxattr(target, name, **_nofollow(target))) for name in names if name not in SKIPPED_XATTRS]
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA, errno.ENOSYS, errno.EPERM):
            return ()
        raise
    return tuple(sorted(pairs))


def write_xattrs(target: int | str, wanted: Sequence[tuple[str, bytes]]) -> None:
    """Make the extended attributes exactly those. Raises OSError."""
    present = read_xattrs(target)
    if present == tuple(wanted):
        return
    for name, _ in present:
        if name not in dict(wanted):
            os.removexattr(target, name, **_nofollow(target))
    for name, value in wanted:
        os.setxattr(target, name, value, **_nofollow(target))


def _nofollow(target: int | str) -> dict[str, bool]:
    return {} if isinstance(target, int) else {"follow_symlinks": False}


def write_all(descriptor: int, content: bytes) -> None:
    """Write it all at the descriptor's place. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def copy_attributes(source: int, target: int) -> None:
    """Owner, extended attributes, mode and times of one open folder to another."""
    seen = os.fstat(source)
    os.fchown(target, seen.st_uid, seen.st_gid)
    write_xattrs(target, read_xattrs(source))
    os.fchmod(target, stat.S_IMODE(seen.st_mode))
    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))
