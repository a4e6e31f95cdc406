"""What the headers of a tar archive say of a member: its fields in 512 bytes, and the records of pax.

Nothing of it is trusted: what makes no sense, and names that leave the folder, raise ``BadArchive``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.trees.member import Kind, Member

MAX_NAME = 1 << 20
"""Bytes of a member's whole name: more than any tree has that can be extracted (``extract.MAX_DEPTH``)."""
MAX_SIZE = 1 << 62
MAX_LINK = 4096
"""Bytes of where a symbolic link leads, with the zero that ends it."""
MAX_ID = 0xFFFFFFFE
"""The largest number of a user or group; the next one says *leave it* to the system."""
MAX_SECONDS = 1 << 63
"""From 1970, before and after (where it is one less): tmpfs, Btrfs and ZFS hold it, and an owner may give it."""

KINDS = {
    b"0": Kind.FILE, b"\0": Kind.FILE, b"7": Kind.FILE, b"S": Kind.FILE, b"1": Kind.HARDLINK, b"2": Kind.SYMLINK,
    b"3": Kind.CHAR, b"4": Kind.DISK, b"5": Kind.FOLDER, b"6": Kind.FIFO,
}  # fmt: skip
_XATTR = b"SCHILY.xattr."


class BadArchive(PluginError):
    """An archive that is none, or that no honest program wrote."""


def member_of(block: bytes, records: Mapping[bytes, bytes], long: Mapping[bytes, bytes], size: int) -> Member:
    kind = KINDS[block[156:157]]
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    name = records.get(b"GNU.sparse.name") or records.get(b"path") or long.get(b"L") or name
    link = records.get(b"linkpath") or long.get(b"K") or _text(block[157:257])
    if kind is Kind.FILE and name.endswith(b"/"):
        kind = Kind.FOLDER
    mode = number_of(block[100:108], "mode") & 0o7777
    return Member(
        kind=kind,
        name=confined(name),
        mode=mode,
        uid=_bounded(int_of(records, b"uid", number_of(block[108:116], "uid")), MAX_ID, "uid"),
        gid=_bounded(int_of(records, b"gid", number_of(block[116:124], "gid")), MAX_ID, "gid"),
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
    major, minor = number_of(block[329:337], "device"), number_of(block[337:345], "device")
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


def check_sum(block: bytes) -> None:
    """Compare a header with the sum in it. Raises BadArchive where they differ."""
    if block[154:156] == b"\0 " and block[148:154].isdigit():
        # The low half of Adler-32 is the sum of all bytes and one, modulo 65521 (RFC 1950): the C library adds them
        # up in a twentieth of the time. What it does not agree with is looked at as the format says.
        total = (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[148:156]) + 8 * 32
        if (total - _octal(block[148:154])) % 65521 == 0:
            return
    given = number_of(block[148:156], "checksum")
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


def number_of(data: bytes, what: str) -> int:
    """A number of a header that is a size, a mode or an id. Raises BadArchive where it is impossible."""
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


def decimal(data: bytes, most: int = MAX_SIZE) -> int:
    """Decimal digits of a pax record. Raises BadArchive where they are none, or the number is larger than ``most``."""
    if not data.isdigit() or len(data) > 20 or int(data) > most:
        raise BadArchive(f"a header holds {data[:30]!r} where a number should be")
    return int(data)


def int_of(records: Mapping[bytes, bytes], keyword: bytes, otherwise: int) -> int:
    return decimal(records[keyword]) if keyword in records else otherwise


def _nanoseconds(value: bytes) -> int:
    sign = -1 if value.startswith(b"-") else 1
    seconds, _, fraction = value.lstrip(b"-").partition(b".")
    if fraction and not fraction.isdigit():
        raise BadArchive(f"a header holds the time {value[:30]!r}")
    return sign * (decimal(seconds, MAX_SECONDS) * 10**9 + int(fraction[:9].ljust(9, b"0") or b"0"))


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header, keyword and value. Raises BadArchive where it is damaged."""
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
