"""The many small files of a stored tree, read from its archive with little done for each.

A file whose headers say nothing but name, size and time that another one's have not said is taken here; the first of
a kind, and all that is longer, larger or otherwise different, is left to ``TarReader``, which reads the same bytes.
What is read is trusted as little: sums are compared, and names that leave the folder raise ``BadArchive``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, NamedTuple, cast

from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.tarheader import check_sum, confined
from dysnomia_plugins.toolkit.trees.tarread import Entry
from dysnomia_plugins.toolkit.trees.tarwrite import TAR_BLOCK

PIECE = 256 << 10
"""Bytes read at a time."""
LARGEST = 64 << 10
"""Bytes of a file that is taken here."""
_KINDS = 1000
"""Different owners and modes that are kept, and different lengths of a header before a member's own."""

_RECORDS = re.compile(
    rb"(?:([0-9]{2,3}) path=([^\n\0]+)\n)?(?:([0-9]{2}) mtime=([0-9]{1,11})\.([0-9]{1,9})\n)?"
).fullmatch
_NUMBERS = re.compile(rb"([0-7]{11})\0([0-7]{11})\0").fullmatch
_EXTRA = ord("x")
_LONGEST_PART = 255
"""Bytes of a name in its folder; what is longer is refused with words."""


class PlainMember(NamedTuple):
    """A small file, whole."""

    folder: str
    """``""`` for the target folder."""
    name: str
    """In that folder."""
    data: bytes
    mtime: int
    like: Member
    """What it should be like, but for name, size and time."""


class Ahead:
    """A stream that is read in large pieces and can be looked at before it is read on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.data = b""
        self.at = 0
        """How much of ``data`` was read."""

    def read(self, size: int) -> bytes:
        """At least one byte and at most ``size``; none at the end."""
        if self.at == len(self.data):
            if size >= PIECE:
                return self._stream.read(size)
            self.data, self.at = self._stream.read(PIECE), 0
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def has(self, size: int) -> bool:
        """Whether as many bytes follow; they are in ``data`` then, from ``at``."""
        if len(self.data) - self.at < size:
            self.data, self.at = self.data[self.at :] + self._stream.read(PIECE), 0
        return len(self.data) - self.at >= size

    def stream(self) -> BinaryIO:
        """For whoever needs ``read`` alone."""
        return cast(BinaryIO, self)


class PlainMembers:
    """Gives small files of an archive that is otherwise read by a ``TarReader`` on the same stream.

    ``accept``: says what a file of some owner and mode should be like where it is extracted; None where that takes a
    closer look at each.
    """

    def __init__(self, ahead: Ahead, accept: Callable[[Member], Member | None]) -> None:
        self._ahead = ahead
        self._accept = accept
        self._extras: dict[bytes, int] = {}
        """Header blocks that were found right, each before records that state a name or a time, and their length."""
        self._alike: dict[tuple[bytes, bytes], Member] = {}
        """By what stands in a header but for name, size, time and sum."""
        self._folder = (b"", "")

    def next(self) -> PlainMember | None:
        """The next member, where it is such a file. Raises BadArchive."""
        ahead = self._ahead
        if not ahead.has(3 * TAR_BLOCK):
            return None
        data, at = ahead.data, ahead.at
        path = time = None
        if data[at + 156] == _EXTRA:
            length = self._extras.get(data[at : at + TAR_BLOCK])
            records = None if length is None else _stated(data, at + TAR_BLOCK, length)
            if records is None:
                return None
            path, time = records
            at += 2 * TAR_BLOCK
        block = data[at : at + TAR_BLOCK]
        like = self._alike.get((block[100:124], block[156:]))
        numbers = _NUMBERS(block, 124, 148)
        if like is None or numbers is None:
            return None
        size = int(numbers[1], 8)
        where = self._place(block[:100].rstrip(b"\0") if path is None else path)
        headers = at + TAR_BLOCK - ahead.at
        if size > LARGEST or where is None or not ahead.has(headers + size + -size % TAR_BLOCK):
            return None
        check_sum(block)
        start = ahead.at + headers
        ahead.at = start + size + -size % TAR_BLOCK
        mtime = int(numbers[2], 8) * 10**9 if time is None else time
        return PlainMember(*where, ahead.data[start : start + size], mtime, like)

    def learn(self, entry: Entry) -> None:
        """Look at a member that a ``TarReader`` gave: those that follow may be like it."""
        raw, block = entry.raw, entry.raw[-TAR_BLOCK:]
        plain = entry.member.kind is Kind.FILE and entry.extents is None and len(raw) in (TAR_BLOCK, 3 * TAR_BLOCK)
        # Its type, no part of its name elsewhere in the header.
        if not plain or block[156:157] != b"0" or block[257:265] != b"ustar\x0000" or any(block[345:500]):
            return
        if max(len(self._extras), len(self._alike)) >= _KINDS:
            self._extras.clear()
            self._alike.clear()
        if len(raw) == 3 * TAR_BLOCK:
            record = raw[TAR_BLOCK : 2 * TAR_BLOCK].rstrip(b"\0")
            if raw[156] != _EXTRA or _stated(record, 0, len(record)) is None:
                return
            if raw[124:136] != b"%011o\0" % len(record):
                return
            self._extras[raw[:TAR_BLOCK]] = len(record)
        like = self._accept(replace(entry.member, name="", size=0, mtime=0))
        if like is not None:
            self._alike[block[100:124], block[156:]] = like

    def _place(self, name: bytes) -> tuple[str, str] | None:
        """Folder and name of a member; None for one that takes a closer look. Raises BadArchive."""
        folder, slash, last = name.rpartition(b"/")
        if last in (b"", b".", b"..") or b"\0" in name or len(last) > _LONGEST_PART:
            return None
        if slash and folder != self._folder[0]:
            confined(name)
            self._folder = folder, confined(folder)
            if self._folder[1] == ".":
                self._folder = folder, ""
        return self._folder[1] if slash else "", os.fsdecode(last)


def _stated(data: bytes, at: int, length: int) -> tuple[bytes | None, int | None] | None:
    """Name and time, in nanoseconds, where records state them and nothing else; None for all others."""
    records = _RECORDS(data, at, at + length)
    if records is None:
        return None
    path_size, path, time_size, seconds, fraction = records.groups()
    if path_size is not None and int(path_size) != len(path_size) + len(path) + 7:
        return None
    if time_size is None:
        return path, None
    if int(time_size) != len(seconds) + len(fraction) + 11:
        return None
    return path, int(seconds) * 10**9 + int(fraction) * 10 ** (9 - len(fraction))
