"""Members as tar headers: ustar with pax records, readable by GNU tar, bsdtar and Python's tarfile.

Sources: POSIX.1-2017 ``pax``; GNU tar's manual, "Storing Sparse Files" (PAX format 1.0) and, for extended attributes,
the records ``SCHILY.xattr.*`` that star began and GNU tar and libarchive read. A long name that is not UTF-8, which no
pax record may hold, goes into a GNU ``L`` or ``K`` block. Access control lists are there twice: exactly, among the
extended attributes, which is what is read here; and as text, for tar, which takes them from nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from dysnomia_plugins.toolkit.trees.access_lists import list_records
from dysnomia_plugins.toolkit.trees.member import Kind, Member

TAR_BLOCK = 512
END = bytes(2 * TAR_BLOCK)
"""The end marker: two blocks of zeros."""

TYPES = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHAR: b"3",
    Kind.DISK: b"4",
    Kind.FOLDER: b"5",
    Kind.FIFO: b"6",
}
_NAME = 100
_MAX_ID = 0o7777777
_MAX_SIZE = 0o77777777777

Extents = Sequence[tuple[int, int]]
"""(offset, length) of each run of data in a sparse file, in order, without overlap."""


def header(member: Member, extents: Extents | None = None) -> tuple[bytes, int]:
    """The blocks that stand before a member's content (for a sparse file, its map included), and how many bytes of
    content follow them.

    Args:
        member: what is stored.
        extents: the runs of data of a file that has holes; None for a file stored whole.
    """
    name = os.fsencode(member.name) + (b"/" if member.kind is Kind.FOLDER else b"")
    link = os.fsencode(member.link)
    records: list[tuple[bytes, bytes]] = []
    size = member.size if member.kind is Kind.FILE else 0
    table = b""
    if extents is not None:
        table = _sparse_table(extents, member.size)
        records += [
            (b"GNU.sparse.major", b"1"),
            (b"GNU.sparse.minor", b"0"),
            (b"GNU.sparse.name", name),
            (b"GNU.sparse.realsize", b"%d" % member.size),
        ]
        folder, _, last = name.rpartition(b"/")
        name = b"/".join(part for part in (folder, b"GNUSparseFile.0", last) if part)[:_NAME]
        size = len(table) + sum(length for _, length in extents)
    long = b""
    if len(name) > _NAME:
        long += _long(b"L", name, b"path", records)
    if len(link) > _NAME:
        long += _long(b"K", link, b"linkpath", records)
    seconds, nanoseconds = divmod(member.mtime, 10**9)
    if nanoseconds or not 0 <= seconds <= _MAX_SIZE:
        records.append((b"mtime", _decimal(member.mtime)))
    for keyword, value, most in (
        (b"size", size, _MAX_SIZE),
        (b"uid", member.uid, _MAX_ID),
        (b"gid", member.gid, _MAX_ID),
    ):
        if value > most:
            records.append((keyword, b"%d" % value))
    records += [(b"SCHILY.xattr." + _escaped(key), value) for key, value in member.xattrs]
    records += list_records(member.xattrs)
    pax = _pax(records) if records else b""
    plain = _block(member, name, link, size, seconds)
    return long + pax + plain + table, size - len(table)


class PlainHeaders:
    """Headers of the many files of one owner and mode: the same bytes as ``header``, in a tenth of the time.

    What they have in common is put together once, with the sum of its bytes.
    """

    def __init__(self, like: Member) -> None:
        block = _block(like, b"", b"", 0, 0)
        self.usable = 0 <= like.uid <= _MAX_ID and 0 <= like.gid <= _MAX_ID and not like.xattrs
        """Whether there is nothing else to say of them; else ``header`` must say it."""
        self._owner, self._rest = block[100:124], block[156:]
        self._sum = sum(self._owner) + sum(self._rest) + 8 * 32

    def header(self, name: bytes, size: int, mtime: int) -> bytes | None:
        """The blocks before a file's content; None for what ``header`` alone can say."""
        seconds, nanoseconds = divmod(mtime, 10**9)
        if size > _MAX_SIZE or not 0 <= seconds <= _MAX_SIZE:
            return None
        records = b""
        if len(name) > _NAME:
            if not _is_utf8(name):
                return None
            records = _record(b"path", name)
            name = name[:_NAME]
        if nanoseconds:
            # As ``_record`` would: of 12 to 30 bytes, so that the length that counts itself has two digits.
            time = (b"%d.%09d" % (seconds, nanoseconds)).rstrip(b"0")
            records += b"%d mtime=%b\n" % (len(time) + 10, time)
        numbers = b"%011o\0%011o\0" % (size, seconds)
        block = b"%b%b%b%06o\0 %b" % (
            name.ljust(_NAME, b"\0"), self._owner, numbers, self._sum + sum(name) + sum(numbers), self._rest,
        )  # fmt: skip
        return _extra(b"x", b"PaxHeaders/member", records) + block if records else block


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def padding(size: int) -> bytes:
    """What fills the last block after ``size`` bytes of content."""
    return bytes(-size % TAR_BLOCK)


def _block(member: Member, name: bytes, link: bytes, size: int, seconds: int) -> bytes:
    mode = 0o777 if member.kind is Kind.SYMLINK else member.mode
    major, minor = member.device
    return _summed(
        name[:_NAME].ljust(_NAME, b"\0")
        + _octal(mode, 8)
        + _octal(member.uid if member.uid <= _MAX_ID else 0, 8)
        + _octal(member.gid if member.gid <= _MAX_ID else 0, 8)
        + _octal(size if size <= _MAX_SIZE else 0, 12)
        + _octal(seconds if 0 <= seconds <= _MAX_SIZE else 0, 12)
        + b" " * 8
        + TYPES[member.kind]
        + link[:_NAME].ljust(_NAME, b"\0")
        + b"ustar\x0000"
        + _owner_name(member.user)
        + _owner_name(member.group)
        + _octal(major, 8)
        + _octal(minor, 8)
        + bytes(167)
    )


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _owner_name(name: str) -> bytes:
    encoded = os.fsencode(name)
    return (encoded if len(encoded) < 32 else b"").ljust(32, b"\0")


def _summed(block: bytes) -> bytes:
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _long(kind: bytes, value: bytes, keyword: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    """A long name: a pax record where it is UTF-8, else a GNU block, which is returned."""
    if not _is_utf8(value):
        return _extra(kind, b"././@LongLink", value + b"\0")
    records.append((keyword, value))
    return b""


def _pax(records: Sequence[tuple[bytes, bytes]]) -> bytes:
    return _extra(b"x", b"PaxHeaders/member", b"".join(_record(keyword, value) for keyword, value in records))


def _extra(kind: bytes, name: bytes, data: bytes) -> bytes:
    return _extra_block(kind, name, len(data)) + data + padding(len(data))


@lru_cache(64)
def _extra_block(kind: bytes, name: bytes, size: int) -> bytes:
    block = (
        name.ljust(_NAME, b"\0") + _octal(0o644, 8) + _octal(0, 8) + _octal(0, 8) + _octal(size, 12)
        + _octal(0, 12) + b" " * 8 + kind + bytes(_NAME) + b"ustar\x0000" + bytes(64) + _octal(0, 8) + _octal(0, 8)
        + bytes(167)
    )  # fmt: skip
    return _summed(block)


def _record(keyword: bytes, value: bytes) -> bytes:
    """``LENGTH KEYWORD=VALUE\\n``, where the length counts itself."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %b=%b\n" % (length, keyword, value)


def _escaped(name: str) -> bytes:
    """An attribute's name as part of a keyword, which holds no ``=``: as GNU tar does it."""
    return os.fsencode(name).replace(b"%", b"%25").replace(b"=", b"%3D")


def _decimal(nanoseconds: int) -> bytes:
    sign, amount = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    seconds, rest = divmod(amount, 10**9)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{sign}{seconds}{fraction}".encode()


def _sparse_table(extents: Extents, size: int) -> bytes:
    """The map of a sparse file: the number of runs, then offset and length of each, filled up to whole blocks.

    A hole at the end is marked by an empty run there: without it GNU tar makes the file too short."""
    if not extents or sum(extents[-1]) < size:
        extents = [*extents, (size, 0)]
    numbers = [len(extents), *(number for extent in extents for number in extent)]
    table = b"".join(b"%d\n" % number for number in numbers)
    return table + padding(len(table))
