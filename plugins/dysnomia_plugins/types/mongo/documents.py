"""Documents as BSON, one behind the other, as ``mongodump`` writes them.

Format: https://bsonspec.org: each begins with its own length in four bytes, little-endian, and ends with a zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from bson import CodecOptions, DatetimeMS, decode, json_util
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError, InvalidBSON
from bson.json_util import CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS

from dysnomia_plugins.errors import PluginError, Truncated

MOST = (16 << 20) + (16 << 10)
"""Bytes of the largest document: MongoDB's own limit, with what it allows itself above it."""
_LEAST = 5
_BATCH, _DOCUMENTS = 4 << 20, 1000
_BITS = 256
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    dict, unicode_decode_error_handler="backslashreplace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

__all__ = ["DatetimeMS", "Multiset", "batches", "canonical", "decoded", "exactly", "reading", "shown", "split"]


def reading(stream: BinaryIO) -> Iterator[bytes]:
    """The documents of a stream. Raises Truncated, PluginError for what is none."""
    while head := exactly(stream, 4):
        if len(head) < 4:
            raise Truncated("the documents end within the length of one", "check the snapshot")
        size = int.from_bytes(head, "little")
        if not _LEAST <= size <= MOST:
            raise PluginError(f"not BSON: a document of {size} bytes", "check the snapshot")
        rest = exactly(stream, size - 4)
        if len(rest) < size - 4:
            raise Truncated("the documents end within one", "check the snapshot")
        if rest[-1]:
            raise PluginError("not BSON: a document does not end with a zero", "check the snapshot")
        yield head + rest


def exactly(stream: BinaryIO, size: int) -> bytes:
    """So many bytes; fewer at the end of the stream only."""
    data = stream.read(size)
    if len(data) == size or not data:
        return data
    pieces = [data]
    missing = size - len(data)
    while missing and (data := stream.read(missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def split(data: bytes) -> list[bytes]:
    """The documents of a batch that a server sent. Raises PluginError."""
    pieces = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if not _LEAST <= size <= len(data) - at:
            raise PluginError("MongoDB sent a batch that is not BSON", "try again, and check the server's log")
        pieces.append(data[at : at + size])
        at += size
    return pieces


def batches(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Documents together, bounded in number and bytes."""
    batch: list[bytes] = []
    size = 0
    for one in documents:
        if batch and size + len(one) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one)
        if len(batch) >= _DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Multiset:
    """A digest of documents that does not depend on their order: the sum of their digests, and how many they are."""

    def __init__(self) -> None:
        self._sum = 0
        self.count = 0

    def add(self, documents: Iterable[bytes]) -> None:
        for one in documents:
            self._sum += int.from_bytes(hashlib.sha256(one).digest(), "big")
            self.count += 1
        self._sum %= 1 << _BITS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Multiset) and (self._sum, self.count) == (other._sum, other.count)

    def __hash__(self) -> int:
        return hash((self._sum, self.count))


def decoded(document: bytes) -> dict[str, Any]:
    """Raises PluginError."""
    try:
        return decode(document, _OPTIONS)
    except (InvalidBSON, BSONError) as error:
        raise PluginError(f"not BSON: {error}", "check the snapshot") from error


def canonical(value: object) -> str:
    """A value as extended JSON from which it can be made again."""
    return json_util.dumps(value, json_options=CANONICAL_JSON_OPTIONS, ensure_ascii=False, separators=(",", ":"))


def shown(value: object) -> str:
    """A value for people: extended JSON that leaves out types where they are usual."""
    return json_util.dumps(value, json_options=RELAXED_JSON_OPTIONS, ensure_ascii=False)
