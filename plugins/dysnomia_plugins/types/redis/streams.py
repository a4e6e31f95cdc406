"""Streams: entries, groups of consumers, and what each of these has not acknowledged.

State: the entries, the last id and the counters that XINFO shows, groups, consumers, and who was given what, when and
how often. Not state: when a consumer was last seen, which every poll for messages changes. How the entries are divided
into nodes is not to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.types.redis.encodings import listpack
from dysnomia_plugins.types.redis.lzf import Damaged
from dysnomia_plugins.types.redis.rdb import MOST_STRING, RdbStream
from dysnomia_plugins.types.redis.records import NONE, cell, expiry, pairs

_DELETED, _SAME_FIELDS = 1, 2
_COUNTERS_SINCE, _ACTIVE_SINCE = 19, 21
_UNKNOWN = (1 << 64) - 1
MOST_FIELDS = 1 << 20
"""Of an entry: a command has no more arguments (``client-query-buffer-limit``, and 1024 * 1024 of them)."""
MOST_GIVEN = 1 << 24
"""Entries that the consumers of one group have not acknowledged; they are held in memory."""


def rows(stream: RdbStream, code: int, key: bytes, expires: int | None) -> Iterator[bytes]:
    """The rows of a stream's value; ``key`` is its cell."""
    for _ in range(stream.length()):
        yield from _node(key, _raw_id(stream.string()), listpack(stream.string()))
    length = stream.length()
    last = _id(stream)
    deleted, added = (0, 0), length
    if code >= _COUNTERS_SINCE:
        _id(stream)  # the first entry's id
        deleted = _id(stream)
        added = stream.length()
    summary = f"last {_text(last)}, added {added}, deleted up to {_text(deleted)}".encode()
    yield key + cell(b"stream") + NONE + NONE + cell(summary) + expiry(expires)
    for _ in range(stream.length()):
        yield from _group(stream, code, key)


def _node(before: bytes, base: tuple[int, int], items: Iterator[bytes]) -> Iterator[bytes]:
    """The entries of one listpack: the first names the fields that most have."""
    take = items.__next__
    try:
        take(), take()  # how many entries there are, and how many were deleted
        master = [take() for _ in range(_fields(take()))]
        take()  # the end of the first
        for first in items:
            flags, ms, seq = int(first), int(take()), int(take())
            if flags & _SAME_FIELDS:
                values = [one for name in master for one in (name, take())]
            else:
                values = [take() for _ in range(2 * _fields(take()))]
            take()  # how many items the entry has
            if not flags & _DELETED:
                if sum(map(len, values)) > MOST_STRING:
                    raise Damaged("an entry of a stream is longer than Redis takes")
                entry = cell(_text((base[0] + ms, base[1] + seq)).encode())
                yield before + cell(b"entry") + NONE + entry + cell(pairs(values)) + NONE
    except (ValueError, StopIteration):
        raise Damaged("a stream is damaged") from None


def _fields(item: bytes) -> int:
    count = int(item)
    if not 0 <= count <= MOST_FIELDS:
        raise Damaged(f"an entry of a stream says that it has {count} fields")
    return count


def _group(stream: RdbStream, code: int, before: bytes) -> Iterator[bytes]:
    name = cell(stream.string())
    last = _id(stream)
    read = stream.length() if code >= _COUNTERS_SINCE else _UNKNOWN
    known = "" if read == _UNKNOWN else f", read {read}"
    yield before + cell(b"group") + name + NONE + cell(f"last {_text(last)}{known}".encode()) + NONE
    given: dict[bytes, bytes] = {}
    count = stream.length()
    if count > MOST_GIVEN:
        raise Unsupported(
            f"a group of a stream has {count:,} entries that are not acknowledged", f"{MOST_GIVEN:,} are read"
        )
    for _ in range(count):
        entry = stream.take(16)
        when = int.from_bytes(stream.take(8), "little")
        given[entry] = b", given %d times, last at %d" % (stream.length(), when)
    for _ in range(stream.length()):
        consumer = stream.string()
        stream.skip(16 if code >= _ACTIVE_SINCE else 8)
        yield before + cell(b"consumer") + name + cell(consumer) + NONE + NONE
        for _ in range(stream.length()):
            entry = stream.take(16)
            if entry not in given:
                raise Damaged("a stream's consumer holds an entry that its group was not given")
            owner = cell(b"to " + consumer + given.pop(entry))
            yield before + cell(b"pending") + name + cell(_text(_raw_id(entry)).encode()) + owner + NONE
    if given:
        raise Damaged("a stream's group gave entries to nobody")


def _id(stream: RdbStream) -> tuple[int, int]:
    return stream.length(), stream.length()


def _raw_id(raw: bytes) -> tuple[int, int]:
    if len(raw) != 16:
        raise Damaged("an id of a stream is damaged")
    return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big")


def _text(id_: tuple[int, int]) -> str:
    return f"{id_[0]}-{id_[1]}"
