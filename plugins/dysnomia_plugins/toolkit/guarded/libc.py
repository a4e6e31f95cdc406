"""Calls of the C library that Python has no function for. Nothing that only looks at files imports this: to load what
calls it takes as long as a short look."""

from __future__ import annotations

import ctypes
import errno
import os

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
_ASKED = 0xFFFFFFFF
"""An id that nobody has: it changes nothing, and tells what is set."""


def set_file_user(uid: int, gid: int) -> bool:
    """Whom the file system sees in this thread (setfsuid(2), setfsgid(2)). Whether it sees both now."""
    library = ctypes.CDLL(None)
    for call, wanted in ((library.setfsgid, gid), (library.setfsuid, uid)):
        call.restype = ctypes.c_uint
        call(ctypes.c_uint(wanted))
        if call(ctypes.c_uint(_ASKED)) != wanted:
            return False
    return True


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
    """Return when everything written to the file system is on the disk. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
