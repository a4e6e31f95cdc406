# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""The swap: what is live and what was loaded beside it change places, root by root.

Each root is exchanged by one ``renameat2(RENAME_EXCHANGE)``, which nobody can see half done; what was live is then
moved from beside to aside. Where the system cannot do that (a root that is a mount point: EBUSY; folders of an
overlay's lower layer: EXDEV; a file system without it: EINVAL), the entries of the folder are moved out one by one
and the new ones in.

Everything is journaled before it is done and can be finished by another process: which roots were exchanged is told
by the identity (device and inode) of what stands there, moves are finished by doing them again.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dysnomia_plugins.base import Journal
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.libc import RENAME_EXCHANGE, rename, rename_new
from dysnomia_plugins.toolkit.guarded.removal import remove_empty
from dysnomia_plugins.toolkit.guarded.system import (
    LinkInTheWay,
    copy_attributes,
    folder_at,
    open_folder,
)
from dysnomia_plugins.toolkit.trees.names import own_name

# Written in journals, of jobs before an upgrade too: not to be renamed.
BEGUN = "fileset-swap"
EXCHANGE = "fileset-exchange"
MOVE = "fileset-move"
REVERT = "fileset-revert"
ENDED = "fileset-swapped"

CANNOT = frozenset({errno.EBUSY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})

Identity = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class RootSwap:
    """What becomes of one root."""

    root: str
    live: str
    beside: str
    aside: str
    old: Identity
    """Device and inode of what is live; None where nothing is."""
    new: Identity
    """Device and inode of what was loaded; None where the snapshot does not hold this root."""
    move: bool
    """Whether entries are moved, since the root is a mount point."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> RootSwap:
        """From a journal's entry."""
        values = dict(data)
        for name in ("old", "new"):
            if values[name] is not None:
                device, inode = values[name]
                values[name] = (device, inode)
        return cls(**values)

    @property
    def exchanged(self) -> bool:
        """Whether the new stands where the old was (for a root that is exchanged, not moved)."""
        current = identity(self.live)
        return current == self.new if self.new is not None else current is None or current != self.old


def identity(path: str) -> Identity:
    """Device and inode of what stands at a path, links not followed; None where nothing does. Raises LinkInTheWay."""
    try:
        with Folder.at(posixpath.dirname(path)) as folder:
            seen = folder.seen(posixpath.basename(path)) if path != "/" else folder.stat()
    except FileNotFoundError:
        return None
    return None if seen is None else (seen.st_dev, seen.st_ino)


def swap_roots(roots: Sequence[RootSwap], journal: Journal) -> None:
    """Exchange all roots.

    Raises PluginError with every root as it was, unless moving had begun: then ``recover`` finishes it."""
    journal.step(BEGUN, roots=[asdict(root) for root in roots])
    done: list[RootSwap] = []
    phases = _phases(journal)
    try:
        for root in roots:
            done.append(root)
            _swap_root(root, journal, phases.get(root.root))
    except OSError as error:
        moving = [data["root"] for name, data in journal.steps() if name == MOVE]
        if moving:
            raise PluginError(
                f"the entries of {moving[-1]} could not all be moved ({error.strerror}: {error.filename or ''})",
                "the next job on the component moves the rest",
            ) from error
        for root in reversed(done):
            _revert(root, journal)
        raise PluginError(f"the folders could not be exchanged ({error.strerror})", "live is unchanged") from error
    _end(roots, journal)


def recover_swap(journal: Journal) -> bool:
    """Finish a swap that had begun to show, forget one that had not. Idempotent.

    Returns whether live is what was loaded. Raises PluginError where neither can be done."""
    steps = journal.steps()
    names = [name for name, _ in steps]
    if ENDED in names:
        return True
    begun = next((data for name, data in reversed(steps) if name == BEGUN), None)
    if begun is None:
        return False
    roots = [RootSwap.read(data) for data in begun["roots"]]
    moving = {str(data["root"]) for name, data in steps if name == MOVE}
    try:
        if REVERT in names or not (moving or any(_shows(root) for root in roots)):
            for root in reversed(roots):
                _revert(root, journal)
            return False
        phases = _phases(journal)
        for root in roots:
            _swap_root(root, journal, phases.get(root.root))
    except OSError as error:
        raise PluginError(
            f"the swap of an interrupted job could not be finished ({error.strerror}: {error.filename or ''})",
            "both versions are still beside the target folder: correct the cause, then try again",
        ) from error
    _end(roots, journal)
    return True


def _shows(root: RootSwap) -> bool:
    """Whether a root was exchanged. Where nothing was live and nothing was loaded, there is nothing to see."""
    return not root.move and (root.old is not None or root.new is not None) and root.exchanged


def _phases(journal: Journal) -> dict[str, str]:
    """How far the entries of each root were moved. Read once: a journal is long where roots are many."""
    return {str(data["root"]): str(data["phase"]) for name, data in journal.steps() if name == MOVE}


def _swap_root(root: RootSwap, journal: Journal, phase: str | None) -> None:
    """One root, from wherever it is. Raises OSError with this root as it was, or moving.

    ``phase``: how far its entries were moved; None where none was begun."""
    if root.move or phase is not None:
        _move(root, journal, phase or "")
        return
    if not root.exchanged:
        journal.step(EXCHANGE, root=root.root)
        try:
            _exchange(root)
        except OSError as error:
            if error.errno not in CANNOT or root.old is None or root.new is None:
                raise
            _move(root, journal, "")
            return
    _put_aside(root)


def _exchange(root: RootSwap) -> None:
    """The one step."""
    parent = posixpath.dirname(root.live)
    if root.old is None and root.new is not None:
        Folder.at(parent, make=0o777).close()
        _rename_new(root.beside, root.live)
    elif root.new is None:
        Folder.at(posixpath.dirname(root.beside), make=PRIVATE_FOLDER).close()
        _rename_new(root.live, root.beside)
    else:
        with folder_at(parent) as live, folder_at(posixpath.dirname(root.beside)) as beside:
            rename(posixpath.basename(root.beside), beside, posixpath.basename(root.live), live, RENAME_EXCHANGE)
            os.fsync(live)
            os.fsync(beside)


def _put_aside(root: RootSwap) -> None:
    """What was live now stands beside: to aside with it."""
    if root.old is not None and identity(root.beside) == root.old:
        Folder.at(posixpath.dirname(root.aside), make=PRIVATE_FOLDER).close()
        _rename_new(root.beside, root.aside)


def _rename_new(source: str, target: str) -> None:
    with folder_at(posixpath.dirname(source)) as source_folder, folder_at(posixpath.dirname(target)) as target_folder:
        rename_new(posixpath.basename(source), source_folder, posixpath.basename(target), target_folder)
        os.fsync(target_folder)
        os.fsync(source_folder)


def _revert(root: RootSwap, journal: Journal) -> None:
    """Put back what was live, where it was exchanged already."""
    if not _shows(root):
        return
    journal.step(REVERT, root=root.root)
    if root.old is not None and identity(root.aside) == root.old:
        _rename_new(root.aside, root.beside)
    if root.old is None:
        _rename_new(root.live, root.beside)
    elif root.new is None:
        _rename_new(root.beside, root.live)
    else:
        _exchange(root)


def _end(roots: Sequence[RootSwap], journal: Journal) -> None:
    for root in roots:
        if root.root != ".":
            _remove_empty(posixpath.dirname(root.beside), stop=len(root.root.split("/")))
    journal.step(ENDED)


def _remove_empty(folder: str, stop: int) -> None:
    """The folders a root stood in beside, up to the one that the job made."""
    with suppress(OSError, LinkInTheWay):
        for _ in range(stop):
            remove_empty(folder)
            if own_name(posixpath.basename(folder)):
                return
            folder = posixpath.dirname(folder)


# --- where it cannot be one step -----------------------------------------------------------------------------------


def _move(root: RootSwap, journal: Journal, phase: str) -> None:
    """Entries out, entries in. Every phase can be done again, by another process, from wherever it stopped."""
    if phase == "done":
        return
    if phase in ("", "out"):
        if not phase:
            journal.step(MOVE, root=root.root, phase="out")
        Folder.at(root.aside, make=PRIVATE_FOLDER).close()
        with folder_at(root.live) as live, folder_at(root.aside) as aside:
            _move_entries(live, aside, _displaced)
            copy_attributes(live, aside)
        journal.step(MOVE, root=root.root, phase="in")
    if identity(root.beside) is not None:
        with folder_at(root.beside) as beside, folder_at(root.live) as live, folder_at(root.aside) as aside:
            _move_entries(beside, live, lambda name, folder, _: _out_of_the_way(name, folder, aside))
            copy_attributes(beside, live)
            os.fsync(live)
        remove_empty(root.beside)
    journal.step(MOVE, root=root.root, phase="done")


Collision = Callable[[str, int, int], bool]
"""Called with a name that is taken, the folder it is taken in, and the folder its entry should leave. True: try
again; False: the entry has left."""


def _move_entries(source: int, target: int, collide: Collision, *, top: bool = True) -> None:
    """Move every entry; into folders where a folder itself cannot be moved. What jobs made stays."""
    for name in sorted(os.listdir(source)):
        again = not (top and own_name(name))
        while again:
            again = _move_entry(name, source, target, collide)


def _move_entry(name: str, source: int, target: int, collide: Collision) -> bool:
    """Whether it must be tried again."""
    try:
        rename_new(name, source, name, target)
    except FileExistsError:
        if not (_is_folder(name, source) and _is_folder(name, target)):
            return collide(name, target, source)
        _move_inside(name, source, target, collide)
    except OSError as error:
        if error.errno not in CANNOT or not _is_folder(name, source):
            raise
        os.mkdir(name, 0o700, dir_fd=target)
        _move_inside(name, source, target, collide)
    return False


def _move_inside(name: str, source: int, target: int, collide: Collision) -> None:
    inner_source = open_folder(name, source)
    try:
        inner_target = open_folder(name, target)
        try:
            _move_entries(inner_source, inner_target, collide, top=False)
            copy_attributes(inner_source, inner_target)
        finally:
            os.close(inner_target)
    finally:
        os.close(inner_source)
    os.rmdir(name, dir_fd=source)


def _displaced(name: str, target: int, source: int) -> bool:
    """While moving out: an entry came anew after one of its name was moved. It is kept beside that one."""
    rename_new(name, source, _late_name(name, target), target)
    return False


def _out_of_the_way(name: str, live: int, aside: int) -> bool:
    """While moving in: somebody made an entry of that name in the live folder meanwhile. It goes aside."""
    rename_new(name, live, _late_name(name, aside), aside)
    return True


def _late_name(name: str, folder: int) -> str:
    """A free name for what came late."""
    number = 0
    while True:
        late = name if number == 0 else f"{name[:200]}.late-{number}"
        try:
            os.lstat(late, dir_fd=folder)
        except FileNotFoundError:
            return late
        number += 1


def _is_folder(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return False
