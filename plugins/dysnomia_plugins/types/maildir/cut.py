# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""The names in a tree of Maildirs as they were at one moment, while mail is delivered, read and moved.

A message is never written to after it was delivered, but it is renamed at any time. So all names are read first, and
then again those of each folder that changed since, until none has: at the moment that this last look began, the tree
held exactly these names. A message that moves from one folder to another is in one of them then, and in no other.
The messages are read afterwards; one that has another name by then is looked for under the likely names, then among
those that came since.
"""

from __future__ import annotations

import os
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at, open_below
from dysnomia_plugins.toolkit.trees.extract import MAX_DEPTH
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import own_name
from dysnomia_plugins.toolkit.trees.walk import READING
from dysnomia_plugins.types.maildir import names as naming

TICK = 25_000_000
"""Nanoseconds in which two changes of a folder may get the same time from the kernel's clock."""
PATIENCE, TIMES = 1.0, 5
"""Seconds, and how many times what the first look took, after which a tree that never stands still is taken as it was
seen."""
_TRIES = 4
"""How often a message that is renamed all the time is looked for in its mailbox, and in all of them."""
_ALLOWED = 2.0
"""Seconds."""


@dataclass(slots=True)
class Listed:
    """One folder. The names of a million messages stand in it: they are kept as one piece."""

    files: bytes
    others: tuple[str, ...]
    """Folders, links and the rest."""
    changed: int
    """The folder's time, before it was read."""
    settled: bool
    """Whether any later change is sure to show in that time."""
    inodes: array[int] = field(default_factory=lambda: array("Q"))
    """Of the files, in their order; none where they are not known."""

    def names(self) -> list[str]:
        """Those of the regular files, in order."""
        return [os.fsdecode(name) for name in self.files.split(b"/")] if self.files else []


@dataclass
class Cut:
    """What ``walk.Names`` asks for.

    Args:
        top: where the tree is, absolute.
    """

    top: str
    folders: dict[str, Listed] = field(default_factory=dict)
    steady: bool = True
    """Whether these are the names of one moment; False where the tree never stood still."""
    gone: list[str] = field(default_factory=list)
    """Messages that were deleted before they were read."""
    _doubtful: list[str] = field(default_factory=list)
    """Those that were not looked for everywhere."""
    _since: dict[str, dict[str | int, str]] = field(default_factory=dict)
    """Names that came since, by folder, and there by the unique name of the message and by its inode: a message that is
    moved to another folder may get another name, and is the same file."""
    _looked: dict[str, int] = field(default_factory=dict)
    """The time that a folder had at the last look."""
    _known: tuple[str, frozenset[bytes]] = ("", frozenset())
    """The names of the folder that was looked at last."""
    _sorted: tuple[str, Sequence[bytes]] = ("", ())
    """Those of the folder that an inode was looked up of last."""
    _as_of: int = 0
    """Nanoseconds since 1970, by the clock of files."""
    _taken: float = 0.0
    _spent: float = 0.0
    """Seconds."""

    def take(self) -> None:
        """Raises LinkInTheWay, FileNotFoundError, OSError."""
        began, self._as_of = time.monotonic(), time.time_ns() - TICK
        with self._root() as root:
            self._list_below(root, ".")
            deadline = time.monotonic() + PATIENCE + TIMES * (time.monotonic() - began)
            while self.steady and not self._stands(root):
                if time.monotonic() > deadline:
                    self._settle_for_less(root)
                time.sleep(TICK / 1e9)
        self._taken = time.monotonic()

    def mailboxes(self) -> Iterator[str]:
        """The folders that are Maildirs."""
        return (folder for folder, listed in self.folders.items() if naming.CUR in listed.others)

    def messages(self, mailbox: str) -> int:
        """How many there are in one of them."""
        boxes = (self.folders.get(naming.below(mailbox, one)) for one in (naming.CUR, naming.NEW))
        return sum(box.files.count(b"/") + 1 for box in boxes if box is not None and box.files)

    # What ``walk.Names`` asks.

    def entries(self, folder: str) -> Sequence[tuple[str, bool]]:
        listed = self.folders.get(folder)
        above = self.folders.get(naming.mailbox_of(folder))
        if listed is None or (above is not None and _is_tmp(naming.mailbox_of(folder), folder, above)):
            return ()
        files = [(name, True) for name in listed.names()]
        if not listed.others:
            return files
        return sorted([*files, *((name, False) for name in listed.others)], key=lambda one: os.fsencode(one[0]))

    def renamed(self, name: str) -> int:
        what = naming.message(name)
        if what is None:
            return -1
        mailbox, folder, leaf = what
        here = [naming.below(mailbox, one) for one in (naming.CUR, naming.NEW)]
        here = [one for one in here if one in self.folders]
        everywhere = [*here, *(one for one in self._boxes if one not in here)]
        sought = naming.unique(leaf), self._inode(name)
        with self._root() as root:
            if (descriptor := self._moved(root, everywhere, sought)) >= 0:
                return descriptor
            if (descriptor := _likely(root, mailbox, folder, leaf)) >= 0:
                return descriptor
            for boxes in (here, everywhere) * _TRIES:
                if not self._may_look():
                    self._doubtful.append(name)
                    return -1
                self._look(root, boxes)
                if (descriptor := self._moved(root, boxes, sought)) >= 0:
                    return descriptor
                if boxes is everywhere and not any(one in since for since in self._since.values() for one in sought):
                    break
        self.gone.append(name)
        return -1

    @property
    def perhaps_moved(self) -> list[str]:
        """Messages that were deleted before they were read, where others came: a server that moves a message by a copy
        of its content, under a name of its own, leaves nothing to know it by."""
        return self.gone if any(self._since.values()) else []

    def missed(self) -> list[str]:
        """Messages that were not found when they were to be read, and that are there all the same."""
        if not self._doubtful:
            return []
        with self._root() as root:
            self._look(root, self._boxes)
        came = {one for since in self._since.values() for one in since}
        return [
            name
            for name in self._doubtful
            if naming.unique(name.rpartition("/")[2]) in came or self._inode(name) in came
        ]

    # How.

    @contextmanager
    def _root(self) -> Iterator[int]:
        with folder_at(self.top) as descriptor:
            yield descriptor

    def _list_below(self, root: int, folder: str) -> None:
        """A folder, and all in it. Folders that are gone meanwhile are in no list."""
        waiting = [folder]
        while waiting:
            at = waiting.pop()
            if at.count("/") > MAX_DEPTH:
                continue  # the walk refuses what is above it
            try:
                descriptor = _folder(root, at)
            except (FileNotFoundError, LinkInTheWay):
                if at == ".":
                    raise
                continue
            try:
                listed = self.folders[at] = _list(descriptor, at)
            finally:
                os.close(descriptor)
            inside = [naming.below(at, name) for name in listed.others]
            waiting += [one for one in inside if not _is_tmp(at, one, listed)]
            self.folders.update({one: Listed(b"", (), -1, settled=True) for one in inside if _is_tmp(at, one, listed)})

    def _stands(self, root: int) -> bool:
        """Whether no folder has changed since it was read. Those that have are read again."""
        stands = True
        for folder, listed in list(self.folders.items()):
            if listed.changed < 0:
                continue
            try:
                descriptor = _folder(root, folder)
            except (FileNotFoundError, LinkInTheWay):
                stands = False
                self._forget(folder)
                continue
            try:
                seen = os.fstat(descriptor).st_mtime_ns
            finally:
                os.close(descriptor)
            if seen != listed.changed or not listed.settled:
                names = (listed.files, listed.others)
                self._list_again(root, folder, listed)
                now = self.folders.get(folder)
                # Locks and indexes come and go in a mailbox all the time.
                if naming.holds_messages(folder) or now is None or names != (now.files, now.others):
                    stands = False
        return stands

    def _list_again(self, root: int, folder: str, before: Listed) -> None:
        try:
            descriptor = _folder(root, folder)
        except (FileNotFoundError, LinkInTheWay):
            self._forget(folder)
            return
        try:
            now = self.folders[folder] = _list(descriptor, folder)
        finally:
            os.close(descriptor)
        for name in set(before.others) - set(now.others):
            self._forget(naming.below(folder, name))
        for name in set(now.others) - set(before.others):
            self._list_below(root, naming.below(folder, name))

    def _forget(self, folder: str) -> None:
        for one in [one for one in self.folders if one == folder or one.startswith(f"{folder}/")]:
            del self.folders[one]

    def _settle_for_less(self, root: int) -> None:
        """The tree never stands still: each message of a mailbox once, under any of the names it was seen by."""
        self.steady = False
        for mailbox in list(self.mailboxes()):
            once: dict[str, tuple[str, str, int]] = {}
            for _ in range(2):
                for folder in (naming.NEW, naming.CUR):
                    listed = self.folders.get(at := naming.below(mailbox, folder))
                    if listed is not None:
                        pairs = zip(listed.names(), listed.inodes, strict=True)
                        once |= {naming.unique(name): (folder, name, inode) for name, inode in pairs}
                        self._list_again(root, at, listed)
            for folder in (naming.NEW, naming.CUR):
                listed = self.folders.get(naming.below(mailbox, folder))
                if listed is not None:
                    kept = sorted((os.fsencode(name), inode) for at, name, inode in once.values() if at == folder)
                    listed.files = b"/".join(name for name, _ in kept)
                    listed.inodes = array("Q", (inode for _, inode in kept))

    @cached_property
    def _boxes(self) -> list[str]:
        """The folders that messages stand in."""
        return [folder for folder in self.folders if naming.holds_messages(folder)]

    def _may_look(self) -> bool:
        """Looking for what was renamed takes no longer than reading, and a little."""
        return self._spent < _ALLOWED + (time.monotonic() - self._taken) / 2

    def _moved(self, root: int, boxes: Sequence[str], what: Sequence[str | int]) -> int:
        """A message under a name that came since, by its unique name or inode."""
        for one in what:
            for folder in boxes:
                name = self._since.get(folder, {}).get(one)
                if name is None or (descriptor := _opened(root, f"{folder}/{name}")) < 0:
                    continue
                if one == what[0] or self._is_older(os.fstat(descriptor), int(one)):
                    return descriptor
                os.close(descriptor)
        return -1

    def _is_older(self, seen: os.stat_result, inode: int) -> bool:
        """Whether it is that file, and not a later one that got the inode of one that was deleted."""
        return seen.st_ino == inode and seen.st_mtime_ns < self._as_of

    def _look(self, root: int, boxes: Sequence[str]) -> None:
        """Which names came since."""
        began = time.monotonic()
        for folder in boxes:
            with suppress(FileNotFoundError, LinkInTheWay):
                descriptor = _folder(root, folder)
                try:
                    self._look_in(descriptor, folder)
                finally:
                    os.close(descriptor)
        self._spent += time.monotonic() - began

    def _look_in(self, descriptor: int, folder: str) -> None:
        changed = os.fstat(descriptor).st_mtime_ns
        if changed == self._looked.get(folder, self.folders[folder].changed):
            return
        now = _list(descriptor, folder)
        self._looked[folder] = now.changed if now.settled else -1
        if self._known[0] != folder:
            self._known = folder, frozenset(self.folders[folder].files.split(b"/"))
        since: dict[str | int, str] = {}
        for raw, inode in zip(now.files.split(b"/"), now.inodes, strict=False):
            if raw not in self._known[1]:
                name = os.fsdecode(raw)
                since[naming.unique(name)] = since[inode] = name
        self._since[folder] = since

    def _inode(self, name: str) -> int:
        """Of a file as it was; 0 where it is not known."""
        folder, _, leaf = name.rpartition("/")
        listed = self.folders[folder]
        if self._sorted[0] != folder:
            self._sorted = folder, listed.files.split(b"/")
        at = bisect_left(self._sorted[1], os.fsencode(leaf))
        return listed.inodes[at] if at < len(listed.inodes) else 0


def _list(descriptor: int, folder: str) -> Listed:
    """The names in an open folder that are state."""
    began, changed = time.time_ns(), os.fstat(descriptor).st_mtime_ns
    messages, top = naming.holds_messages(folder), folder == "."
    files: list[tuple[bytes, int]] = []
    others: list[str] = []
    with os.scandir(descriptor) as scanned:
        for entry in scanned:
            kind = _kind(entry)
            if not messages and not naming.is_state(entry.name, folder=kind is Kind.FOLDER):
                continue
            if top and own_name(entry.name):
                continue
            if kind is Kind.FILE:
                files.append((os.fsencode(entry.name), entry.inode()))
            else:
                others.append(entry.name)
    files.sort()
    joined, inodes = b"/".join(name for name, _ in files), array("Q", (inode for _, inode in files))
    return Listed(joined, tuple(sorted(others)), changed, not 0 <= began - changed < TICK, inodes)


def _kind(entry: os.DirEntry[str]) -> Kind | None:
    """As the folder says, which may be out of date; None for all that is neither file nor folder."""
    try:
        if entry.is_file(follow_symlinks=False):
            return Kind.FILE
        return Kind.FOLDER if entry.is_dir(follow_symlinks=False) else None
    except OSError:
        return None


def _is_tmp(folder: str, inside: str, listed: Listed) -> bool:
    """Whether that is where messages are written before they are delivered: nothing in it is state."""
    return inside == naming.below(folder, naming.TMP) and naming.CUR in listed.others


def _folder(root: int, name: str) -> int:
    """Raises FileNotFoundError, LinkInTheWay, OSError."""
    return os.dup(root) if name == "." else open_below(root, name.split("/"))


def _likely(root: int, mailbox: str, folder: str, leaf: str) -> int:
    """A message under one of its likely names; -1 where it has none of them."""
    opened: dict[str, int] = {}
    try:
        for one in {folder, naming.CUR, naming.NEW}:
            with suppress(FileNotFoundError, LinkInTheWay):
                opened[one] = _folder(root, naming.below(mailbox, one))
        for likely in naming.likely_names(folder, leaf):
            above, _, name = likely.partition("/")
            with suppress(OSError, KeyError):
                return os.open(name, READING, dir_fd=opened[above])
        return -1
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def _opened(root: int, name: str) -> int:
    """A descriptor of a file for reading; -1 where there is none."""
    folder, _, leaf = name.rpartition("/")
    try:
        above = _folder(root, folder or ".")
    except (FileNotFoundError, LinkInTheWay):
        return -1
    try:
        return os.open(leaf, READING, dir_fd=above)
    except OSError:
        return -1
    finally:
        os.close(above)
