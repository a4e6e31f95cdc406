"""What changes places at once: a file, a link, or a folder with all that comes or goes with it.

What is made for it stands in a folder of the job's, closed to all others. One rename brings it to its place (where
something is, the two are exchanged), so that nobody sees it half done, and what was there ends in that folder, where
nobody can change it any more: then it is told whether it is what was planned upon. Told again by identity (device and
inode), each can be taken back by another process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.guarded.libc import RENAME_EXCHANGE, rename, rename_new
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at
from dysnomia_plugins.toolkit.trees.exchange import CANNOT

Inode = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Unit:
    """One of them, as the journal has it."""

    name: str
    base: str
    """The job's folder."""
    new: str
    """In the job's folder: what comes; ``""`` where something only goes."""
    old: str
    """In the job's folder: what goes, where it is not exchanged."""
    came: Inode
    was: Inode
    parent: Inode
    """The folder that it is in."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Unit:
        pairs = {key: tuple(data[key]) if data[key] is not None else None for key in ("came", "was", "parent")}
        return cls(data["name"], data["base"], data["new"], data["old"], **pairs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def exchange(self, live: LiveTree) -> bool:
        """Do it. False where its place is not as it was any more; raises OSError where it cannot be done."""
        try:
            with live.parent(self.name) as (folder, leaf), folder_at(self.base) as base:
                if inode(folder) != self.parent or identity(leaf, folder) != self.was:
                    return False
                if self.new and identity(self.new, base) != self.came:
                    return False  # another folder has the name of the job's
                if self.was is None:
                    rename_new(self.new, base, leaf, folder)
                elif not self.new:
                    rename_new(leaf, folder, self.old, base)
                else:
                    self._replace(base, leaf, folder)
        except (FileExistsError, FileNotFoundError, LinkInTheWay):
            return False
        return True

    def _replace(self, base: int, leaf: str, folder: int) -> None:
        try:
            rename(self.new, base, leaf, folder, RENAME_EXCHANGE)
        except OSError as error:
            if error.errno not in CANNOT - {errno.EBUSY}:
                raise
            rename_new(leaf, folder, self.old, base)  # a file system that cannot exchange: for a moment it is gone
            rename_new(self.new, base, leaf, folder)

    def old_place(self, base: int) -> str:
        """Where in the job's folder what was live stands now; ``""`` where it is not there."""
        return next(
            (name for name in (self.old, self.new) if name and self.was and identity(name, base) == self.was), ""
        )

    def take_back(self, live: LiveTree) -> None:
        """Have its place as it was, from wherever it is. Idempotent. Raises PluginError where that cannot be."""
        if self._never_went(live):
            return
        try:
            with live.parent(self.name) as (folder, leaf), folder_at(self.base) as base:
                if inode(folder) == self.parent:
                    self._take_back(leaf, folder, base)
                    return
            self._lost("the folder that it is in is another one")
        except (FileNotFoundError, LinkInTheWay):
            self._lost("the folder that it is in is gone, or another one")
        except OSError as error:
            raise PluginError(
                f"{live.path(self.name)} could not be moved back ({error.strerror})",
                f"what was live is kept in {self.base}",
            ) from error

    def _never_went(self, live: LiveTree) -> bool:
        """Whether its place is as it was, wherever the job's folder is."""
        try:
            with live.parent(self.name) as (folder, leaf):
                return inode(folder) == self.parent and identity(leaf, folder) == self.was
        except (FileNotFoundError, LinkInTheWay):
            return False

    def _take_back(self, leaf: str, folder: int, base: int) -> None:
        inode, old = identity(leaf, folder), self.old_place(base)
        if self.was is not None and not old:
            return  # it never went
        if inode is None:
            if old:
                rename_new(old, base, leaf, folder)
        elif self.came is not None and inode == self.came:
            if not old:
                rename_new(leaf, folder, self.new, base)
                return
            try:
                rename(old, base, leaf, folder, RENAME_EXCHANGE)
            except OSError as error:
                if error.errno not in CANNOT - {errno.EBUSY}:
                    raise
                rename_new(leaf, folder, f"{self.new}-back", base)
                rename_new(old, base, leaf, folder)
        elif old:
            self._lost("somebody else has made something in its place")

    def _lost(self, why: str) -> None:
        try:
            with folder_at(self.base) as base:
                old = self.old_place(base)
        except (FileNotFoundError, LinkInTheWay):
            old, why = "", f"{self.base}, where it stood, was moved away"
        else:
            if not old:
                return
        raise PluginError(
            f"{self.name} could not be moved back: {why}",
            f"what was live is kept as {self.base}/{old}" if old else "look for that folder; the guard has it, too",
        )


def inode(descriptor: int) -> tuple[int, int]:
    seen = os.fstat(descriptor)
    return seen.st_dev, seen.st_ino


def identity(name: str, folder: int) -> Inode:
    """Device and inode of what has a name in an open folder; None where nothing has."""
    try:
        seen = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino
