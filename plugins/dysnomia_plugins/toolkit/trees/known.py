"""Which members of a tree are as they were when the newest snapshot read them: those need not be read again.

A member is the same where name, kind, inode, size, mode, owners and both times are: the kernel sets the time of a
change (ctime), which no program can set, at every change of content, mode or attributes. What it cannot promise is
left out of the note, so that it is read again: a file that had just changed (a later change could bear the same time,
on file systems that count whole seconds), and what a program might write through a mapping it already had, where the
time is set once for many writes. Other file systems than these keep no such times, or keep them elsewhere.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct

from dysnomia_plugins.base import Earlier
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import root_of, sort_key
from dysnomia_store.sink import ContentSink

FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay"})
"""Those that set the time of a change at every change, by this machine's clock."""
LEAST = 500
"""Members below which a tree is read whole each time: it takes no longer than to look who writes in it."""
JUST = 2_500_000_000
"""Nanoseconds for which a file counts as just changed: some file systems count in seconds, or two."""
MAPPED = 60_000_000_000
"""The same where a program has files there open for writing: for so long a page it wrote may be written again without
another time being set (twice the half minute after which the kernel writes pages back and looks anew)."""
_Place = tuple[int, tuple[bytes, ...]]
_KEY = 16
_NONE = bytes(_KEY)
_FIELDS = Struct("<QqQQIII")
_64 = (1 << 64) - 1
"""Times in nanoseconds are cut to 64 bits: whoever owns a file may give it one after the year 2262."""


def key_of(name: str, kind: Kind, link: str, seen: os.stat_result) -> bytes:
    """What stands for a member as it was looked at: 16 bytes."""
    what = b"%b\0%b\0%b" % (kind.encode(), os.fsencode(name), os.fsencode(link))
    return blake2b(what + _fields(seen), digest_size=_KEY).digest()


def file_key(name: bytes, seen: os.stat_result) -> bytes:
    """The same of a file, quicker."""
    return blake2b(b"file\0%b\0%b" % (name, _fields(seen)), digest_size=_KEY).digest()


def _fields(seen: os.stat_result) -> bytes:
    return _FIELDS.pack(
        seen.st_ino, seen.st_size, seen.st_mtime_ns & _64, seen.st_ctime_ns & _64, seen.st_mode, seen.st_uid,
        seen.st_gid,
    )  # fmt: skip


@dataclass
class Noting:
    """Collects what is noted of a tree while it is dumped."""

    _keys: bytearray = field(default_factory=bytearray)
    _changed: array[int] = field(default_factory=lambda: array("q"))
    """When each member changed last; 0 for what was noted before."""

    def same(self, key: bytes) -> None:
        """A member that was taken over."""
        self._keys += key
        self._changed.append(0)

    def read(self, key: bytes, changed: int) -> None:
        """A member that was read, or looked at; ``b""`` for one that changed meanwhile."""
        self._keys += key or _NONE
        self._changed.append(min(changed, _64 >> 1))

    def note(self, roots: Sequence[str], before: int) -> bytes:
        """What is to be noted, without what changed after ``before`` (nanoseconds since 1970)."""
        for number, changed in enumerate(self._changed):
            if changed > before:
                self._keys[number * _KEY : (number + 1) * _KEY] = _NONE
        return json.dumps({"roots": list(roots), "members": len(self._changed)}).encode() + b"\n" + self._keys


class Known:
    """The members of the newest snapshot, gone through in the order of the walk.

    Args:
        earlier: that snapshot.
        roots: the roots of the tree now, in order; a note of other roots says nothing.
    """

    def __init__(self, earlier: Earlier, roots: Sequence[str]) -> None:
        self._earlier = earlier
        self._roots = roots
        self._numbers = {root: number for number, root in enumerate(roots)}
        note = memoryview(earlier.note)
        after = earlier.note.find(b"\n") + 1
        keys = note[after:]  # of a million members it is large, and is not copied
        self._keys = keys if _matches(bytes(note[:after]), roots, len(keys), len(earlier)) else note[:0]
        self.count = len(self._keys) // _KEY
        self._at = 0
        self._placed: tuple[int, _Place] = (-1, (0, ()))
        """A section, and its place in the walk: the one that was looked at last."""
        self._run = (0, 0)
        """Sections that are to be taken, but were not yet."""

    def same(self, name: str, kind: Kind, link: str, seen: os.stat_result) -> bytes | None:
        """The key of a member where it is as it was; None where it is not. Members are asked for in the walk's order,
        some more than once."""
        key = key_of(name, kind, link, seen)
        if self._key(self._at) != key:
            self._go_to(name)
            if self._key(self._at) != key:
                return None
        return key

    def take(self, sink: Callable[[], ContentSink]) -> None:
        """Take over the member that was found to be the same, together with those before it. ``sink`` is called where
        those do not stand right before it in the snapshot, and go into it now."""
        start, end = self._run
        if self._at != end:  # it begins anew: what is between has changed, or is gone
            if self.pending:
                self.flush(sink())
            start = self._at
        self._at += 1
        self._run = (start, self._at)

    def flush(self, sink: ContentSink) -> None:
        """Put what is to be taken over into the sink."""
        start, end = self._run
        if end > start:
            self._earlier.take(sink, start, end - start)
        self._run = (end, end)

    @property
    def pending(self) -> bool:
        """Whether something is to be taken over that was not yet."""
        return self._run[1] > self._run[0]

    @property
    def whole(self) -> bool:
        """Whether every member of the snapshot is to be taken over, and none was put into a sink yet."""
        return self.count > 0 and self._run == (0, self.count)

    def _key(self, number: int) -> memoryview:
        return self._keys[number * _KEY : (number + 1) * _KEY]

    def _go_to(self, name: str) -> None:
        """Pass over the members that come before this one."""
        place = self._place(name)
        while self._at < self.count and self._place_of(self._at) < place:
            self._at += 1

    def _place_of(self, number: int) -> _Place:
        if self._placed[0] != number:
            self._placed = number, self._place(self._earlier.name(number))
        return self._placed[1]

    def _place(self, name: str) -> _Place:
        """Sorts names as the walk gives them: by root, then depth first, names in a folder by their bytes."""
        root = root_of(name, self._numbers)
        return len(self._roots) if root is None else self._numbers[root], sort_key(name)


def _matches(head: bytes, roots: Sequence[str], size: int, sections: int) -> bool:
    """Whether a note is of these roots, and of as many members as the snapshot has sections."""
    try:
        head_record = json.loads(head)
    except ValueError:
        return False
    return bool(head_record == {"roots": list(roots), "members": sections} and size == sections * _KEY)
