"""Groups of files where whoever runs a job is not root: such a user gives no file away, but may give it any group that
they are in. A web server reads by it, a team writes by it."""

from __future__ import annotations

import errno
import os

_KEEPS_ITS_OWN = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""File systems without groups, or with others' (vfat, some of networks)."""


def own_groups() -> frozenset[int]:
    """The groups that this process may give to files of its user's."""
    return frozenset((os.getegid(), *os.getgroups()))


def give(descriptor: int, uid: int, gid: int) -> None:
    """Owner and group of an open file or folder of ours, as far as we may set them; -1 leaves one. Raises OSError."""
    if os.geteuid() == 0:
        os.fchown(descriptor, uid, gid)
    elif gid in own_groups():
        give_group(descriptor, gid)


def give_group(target: int | str, gid: int) -> None:
    """A group that we are in to an open file, or to a path that was pinned (a link's own). It keeps its own where the
    file system has it so. Raises OSError."""
    if os.stat(target).st_gid == gid:  # noqa: PTH116 - by descriptor
        return
    try:
        os.chown(target, -1, gid)
    except OSError as error:
        if error.errno not in _KEEPS_ITS_OWN:
            raise
