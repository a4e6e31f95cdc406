"""The exit code for an error of the operating system: one table for commands and jobs."""

from __future__ import annotations

import errno

FAILED = 1
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""Of a disk, or a quota, that is full."""
OF_ERRNO = {
    errno.ENOENT: 5,
    errno.EACCES: 6,
    errno.EPERM: 6,
    errno.EROFS: 6,
    errno.ENOSPC: 9,
    errno.EDQUOT: 9,
}


def of_os_error(error: OSError) -> int:
    """The exit code; FAILED where the table has no entry."""
    return OF_ERRNO.get(error.errno or 0, FAILED)
