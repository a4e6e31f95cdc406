"""A tar archive, read as it streams: ours, GNU tar's (all its sparse formats), and any ustar or pax.

What is read is not trusted. Names that leave the folder, sizes that make no sense and headers out of all proportion
raise ``BadArchive``; an archive that ends too early raises ``Truncated``. Nothing here touches the file system.

Sources: POSIX.1-2017 ``pax``; GNU tar's manual, "Basic Tar Format" and "Storing Sparse Files".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.tarheader import (
    KINDS,
    BadArchive,
    check_sum,
    decimal,
    int_of,
    member_of,
    number_of,
    pax_records,
)
from dysnomia_plugins.toolkit.trees.tarwrite import TAR_BLOCK

CHUNK = 1 << 20
"""Bytes of content handed on at a time."""
MAX_EXTRA = 16 << 20
"""The most bytes of a member's headers together: extended attributes come to a few MiB at most."""
MAX_EXTENTS = 1_000_000
"""The most runs of data in a sparse file, of ours as well."""


@dataclass
class Entry:
    """A member as it stands in the archive. Its content must be read before the next entry."""

    member: Member
    raw: bytes
    """All header blocks, and a sparse file's map."""
    extents: tuple[tuple[int, int], ...] | None
    """The runs of data of a sparse file; None for a file stored whole."""
    archive: TarReader
    stored: int
    """Bytes of content in the archive."""
    tail: bytes = b""
    """What filled the last block; known once the content was read."""
    _read: bool = field(default=False)

    def content(self) -> Iterator[tuple[int, bytes]]:
        """(offset in the file, data) in order. Holes are left out."""
        if self._read:
            return
        self._read = True
        for offset, length in self.extents if self.extents is not None else ((0, self.stored),):
            at = offset
            while at < offset + length:
                data = self.archive.take(min(CHUNK, offset + length - at), self.member.name)
                yield at, data
                at += len(data)
        self.tail = self.archive.take_all(-self.stored % TAR_BLOCK, self.member.name)

    def skip(self) -> None:
        """Read the content and forget it."""
        for _ in self.content():
            pass


class TarReader:
    """Iterates over the entries of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.ended = False
        """Whether the end marker was seen."""
        self.rest = b""
        """The blocks of the end marker, as they were read."""

    def __iter__(self) -> Iterator[Entry]:
        """Raises BadArchive, Truncated."""
        while (entry := self.next()) is not None:
            yield entry
            entry.skip()

    def next(self) -> Entry | None:
        """The next entry, or None at the end of the archive (``ended`` says whether it was marked).

        Raises BadArchive, Truncated."""
        raw = b""
        records: dict[bytes, bytes] = {}
        sparse: list[tuple[bytes, bytes]] = []
        long: dict[bytes, bytes] = {}
        while True:
            block = self._header_block(raw)
            if block is None:
                return None
            raw += block
            kind = block[156:157]
            if kind in (b"x", b"g", b"L", b"K"):
                size = number_of(block[124:136], "size")
                if len(raw) + size > MAX_EXTRA:
                    raise BadArchive(f"the archive holds headers of {len(raw) + size:,} bytes for one member")
                data = self.take_all(size, "a header")
                raw += data + self.take_all(-size % TAR_BLOCK, "a header")
                if kind in (b"L", b"K"):
                    long[kind] = data.rstrip(b"\0")
                elif kind == b"x":
                    for keyword, value in pax_records(data):
                        records[keyword] = value
                        if keyword in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                            sparse.append((keyword, value))
                continue
            if kind not in KINDS:
                raise BadArchive(f"the archive holds a member of an unknown type ({kind!r})")
            return self._entry(block, raw, records, sparse, long)

    def take(self, most: int, what: str) -> bytes:
        """At least one and at most ``most`` bytes. Raises Truncated where the archive ends before."""
        data = self._stream.read(most)
        if not data:
            raise Truncated(f"the archive ends inside {what}")
        return data

    def take_all(self, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes."""
        parts: list[bytes] = []
        while size:
            parts.append(self.take(size, what))
            size -= len(parts[-1])
        return b"".join(parts)

    def _header_block(self, before: bytes) -> bytes | None:
        data = self._stream.read(TAR_BLOCK)
        while data and len(data) < TAR_BLOCK:
            data += self.take(TAR_BLOCK - len(data), "a header")
        if not data:
            if before:
                raise Truncated("the archive ends after half a header")
            return None
        if data.count(0) == TAR_BLOCK:
            if before:
                raise BadArchive("the archive's end marker is inside a header")
            self._end(data)
            return None
        check_sum(data)
        return data

    def _end(self, first: bytes) -> None:
        """After one block of zeros there should be another; GNU tar fills up to its record size with more."""
        parts = [first]
        size = len(first)
        while data := self._stream.read(CHUNK):
            if data.count(0) != len(data):
                raise BadArchive("the archive goes on after its end marker")
            size += len(data)
            if size > MAX_EXTRA:
                raise BadArchive("the archive's end marker is too long")
            parts.append(data)
        self.ended = size >= 2 * TAR_BLOCK
        self.rest = b"".join(parts)

    def _entry(
        self,
        block: bytes,
        raw: bytes,
        records: Mapping[bytes, bytes],
        sparse: list[tuple[bytes, bytes]],
        long: Mapping[bytes, bytes],
    ) -> Entry:
        stored = int_of(records, b"size", number_of(block[124:136], "size"))
        member = member_of(block, records, long, stored)
        extents: list[tuple[int, int]] | None = None
        size = stored
        if block[156:157] == b"S":
            extents, extra = self._old_sparse(block)
            raw += extra
            size = number_of(block[483:495], "real size")
        elif b"GNU.sparse.major" in records:
            if (records[b"GNU.sparse.major"], records.get(b"GNU.sparse.minor")) != (b"1", b"0"):
                raise BadArchive(f"{member.name!r} is stored in an unknown sparse format")
            extents, table = self._sparse_table(stored, member.name)
            raw += table
            stored -= len(table)
            size = int_of(records, b"GNU.sparse.realsize", 0)
        elif b"GNU.sparse.map" in records or sparse:
            numbers = records[b"GNU.sparse.map"].split(b",") if b"GNU.sparse.map" in records else [v for _, v in sparse]
            extents = _pairs([decimal(number) for number in numbers])
            size = int_of(records, b"GNU.sparse.size", 0)
        if member.kind is not Kind.FILE:
            if stored and member.kind is not Kind.FOLDER:
                raise BadArchive(f"{member.name!r} is a {member.kind} and has content")
            return Entry(member, raw, None, self, stored)
        if extents is None:
            return Entry(member if member.size == size else replace(member, size=size), raw, None, self, stored)
        checked = tuple(_checked(extents, size, stored, member.name))
        return Entry(replace(member, size=size), raw, checked, self, stored)

    def _old_sparse(self, block: bytes) -> tuple[list[tuple[int, int]], bytes]:
        """GNU's own format: four pairs in the header, then blocks of 21."""
        fields = [block[at : at + 24] for at in range(386, 482, 24)]
        more, extra = block[482], bytearray()
        while more:
            if len(fields) > MAX_EXTENTS:
                raise BadArchive("the archive holds a sparse file with too many parts")
            part = self.take_all(TAR_BLOCK, "a sparse map")
            extra += part
            fields += [part[at : at + 24] for at in range(0, 504, 24)]
            more = part[504]
        pairs = [(number_of(f[:12], "offset"), number_of(f[12:], "length")) for f in fields if f.strip(b"\0 ")]
        return pairs, bytes(extra)

    def _sparse_table(self, stored: int, name: str) -> tuple[list[tuple[int, int]], bytes]:
        """PAX format 1.0: decimal numbers, a line each, at the beginning of the content."""
        table = bytearray()
        numbers: list[int] = []
        wanted = 1
        rest = b""
        while len(numbers) < wanted:
            if len(table) + TAR_BLOCK > stored:
                raise BadArchive(f"the sparse map of {name!r} does not end")
            block = self.take_all(TAR_BLOCK, name)
            table += block
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > TAR_BLOCK:
                raise BadArchive(f"the sparse map of {name!r} holds a line without an end")
            numbers += [decimal(line) for line in lines[: wanted - len(numbers) if numbers else None]]
            if numbers and wanted == 1:
                if numbers[0] > MAX_EXTENTS:
                    raise BadArchive(f"{name!r} is a sparse file with too many parts")
                wanted = 1 + 2 * numbers[0]
        return _pairs(numbers[1:wanted]), bytes(table)


def _checked(extents: list[tuple[int, int]], size: int, stored: int, name: str) -> list[tuple[int, int]]:
    """Runs in order, without overlap, inside the file, and as long as what is stored."""
    end = 0
    for offset, length in extents:
        if offset < end or offset + length > size:
            raise BadArchive(f"the sparse map of {name!r} is invalid")
        end = offset + length
    if sum(length for _, length in extents) != stored:
        raise BadArchive(f"the sparse map of {name!r} does not match what is stored")
    return extents


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    if len(numbers) % 2:
        raise BadArchive("a sparse map is cut short")
    return list(zip(numbers[::2], numbers[1::2], strict=True))
