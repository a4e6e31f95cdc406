"""A walk through folders whose owner may change every name at any moment.

The ``fwalk`` of the library opens what was a folder when it was listed, as whatever it is by then: at a pipe root would
wait for ever, and a link would have it open a device. Here only a folder is opened, and no link followed.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterator

from dysnomia_plugins.toolkit.guarded.system import FOLDER_FLAGS

_DEEPEST = 400
Step = tuple[str, list[str], list[str], int]
"""Where (below ``.``), the folders (and links to such, which are not followed) and the other names there, and a
descriptor that is open until the next step."""


def walk(folder: int, *, topdown: bool = True, onerror: Callable[[OSError], object] | None = None) -> Iterator[Step]:
    """As ``fwalk`` of the module ``os`` from "." on, with ``dir_fd``; what is no folder any more is an error.

    Args:
        topdown: the list of folders may be changed then: only what stays in it is walked through.
        onerror: told of a folder that cannot be opened or read; without it such a one is left out.

    Raises OSError, also where folders are nested too deep for the descriptors that a process has."""
    descriptor = os.open(".", FOLDER_FLAGS, dir_fd=folder)
    try:
        yield from _walk(descriptor, ".", topdown, onerror, 0)
    finally:
        os.close(descriptor)


def _walk(
    folder: int, at: str, topdown: bool, onerror: Callable[[OSError], object] | None, depth: int
) -> Iterator[Step]:
    if depth > _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "folders are nested too deep", at[:100])
    try:
        with os.scandir(folder) as entries:
            kinds = [(entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries]
    except OSError as error:
        if onerror is not None:
            onerror(error)
        return
    folders = [name for name, is_folder, _ in kinds if is_folder]
    names = [name for name, is_folder, _ in kinds if not is_folder]
    links = {name for name, _, is_link in kinds if is_link}
    if topdown:
        yield at, folders, names, folder
    for name in folders:
        if name in links:
            continue
        try:
            deeper = os.open(name, FOLDER_FLAGS, dir_fd=folder)
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        try:
            yield from _walk(deeper, posixpath.join(at, name), topdown, onerror, depth + 1)
        finally:
            os.close(deeper)
    if not topdown:
        yield at, folders, names, folder
