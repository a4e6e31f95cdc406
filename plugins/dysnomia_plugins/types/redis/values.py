"""Values of keys as rows, whatever their encoding; and passing over values that nobody wants."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dysnomia_plugins.types.redis import streams
from dysnomia_plugins.types.redis.encodings import intset, listpack, ziplist, zipmap
from dysnomia_plugins.types.redis.lzf import Damaged
from dysnomia_plugins.types.redis.rdb import (
    HASH_2,
    HASH_LISTPACK_EX,
    HASH_METADATA,
    MOST_STRING,
    Head,
    RdbStream,
)
from dysnomia_plugins.types.redis.records import NONE, cell, expiry

BATCH = 512
"""Rows handed on at once,"""
BATCH_SIZE = 1 << 20
"""and their bytes: an element may be large, and a stranger's file can hold any number of them."""
Elements = Iterator[bytes]
WITH_FIELDS = frozenset((HASH_METADATA, HASH_LISTPACK_EX, HASH_2))
"""Hashes whose fields may have a time to live of their own: where all of them have passed, the key has, too."""


@dataclass(slots=True)
class Lasting:
    """How many fields of a hash never pass, of those that had not."""

    fields: int = 0


def rows(
    stream: RdbStream, head: Head, now: int | None = None, lasting: Lasting | None = None
) -> Iterator[Sequence[bytes]]:
    """The rows of a key whose value comes next, in batches. All of them must be taken before the stream is read on.

    A large string is put together: who only wants its digest asks for ``string_value`` instead.

    Args:
        now: fields that had passed by then (milliseconds since 1970) are left out; a key may be left with none.
        lasting: counts fields, where the key is of ``WITH_FIELDS``.
    """
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
    if head.code in WITH_FIELDS:
        yield from _batched(_passing(stream, head, key, now, lasting or Lasting()))
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


def _batched(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    try:
        for row in rows:
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


def _passing(stream: RdbStream, head: Head, key: bytes, now: int | None, lasting: Lasting) -> Iterator[bytes]:
    """Fields with the time to live that each has; that of the key itself only where there is a field left."""
    any_left = False
    for field, value, expires in _fields(stream, head.code):
        if expires is None or now is None or expires > now:
            any_left = True
            lasting.fields += expires is None
            yield key + cell(field) + cell(value) + expiry(expires)
    if any_left and head.expires is not None:
        yield key + _NOTHING["hash"] + expiry(head.expires)


def _fields(stream: RdbStream, code: int) -> Iterator[tuple[bytes, bytes, int | None]]:
    """Field, value, and when it passes (milliseconds since 1970)."""
    if code == HASH_LISTPACK_EX:
        stream.skip(8)  # the soonest of all, for servers that look no further
        items = iter(listpack(stream.string()))
        try:
            for field, value, when in zip(items, items, items, strict=True):
                yield field, value, int(when) or None
        except ValueError:
            raise Damaged("a field is without its value or its time to live") from None
    elif code == HASH_METADATA:
        soonest = int.from_bytes(stream.take(8), "little")
        for _ in range(stream.length()):
            after = stream.length()
            yield stream.string(), stream.string(), soonest + after - 1 if after else None
    else:
        for _ in range(stream.length()):
            field, value = stream.string(), stream.string()
            at = int.from_bytes(stream.take(8), "little", signed=True)
            yield field, value, None if at == _NEVER else at


_NEVER = -1


_SHAPES: Mapping[str, Callable[[bytes, Elements], Iterator[bytes]]] = {
    "list": _list,
    "set": _set,
    "zset": _zset,
    "hash": _pairs,
}


def score(text: bytes) -> bytes:
    """A score in one wording, for encodings differ in theirs: the shortest that reads back as the same number.

    Raises Damaged where it is no number."""
    try:
        value = float(text) + 0.0  # no encoding keeps the sign of a zero
    except ValueError:
        raise Damaged("a score is not a number") from None
    if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return b"%d" % int(value)
    return repr(value).encode()


# --- elements, by encoding ------------------------------------------------------------------------------------------


def _strings(stream: RdbStream, strings: int = 1) -> Elements:
    return (stream.string() for _ in range(strings * stream.length()))


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
        _read_over(_text_scores(stream))
    elif code == 5:
        for _ in range(stream.length()):
            stream.skip_string()
            stream.skip(8)
    elif code == 18:
        for _ in range(stream.length()):
            stream.length()
            stream.skip_string()
    elif code in WITH_FIELDS:
        _read_over(_fields(stream, code))
    elif head.type == "stream":
        _read_over(streams.rows(stream, code, b"", None))
    else:
        stream.skip_string()


def _read_over(elements: Iterator[object]) -> None:
    for _ in elements:
        pass


_COUNTED = {1: 1, 2: 1, 4: 2, 14: 1}
