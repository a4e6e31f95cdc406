"""The compact encodings inside of strings: listpack, ziplist, intset, zipmap. Each gives its elements as bytes.

Integers are given as Redis prints them, so that it cannot be seen which encoding an element had. One after the other:
as a list they would take some forty times the memory of the string. Raise Damaged.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from dysnomia_plugins.types.redis.lzf import Damaged


def _checked(decode: Callable[[bytes], Iterator[bytes]]) -> Callable[[bytes], Iterator[bytes]]:
    def checked(data: bytes) -> Iterator[bytes]:
        try:
            yield from decode(data)
        except (LookupError, struct.error, ValueError):
            raise Damaged(f"a {decode.__name__} is damaged") from None

    checked.__doc__ = decode.__doc__
    return checked


@_checked
def listpack(data: bytes) -> Iterator[bytes]:
    """Elements of a listpack (Redis 7; streams since 5). Raises ValueError for bytes that are none."""
    if struct.unpack_from("<I", data)[0] != len(data) or data[-1] != 0xFF:
        raise ValueError
    at, end = 6, len(data) - 1
    while at < end:
        first = data[at]
        if first < 0x80:  # 7 bits
            yield b"%d" % first
            size = 1
        elif first < 0xC0:  # up to 63 bytes
            size = 1 + (first & 0x3F)
            yield data[at + 1 : at + size]
        elif first < 0xE0:  # 13 bits, signed
            value = ((first & 0x1F) << 8) | data[at + 1]
            yield b"%d" % (value - 0x2000 if value >= 0x1000 else value)
            size = 2
        elif first < 0xF0:  # up to 4095 bytes
            size = 2 + (((first & 0x0F) << 8) | data[at + 1])
            yield data[at + 2 : at + size]
        elif first == 0xF0:
            size = 5 + int.from_bytes(data[at + 1 : at + 5], "little")
            yield data[at + 5 : at + size]
        else:
            width = _LISTPACK_WIDTH[first]
            yield b"%d" % int.from_bytes(data[at + 1 : at + 1 + width], "little", signed=True)
            size = 1 + width
        at += size + _back(size)
    if at != end:
        raise ValueError


_LISTPACK_WIDTH = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}


def _back(size: int) -> int:
    """Bytes that a listpack spends on an element's size, to be read backwards."""
    if size < 128:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    return 4 if size < 268435455 else 5


@_checked
def ziplist(data: bytes) -> Iterator[bytes]:
    """Elements of a ziplist (Redis before 7). Raises ValueError for bytes that are none."""
    if struct.unpack_from("<I", data)[0] != len(data) or data[-1] != 0xFF:
        raise ValueError
    at, end = 10, len(data) - 1
    while at < end:
        at += 5 if data[at] == 0xFE else 1
        first = data[at]
        if first < 0xC0:
            if first < 0x40:
                start, size = at + 1, first
            elif first < 0x80:
                start, size = at + 2, ((first & 0x3F) << 8) | data[at + 1]
            else:
                start, size = at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
            yield data[start : start + size]
            at = start + size
        elif first in _ZIPLIST_WIDTH:
            width = _ZIPLIST_WIDTH[first]
            yield b"%d" % int.from_bytes(data[at + 1 : at + 1 + width], "little", signed=True)
            at += 1 + width
        elif 0xF1 <= first <= 0xFD:
            yield b"%d" % ((first & 0x0F) - 1)
            at += 1
        else:
            raise ValueError
    if at != end:
        raise ValueError


_ZIPLIST_WIDTH = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


@_checked
def intset(data: bytes) -> Iterator[bytes]:
    """Members of a set of integers. Raises ValueError for bytes that are none."""
    width, count = struct.unpack_from("<II", data)
    if len(data) != 8 + width * count:
        raise ValueError
    code = {2: "h", 4: "i", 8: "q"}[width] if width in (2, 4, 8) else ""
    if not code:
        raise ValueError
    for (value,) in struct.iter_unpack(f"<{code}", memoryview(data)[8:]):
        yield b"%d" % value


@_checked
def zipmap(data: bytes) -> Iterator[bytes]:
    """Fields and values of a zipmap (Redis before 2.6), one after the other.

    Raises ValueError for bytes that are none."""
    at = 1
    while data[at] != 0xFF:
        size, at = _zipmap_length(data, at)
        yield data[at : at + size]
        size, at = _zipmap_length(data, at + size)
        free = data[at]
        yield data[at + 1 : at + 1 + size]
        at += 1 + size + free
    if at != len(data) - 1:
        raise ValueError


def _zipmap_length(data: bytes, at: int) -> tuple[int, int]:
    if data[at] < 254:
        return data[at], at + 1
    return int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
