"""Deleting a folder and all in it, below descriptors and following no link."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.system import chmod_pinned, folder_at, open_folder, pinned


def remove_folder(path: str) -> None:
    """Delete a folder and all in it, links in it as links. Idempotent. Raises PluginError."""
    try:
        with folder_at(posixpath.dirname(path)) as parent:
            remove_tree(posixpath.basename(path), parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PluginError(f"{path} could not be removed", why_not(error)) from error


def remove_made(path: str, is_made: Callable[[str], bool], *, ours: bool = True) -> None:
    """Delete a folder that a job made. Idempotent.

    Its name can be foretold: whoever owns the folder around it could have given it to another folder of root's. So it
    is deleted only where it is ours and holds nothing else.

    Args:
        is_made: whether a job gives such a name in it.
        ours: False for one that a job may have handed over.

    Raises NotSafe, PluginError."""
    try:
        with folder_at(path) as folder:
            require_made(folder, path, is_made, ours=ours)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PluginError(f"{path} could not be removed", why_not(error)) from error
    remove_folder(path)


def require_made(folder: int, path: str, is_made: Callable[[str], bool], *, ours: bool = True) -> None:
    """An open folder is ours, and holds nothing but what a job puts there. Raises NotSafe, OSError."""
    strange = next((name for name in sorted(os.listdir(folder)) if not is_made(name)), "")
    if strange or (ours and os.fstat(folder).st_uid != os.geteuid()):
        what = f"holds {strange!r}" if strange else "belongs to another user"
        raise NotSafe(f"{path} {what}, so it was not made by a job: it was left as it is", "check it, then rename it")


def remove_empty(path: str) -> None:
    """Delete an empty folder. Raises LinkInTheWay, OSError."""
    with folder_at(posixpath.dirname(path)) as parent:
        os.rmdir(posixpath.basename(path), dir_fd=parent)


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
    """Open a folder and delete what is not a folder in it: its name, its descriptor, and the folders in it."""
    try:
        folder = open_folder(name, parent)
    except PermissionError:
        with pinned(name, parent) as folder:
            chmod_pinned(folder, 0o700)
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


def why_not(error: OSError) -> str:
    """What the system did not let root, or this user, remove, and what to look at."""
    where = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
    return f"{where}: is it immutable? see lsattr" if error.errno == errno.EPERM else where
