"""Small members of a tree, put together by the thousand before they are handed to the store.

Most of a tree is small files, and what is done for each of them is what its snapshot costs: here it is as little as
can be, with the same bytes in the archive and in the digests as ``Member`` and ``tarwrite.header`` give.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dysnomia_plugins.toolkit.files_reader import SNIFFED, is_text
from dysnomia_plugins.toolkit.trees.member import BLOCK, ContentDigest, Kind, Member
from dysnomia_plugins.toolkit.trees.tarwrite import TAR_BLOCK, PlainHeaders, header
from dysnomia_plugins.toolkit.trees.walk import Owners, Seen, member_of
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink, WholeSection

FULL = 1 << 20
"""Bytes of content at which a batch is handed on."""
MOST = 500
"""Members at which it is."""
PLAIN = min(BLOCK, SNIFFED)
"""Bytes up to which a file's content is one block of its digest, and all of it is looked at for text."""
_KINDS = 1000
"""Different owners and modes that are kept; more are worked out again."""

ENCODING = sys.getfilesystemencoding()
TEXT, BYTES = Form.TEXT, Form.BYTES
_PADDING = tuple(bytes(size) for size in range(TAR_BLOCK))


@dataclass(frozen=True, slots=True)
class _Alike:
    """What files of one owner and mode have in common."""

    usable: bool
    """Whether ``header`` says all there is to say of them."""
    header: Callable[[bytes, int, int], bytes | None]
    attributes: Mapping[str, str]
    canonical: bytes
    """Mode, owner and group as they stand in a member's canonical bytes."""

    @classmethod
    def of(cls, member: Member) -> _Alike:
        parts = (b"%o" % member.mode, b"%d" % member.uid, b"%d" % member.gid)
        canonical = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        headers = PlainHeaders(member)
        return cls(headers.usable, headers.header, member.attributes(), canonical)


@dataclass
class Batch:
    """Members whose sections are known whole."""

    _sections: list[WholeSection] = field(default_factory=list)
    _stored: int = 0
    _content: int = 0
    _alike: dict[tuple[int, int, int], _Alike] = field(default_factory=dict)

    def add_member(self, member: Member) -> bool:
        """A member without content. Returns whether the batch is full."""
        stored = header(member)[0]
        self._sections.append(
            WholeSection(member.kind, member.name, Form.BYTES, 0, member.attributes(), member.canonical(), (stored,))
        )
        return self._is_full(len(stored))

    def add_file(self, seen: Seen, data: bytes) -> bool | None:
        """A file without holes that was found unchanged after ``data`` was read.

        Returns whether the batch is full; None for a file that is not a plain one, and was not taken."""
        if len(data) > PLAIN or seen.xattrs:
            return None
        return self.add_plain(seen.name, seen.name.encode(ENCODING, "surrogateescape"), seen.stat, data, seen.owners)

    def add_plain(self, name: str, encoded: bytes, seen: os.stat_result, data: bytes, owners: Owners) -> bool | None:
        """The same of a regular file of at most ``PLAIN`` bytes that has no extended attributes."""
        size = len(data)
        alike = self._alike.get((seen.st_mode, seen.st_uid, seen.st_gid)) or self._learn(seen, owners)
        if not alike.usable or (blocks := alike.header(encoded, size, seen.st_mtime_ns)) is None:
            return None
        length = b"%d" % size
        canonical = b"4:file%d:%b%b%d:%b0:3:0,0%b" % (
            len(encoded), encoded, alike.canonical, len(length), length, ContentDigest.of_small(data),
        )  # fmt: skip
        self._sections.append(
            WholeSection(
                "file", name, TEXT if is_text(data) else BYTES, size, alike.attributes, canonical,
                (blocks, data, _PADDING[-size % TAR_BLOCK]),
            )
        )  # fmt: skip
        self._content += size
        self._stored += size
        return self._stored >= FULL or len(self._sections) >= MOST

    @property
    def waiting(self) -> bool:
        """Whether there is something to hand on."""
        return bool(self._sections)

    def hand_on(self, sink: ContentSink) -> int:
        """Write what there is, in order. Returns the bytes of content that were in it."""
        if self._sections:
            sink.write_sections(self._sections)
        content = self._content
        self._sections = []
        self._stored = self._content = 0
        return content

    def _is_full(self, size: int) -> bool:
        self._stored += size
        return self._stored >= FULL or len(self._sections) >= MOST

    def _learn(self, seen: os.stat_result, owners: Owners) -> _Alike:
        if len(self._alike) >= _KINDS:
            self._alike.clear()
        user, group = owners.user(seen.st_uid), owners.group(seen.st_gid)
        alike = _Alike.of(member_of("", seen, Kind.FILE, "", (), user, group))
        self._alike[seen.st_mode, seen.st_uid, seen.st_gid] = alike
        return alike
