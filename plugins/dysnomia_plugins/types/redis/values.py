"""Values of keys as rows, whatever their encoding; and passing over values that nobody wants."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dysnomia_plugins.types.redis import streams
from dysnomia_plugins.types.redis.encodings import intset, listpack, ziplist, zipmap
from dysnomia_plugins.types.redis.lzf import Damaged
from dysnomia_plugins.types.redis.rdb import MOST_STRING, Head, RdbStream
from dysnomia_plugins.types.redis.records import NONE, cell, expiry

BATCH = 512
"""Rows handed on at once,"""
BATCH_SIZE = 1 << 20
"""and their bytes: an element may be large, and a stranger's file can hold any number of them."""
Elements = Iterator[bytes]


def rows(stream: RdbStream, head: Head) -> Iterator[Sequence[bytes]]:
    """The rows of a key whose value comes next, in batches. All of them must be taken before the stream is read on.

    A large string is put together: who only wants its digest asks for ``string_value`` instead."""
    kind = head.type
    if kind == "string":
        before, value, after = string_value(stream, head)
        yield [before + (value if isinstance(value, bytes) else _joined(value)) + after]
        return
    if kind == "function":
        yield [_function(stream.string())]
        return
    key = cell(head.key)
    if kind == "stream":
        yield from _batched(streams.rows(stream, head.code, key, head.expires))
        return
    if head.expires is not None:
        yield [key + _NOTHING[kind] + expiry(head.expires)]
    elements = _ELEMENTS[head.code](stream)
    yield from _batched(_SHAPES[kind](key, elements))


def string_value(stream: RdbStream, head: Head) -> tuple[bytes, bytes | Iterator[bytes], bytes]:
    """The row of a string: what comes before the value, its bytes (in pieces where they are many), what comes after."""
    value = stream.string_or_pieces()
    size, content = (len(value), value) if isinstance(value, bytes) else value
    return cell(head.key) + b"%d:" % size, content, expiry(head.expires)


_NOTHING = {"list": NONE * 2, "set": NONE, "zset": NONE * 2, "hash": NONE * 2}
"""The cells before the time to live in a row that says only that."""


def _batched(found: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    try:
        for row in found:
            batch.append(row)
            size += len(row)
            if size >= BATCH_SIZE or len(batch) == BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch
    except ValueError:
        raise Damaged("a field or member is without its value or score") from None


def _joined(parts: Iterator[bytes]) -> bytes:
    """A large string in one piece, as long as one may be. Raises Damaged."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MOST_STRING:
            raise Damaged(f"a string longer than {MOST_STRING:,} bytes cannot be shown")
        held.append(part)
    return b"".join(held)


def _function(code: bytes) -> bytes:
    """A library; its name is in its first line."""
    words = code.split(b"\n", 1)[0].split()
    name = next((word[5:] for word in words if word.startswith(b"name=")), b"")
    return cell(name) + cell(code)


# --- rows of elements -----------------------------------------------------------------------------------------------


def _list(before: bytes, elements: Elements) -> Iterator[bytes]:
    return (before + cell(b"%d" % index) + cell(value) + NONE for index, value in enumerate(elements))


def _set(before: bytes, elements: Elements) -> Iterator[bytes]:
    return (before + cell(member) + NONE for member in elements)


def _pairs(before: bytes, elements: Elements) -> Iterator[bytes]:
    return (before + cell(one) + cell(other) + NONE for one, other in zip(elements, elements, strict=True))


def _zset(before: bytes, elements: Elements) -> Iterator[bytes]:
    return (before + cell(one) + cell(score(other)) + NONE for one, other in zip(elements, elements, strict=True))


_SHAPES: Mapping[str, Callable[[bytes, Elements], Iterator[bytes]]] = {
    "list": _list,
    "set": _set,
    "zset": _zset,
    "hash": _pairs,
}


def score(text: bytes) -> bytes:
    """A score in one wording, for encodings differ in theirs: the shortest that reads back as the same number."""
    try:
        value = float(text) + 0.0  # no encoding keeps the sign of a zero
    except ValueError:
        raise Damaged("a score is not a number") from None
    if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return b"%d" % int(value)
    return repr(value).encode()


# --- elements, by encoding ------------------------------------------------------------------------------------------


def _strings(stream: RdbStream, each: int = 1) -> Elements:
    return (stream.string() for _ in range(each * stream.length()))


def _text_scores(stream: RdbStream) -> Elements:
    """Members with their scores as texts of a length of their own (before Redis 4)."""
    for _ in range(stream.length()):
        yield stream.string()
        size = stream.byte()
        yield _ODD_SCORES[size] if size in _ODD_SCORES else stream.take(size)


_ODD_SCORES = {255: b"-inf", 254: b"inf", 253: b"nan"}


def _binary_scores(stream: RdbStream) -> Elements:
    for _ in range(stream.length()):
        yield stream.string()
        yield repr(struct.unpack("<d", stream.take(8))[0]).encode()


def _packed(decode: Callable[[bytes], Elements]) -> Callable[[RdbStream], Elements]:
    return lambda stream: decode(stream.string())


def _quicklist(stream: RdbStream) -> Elements:
    for _ in range(stream.length()):
        yield from ziplist(stream.string())


def _quicklist_2(stream: RdbStream) -> Elements:
    for _ in range(stream.length()):
        plain = stream.length() == 1
        if plain:
            yield stream.string()
        else:
            yield from listpack(stream.string())


_ELEMENTS: Mapping[int, Callable[[RdbStream], Elements]] = {
    1: _strings,
    2: _strings,
    3: _text_scores,
    4: lambda stream: _strings(stream, 2),
    5: _binary_scores,
    9: _packed(zipmap),
    10: _packed(ziplist),
    11: _packed(intset),
    12: _packed(ziplist),
    13: _packed(ziplist),
    14: _quicklist,
    16: _packed(listpack),
    17: _packed(listpack),
    18: _quicklist_2,
    20: _packed(listpack),
}


# --- passing over ---------------------------------------------------------------------------------------------------


def skip(stream: RdbStream, head: Head) -> None:
    """Pass over the value of a key."""
    code = head.code
    if code in _COUNTED:
        for _ in range(_COUNTED[code] * stream.length()):
            stream.skip_string()
    elif code == 3:
        for _ in _text_scores(stream):
            pass
    elif code == 5:
        for _ in range(stream.length()):
            stream.skip_string()
            stream.skip(8)
    elif code == 18:
        for _ in range(stream.length()):
            stream.length()
            stream.skip_string()
    elif head.type == "stream":
        for _ in streams.rows(stream, code, b"", None):
            pass
    else:
        stream.skip_string()


_COUNTED = {1: 1, 2: 1, 4: 2, 14: 1}
