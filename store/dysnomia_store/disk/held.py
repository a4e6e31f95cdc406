"""Folders held by descriptor: what is reached from them is reached by no link that somebody else put in the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dysnomia_base.ownership import why_not_obeyed
from dysnomia_store.errors import Refused

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSING = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """An open folder, closed on leaving."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_way(path: Path) -> int:
    """Open a folder that may be another user's (``O_PATH``), part by part from the root.

    A link on the way is followed only where nobody but root and the caller could have made it, or what it leads to.
    Raises Refused for any other link, OSError."""
    parts = Path(os.path.abspath(path)).parts[1:]  # noqa: PTH100 (no link is followed to find it)
    at = os.open("/", _PASSING)
    for count, part in enumerate(parts, 1):
        with closing(at):
            try:
                at = os.open(part, _PASSING, dir_fd=at)
            except OSError as error:
                if error.errno != errno.ENOTDIR:
                    raise
                at = _open_link(Path("/", *parts[:count]))
    return at


def _open_link(path: Path) -> int:
    reason = why_not_obeyed(path, inside=True)
    if reason:
        raise Refused(f"{path} is a link that was not followed: {reason}", "name the path without links")
    return os.open(path, _PASSING & ~os.O_NOFOLLOW)


def open_folder(name: str, parent: int) -> int:
    """Open a folder of an open folder, to be read. One of ours that is closed to ourselves is opened to us.

    Raises OSError, ENOTDIR for a link."""
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        with closing(os.open(name, _PASSING, dir_fd=parent)) as pinned:
            os.chmod(f"/proc/self/fd/{pinned}", 0o700)  # noqa: PTH101 (the folder that is held, by its descriptor)
            return os.open(".", FOLDER, dir_fd=pinned)
