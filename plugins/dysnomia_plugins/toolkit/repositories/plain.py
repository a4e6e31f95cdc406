"""What a repository's programs open has to be plain files: at a pipe they would wait for ever.

An owner can put one there after this look, too: ``toolkit.stalled`` ends a program that waits. This is for those that
stand there already, which are named at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, open_folder

_DEEPEST = 200
"""Folders in each other; each holds a descriptor meanwhile."""


def refuse_pipes(folder: int, path: str, names: Collection[str], whose: str, depth: int = 0) -> None:
    """Look at these names in an open folder, and at all below them: files, folders, and links to such, may be there.

    Args:
        path: the folder's, for messages.
        whose: program of which they are said to be no file.

    Raises NotSafe naming one that is something else, OSError."""
    if depth > _DEEPEST:
        raise NotSafe(f"{path} is nested too deep", "remove it; nothing was run")
    with os.scandir(folder) as entries:
        for entry in entries:
            if depth == 0 and entry.name not in names:
                continue
            if entry.is_dir(follow_symlinks=False):
                _look_into(folder, f"{path}/{entry.name}", entry.name, whose, depth)
            elif not entry.is_file(follow_symlinks=False) and not _leads_to_plain(entry.name, folder):
                raise NotSafe(f"{path}/{entry.name} is not a file of {whose}", "remove it; nothing was run")


def _look_into(folder: int, path: str, name: str, whose: str, depth: int) -> None:
    try:
        descriptor = open_folder(name, folder)
    except (FileNotFoundError, LinkInTheWay):
        return  # it went, or was replaced, meanwhile
    try:
        refuse_pipes(descriptor, path, (), whose, depth + 1)
    finally:
        os.close(descriptor)


def _leads_to_plain(name: str, folder: int) -> bool:
    """Whether a link leads to a file, a folder or nowhere. Nothing is opened."""
    try:
        if not stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        seen = os.stat(name, dir_fd=folder)
    except OSError:
        return True
    return stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)
