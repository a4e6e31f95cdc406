"""A tar archive, read as it streams: ours, GNU tar's (all its sparse formats), and any ustar or pax.

What is read is not trusted. Names that leave the folder, sizes that make no sense and headers out of all proportion
raise ``BadArchive``; an archive that ends too early raises ``Truncated``. Nothing here touches the file system.

Sources: POSIX.1-2017 ``pax``; GNU tar's manual, "Basic Tar Format" and "Storing Sparse Files".
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.tarwrite import TAR_BLOCK

CHUNK = 1 << 20
"""Bytes of content handed on at a time."""
MAX_EXTRA = 16 << 20
"""The most bytes of a member's headers together: extended attributes come to a few MiB at most."""
MAX_NAME = 1 << 20
"""Bytes of a member's whole name: more than any tree has that can be extracted (``extract.MAX_DEPTH``)."""
MAX_EXTENTS = 1_000_000
"""The most runs of data in a sparse file, of ours as well."""
MAX_SIZE = 1 << 62
MAX_LINK = 4096
"""Bytes of where a symbolic link leads, with the zero that ends it."""
MAX_ID = 0xFFFFFFFE
"""The largest number of a user or group; the next one says *leave it* to the system."""
MAX_SECONDS = 1 << 63
"""From 1970, before and after (where it is one less): tmpfs, Btrfs and ZFS hold it, and an owner may give it."""

_KINDS = {
    b"0": Kind.FILE, b"\0": Kind.FILE, b"7": Kind.FILE, b"S": Kind.FILE, b"1": Kind.HARDLINK, b"2": Kind.SYMLINK,
    b"3": Kind.CHAR, b"4": Kind.DISK, b"5": Kind.FOLDER, b"6": Kind.FIFO,
}  # fmt: skip
_XATTR = b"SCHILY.xattr."


class BadArchive(PluginError):
    """An archive that is none, or that no honest program wrote."""


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
        """The next entry, or None at the end of the archive (``ended`` says whether it was marked)."""
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
                size = _number(block[124:136], "size")
                if len(raw) + size > MAX_EXTRA:
                    raise BadArchive(f"the archive holds headers of {len(raw) + size:,} bytes for one member")
                data = self.take_all(size, "a header")
                raw += data + self.take_all(-size % TAR_BLOCK, "a header")
                if kind in (b"L", b"K"):
                    long[kind] = data.rstrip(b"\0")
                elif kind == b"x":
                    for keyword, value in _pax_records(data):
                        records[keyword] = value
                        if keyword in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                            sparse.append((keyword, value))
                continue
            if kind not in _KINDS:
                raise BadArchive(f"the archive holds a member of an unknown type ({kind!r})")
            return self._entry(block, raw, records, sparse, long)

    def take(self, most: int, what: str) -> bytes:
        """At least one and at most ``most`` bytes."""
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
        _check_sum(data)
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
        stored = _int(records, b"size", _number(block[124:136], "size"))
        member = _member(block, records, long, stored)
        extents: list[tuple[int, int]] | None = None
        size = stored
        if block[156:157] == b"S":
            extents, extra = self._old_sparse(block)
            raw += extra
            size = _number(block[483:495], "real size")
        elif b"GNU.sparse.major" in records:
            if (records[b"GNU.sparse.major"], records.get(b"GNU.sparse.minor")) != (b"1", b"0"):
                raise BadArchive(f"{member.name!r} is stored in an unknown sparse format")
            extents, table = self._sparse_table(stored, member.name)
            raw += table
            stored -= len(table)
            size = _int(records, b"GNU.sparse.realsize", 0)
        elif b"GNU.sparse.map" in records or sparse:
            numbers = records[b"GNU.sparse.map"].split(b",") if b"GNU.sparse.map" in records else [v for _, v in sparse]
            extents = _pairs([_decimal(number) for number in numbers])
            size = _int(records, b"GNU.sparse.size", 0)
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
        pairs = [(_number(f[:12], "offset"), _number(f[12:], "length")) for f in fields if f.strip(b"\0 ")]
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
            numbers += [_decimal(line) for line in lines[: wanted - len(numbers) if numbers else None]]
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


def _member(block: bytes, records: Mapping[bytes, bytes], long: Mapping[bytes, bytes], size: int) -> Member:
    kind = _KINDS[block[156:157]]
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    name = records.get(b"GNU.sparse.name") or records.get(b"path") or long.get(b"L") or name
    link = records.get(b"linkpath") or long.get(b"K") or _text(block[157:257])
    if kind is Kind.FILE and name.endswith(b"/"):
        kind = Kind.FOLDER
    mode = _number(block[100:108], "mode") & 0o7777
    return Member(
        kind=kind,
        name=confined(name),
        mode=mode,
        uid=_bounded(_int(records, b"uid", _number(block[108:116], "uid")), MAX_ID, "uid"),
        gid=_bounded(_int(records, b"gid", _number(block[116:124], "gid")), MAX_ID, "gid"),
        user=os.fsdecode(records.get(b"uname", _text(block[265:297]))),
        group=os.fsdecode(records.get(b"gname", _text(block[297:329]))),
        size=size if kind is Kind.FILE else 0,
        mtime=_mtime(block, records),
        link=confined(link) if kind is Kind.HARDLINK else _target(link) if kind is Kind.SYMLINK else "",
        device=_device(block) if kind in (Kind.CHAR, Kind.DISK) else (0, 0),
        xattrs=tuple(sorted(_xattrs(records))) if records else (),
    )


def _mtime(block: bytes, records: Mapping[bytes, bytes]) -> int:
    nanoseconds = _nanoseconds(records[b"mtime"]) if b"mtime" in records else _signed(block[136:148]) * 10**9
    if not -MAX_SECONDS <= nanoseconds // 10**9 < MAX_SECONDS:
        raise BadArchive(f"a header holds an impossible time ({nanoseconds // 10**9} seconds)")
    return nanoseconds


def _device(block: bytes) -> tuple[int, int]:
    """Linux has 12 bits for the one and 20 for the other."""
    major, minor = _number(block[329:337], "device"), _number(block[337:345], "device")
    return _bounded(major, 0xFFF, "device"), _bounded(minor, 0xFFFFF, "device")


def _target(link: bytes) -> str:
    """Where a symbolic link leads: anywhere, for it is not followed."""
    if b"\0" in link or not link or len(link) >= MAX_LINK:
        raise BadArchive(f"the archive holds a link to {os.fsdecode(link[:300])!r}, which is not allowed")
    return os.fsdecode(link)


def _xattrs(records: Mapping[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    for keyword, value in records.items():
        if keyword.startswith(_XATTR):
            name = keyword[len(_XATTR) :].replace(b"%3D", b"=").replace(b"%25", b"%")
            if b"\0" in name or not 0 < len(name) < 256:
                raise BadArchive(f"the archive holds an extended attribute called {os.fsdecode(name[:300])!r}")
            yield os.fsdecode(name), value


def confined(name: bytes) -> str:
    """A member's name below its folder, normalised. Raises BadArchive where it leads elsewhere."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if (
        len(name) > MAX_NAME
        or name.startswith(b"/")
        or b".." in parts
        or b"\0" in name
        or any(len(part) > 255 for part in parts)
    ):
        raise BadArchive(
            f"the archive holds a member called {os.fsdecode(name[:300])!r}",
            "this name is not allowed; nothing was extracted",
        )
    if not name:
        raise BadArchive("the archive holds a member without a name")
    return os.fsdecode(b"/".join(parts)) or "."


def _check_sum(block: bytes) -> None:
    if block[154:156] == b"\0 " and block[148:154].isdigit():
        # The low half of Adler-32 is the sum of all bytes and one, modulo 65521 (RFC 1950): the C library adds them
        # up in a twentieth of the time. What it does not agree with is looked at as the format says.
        total = (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[148:156]) + 8 * 32
        if (total - _octal(block[148:154])) % 65521 == 0:
            return
    given = _number(block[148:156], "checksum")
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    if given != unsigned and given != unsigned - 256 * sum(byte > 127 for byte in rest):
        raise BadArchive("a header's checksum is wrong: this is not a tar archive, or it is damaged")


def _text(data: bytes) -> bytes:
    return data.split(b"\0", 1)[0]


def _octal(digits: bytes) -> int:
    """Of digits alone; -1 where one of them is none of an octal number."""
    try:
        return int(digits, 8)
    except ValueError:
        return -1


def _number(data: bytes, what: str) -> int:
    if data[-1] == 0 and data[:-1].isdigit() and (short := _octal(data[:-1])) >= 0:
        return short  # as nearly every header has it
    number = _signed(data)
    if not 0 <= number <= MAX_SIZE:
        raise BadArchive(f"a header holds an impossible {what} ({number})")
    return number


def _signed(data: bytes) -> int:
    """Octal digits, or GNU's binary form for large and negative numbers."""
    if data[0] in (0x80, 0xFF):
        number = int.from_bytes(data[1:], "big")
        return number - (256 ** (len(data) - 1)) if data[0] == 0xFF else number
    digits = _text(data).strip()
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise BadArchive(f"a header holds {digits!r} where a number should be")
    return int(digits, 8)


def _bounded(number: int, most: int, what: str) -> int:
    if number > most:
        raise BadArchive(f"a header holds an impossible {what} ({number})")
    return number


def _decimal(data: bytes, most: int = MAX_SIZE) -> int:
    if not data.isdigit() or len(data) > 20 or int(data) > most:
        raise BadArchive(f"a header holds {data[:30]!r} where a number should be")
    return int(data)


def _int(records: Mapping[bytes, bytes], keyword: bytes, otherwise: int) -> int:
    return _decimal(records[keyword]) if keyword in records else otherwise


def _nanoseconds(value: bytes) -> int:
    sign = -1 if value.startswith(b"-") else 1
    seconds, _, fraction = value.lstrip(b"-").partition(b".")
    if fraction and not fraction.isdigit():
        raise BadArchive(f"a header holds the time {value[:30]!r}")
    return sign * (_decimal(seconds, MAX_SECONDS) * 10**9 + int(fraction[:9].ljust(9, b"0") or b"0"))


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    if len(numbers) % 2:
        raise BadArchive("a sparse map is cut short")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        if space < 0 or not data[at:space].isdigit():
            raise BadArchive("a pax header is damaged")
        end = at + int(data[at:space])
        record = data[space + 1 : end]
        if end > len(data) or end <= space + 1 or not record.endswith(b"\n") or b"=" not in record:
            raise BadArchive("a pax header is damaged")
        keyword, _, value = record[:-1].partition(b"=")
        yield keyword, value
        at = end
