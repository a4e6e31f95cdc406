"""The flags that ``chattr`` sets: what nobody changes, renames or removes, not even root (``FS_IOC_GETFLAGS`` of
linux/fs.h)."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat

_GET_FLAGS = 0x80086601
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_NO_FLAGS = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.ENOSYS)


def is_fixed(descriptor: int) -> bool:
    """Whether a file or folder is immutable or append-only. Raises OSError."""
    flags = array.array("i", [0, 0])
    try:
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
    except OSError as error:
        if error.errno in _NO_FLAGS:
            return False
        raise
    return bool(flags[0] & (_IMMUTABLE | _APPEND_ONLY))


def path_is_fixed(path: str) -> bool:
    """The same of a path, where that can be told: for a plan, which changes nothing."""
    try:
        if stat.S_IFMT(os.lstat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return is_fixed(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False
