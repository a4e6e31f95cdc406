"""RDB files made by hand, with the encodings that only older servers write."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence


def rdb(*keys: bytes, version: int = 9) -> bytes:
    """A file with those keys, without a checksum."""
    return b"REDIS%04d" % version + b"".join(keys) + b"\xff" + (bytes(8) if version >= 5 else b"")


def key(code: int, name: bytes, value: bytes, expires: int | None = None) -> bytes:
    when = b"" if expires is None else b"\xfc" + struct.pack("<q", expires)
    return when + bytes([code]) + string(name) + value


def select(database: int) -> bytes:
    return b"\xfe" + length(database)


def aux(name: bytes, value: bytes) -> bytes:
    return b"\xfa" + string(name) + string(value)


def length(number: int) -> bytes:
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", 0x4000 | number)
    return b"\x80" + struct.pack(">I", number) if number < 1 << 32 else b"\x81" + struct.pack(">Q", number)


def string(data: bytes) -> bytes:
    return length(len(data)) + data


def integer(data: bytes) -> int | None:
    """The number that Redis would store instead of a text."""
    try:
        number = int(data)
    except ValueError:
        return None
    return number if b"%d" % number == data and -(1 << 63) <= number < 1 << 63 else None


def ziplist(items: Sequence[bytes]) -> bytes:
    entries, before, tail = b"", 0, 10
    for item in items:
        tail = 10 + len(entries)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + _ziplist_item(item)
        entries += entry
        before = len(entry)
    return struct.pack("<IIH", 11 + len(entries), tail, len(items)) + entries + b"\xff"


def _ziplist_item(item: bytes) -> bytes:
    number = integer(item)
    if number is None:
        if len(item) < 1 << 6:
            return bytes([len(item)]) + item
        return (
            struct.pack(">H", 0x4000 | len(item)) if len(item) < 1 << 14 else b"\x80" + struct.pack(">I", len(item))
        ) + item
    if 0 <= number <= 12:
        return bytes([0xF1 + number])
    for code, width in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(1 << (8 * width - 1)) <= number < 1 << (8 * width - 1):
            return bytes([code]) + number.to_bytes(width, "little", signed=True)
    raise AssertionError(number)


def intset(numbers: Iterable[int]) -> bytes:
    ordered = sorted(set(numbers))
    widest = max((one.bit_length() for one in ordered), default=0)
    width = 2 if widest < 16 else 4 if widest < 32 else 8
    return struct.pack("<II", width, len(ordered)) + b"".join(
        one.to_bytes(width, "little", signed=True) for one in ordered
    )


def zipmap(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    def sized(data: bytes) -> bytes:
        return bytes([len(data)]) if len(data) < 254 else b"\xfe" + struct.pack("<I", len(data))

    found = b"".join(sized(one) + one + sized(other) + b"\0" + other for one, other in pairs)
    return bytes([min(len(pairs), 254)]) + found + b"\xff"


def listpack(items: Sequence[bytes]) -> bytes:
    """Everything as strings of the longest form, or as 64 bits: forms that servers read and seldom write."""
    entries = b""
    for item in items:
        number = integer(item)
        data = b"\xf0" + struct.pack("<I", len(item)) + item if number is None else b"\xf4" + struct.pack("<q", number)
        entries += data + _back(len(data))
    return struct.pack("<IH", 7 + len(entries), len(items)) + entries + b"\xff"


def _back(size: int) -> bytes:
    """The size of an element, seven bits a byte, to be read from its end."""
    parts = [size & 127]
    while size := size >> 7:
        parts.append(size & 127)
    return bytes([parts[-1], *(part | 128 for part in reversed(parts[:-1]))])
