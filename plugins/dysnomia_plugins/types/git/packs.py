"""Whether the packs of a repository are what git wrote.

git copies what is packed already into another pack without a look at it, where that goes into a pipe
(``write_reuse_object`` of ``builtin/pack-objects.c``, git 2.39): one byte that a disk has changed, and nothing of a
snapshot could be loaded. Each pack ends with the hash of all before it. Objects that are files of their own are read by
git itself.
"""

from __future__ import annotations

import hashlib
import os

from dysnomia_plugins.base import CancelToken
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, NotAFile

_CHUNK = 1 << 20
_PACK, _INDEX = ".pack", ".idx"


def damaged(what: str) -> PluginError:
    """What is said of one."""
    return PluginError(
        f"{what} is damaged: no snapshot of it could be restored",
        "git fsck --full names its objects: fetch them from a clone, or restore a good generation",
    )


def refuse_damaged(path: str, object_format: str, cancel: CancelToken) -> bool:
    """Read the packs of a repository, also those that come meanwhile. Returns False where one is a link, and was not
    read. Raises PluginError, Cancelled, OSError."""
    seen: set[str] = set()
    every = True
    with Folder.at(f"{path}/objects") as kept:
        while new := _packs(kept) - seen:
            with kept.folder("pack") as packs:
                for name in sorted(new):
                    try:
                        if not _is_whole(packs, name, object_format, cancel):
                            raise damaged(packs.shown(name))
                    except NotAFile:
                        every = False
            seen |= new
    return every


def _packs(kept: Folder) -> set[str]:
    """The names of those that git reads: without an index it knows nothing of a pack."""
    if "pack" not in kept.names():
        return set()
    with kept.folder("pack") as packs:
        names = set(packs.names())
    return {name for name in names if name.endswith(_PACK) and name.removesuffix(_PACK) + _INDEX in names}


def _is_whole(packs: Folder, name: str, object_format: str, cancel: CancelToken) -> bool:
    """Whether a pack has the hash that it ends with; also where it has gone meanwhile, as git packs anew."""
    hashed = hashlib.new(object_format, usedforsecurity=False)
    try:
        with packs.file(name) as descriptor:
            left = os.fstat(descriptor).st_size - hashed.digest_size
            while left > 0 and (chunk := os.read(descriptor, min(left, _CHUNK))):
                cancel.check()
                hashed.update(chunk)
                left -= len(chunk)
            return left == 0 and os.read(descriptor, hashed.digest_size + 1) == hashed.digest()
    except FileNotFoundError:
        return True
