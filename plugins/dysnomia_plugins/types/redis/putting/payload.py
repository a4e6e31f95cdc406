"""A key as ``DUMP`` gives it and ``RESTORE`` takes it: one byte for the type, the value as in an RDB file, the version
of that, and a checksum.

Source: ``createDumpPayload`` and ``verifyDumpPayload`` in cluster.c of Redis 7.0; ``crc64.c`` there for the checksum.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.redis.lzf import Damaged
from dysnomia_plugins.types.redis.rdb import HASH_2, TYPES, Head, RdbStream
from dysnomia_plugins.types.redis.records import moment, show, split
from dysnomia_plugins.types.redis.values import rows

FOOTER = 10
_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""That of Jones, 0xad93d23594c935a9, with its bits the other way round."""
PREVIEW = 3
"""Elements of a key that a plan shows."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a key holds, in live or in a snapshot."""

    kind: str
    expires: int | None
    digest: str
    """Equal for two that hold the same and expire at the same time, however they are encoded."""
    elements: int
    preview: str
    size: int

    def to_raw(self) -> bytes:
        """As a raw record: for whoever shows it, and for a later look."""
        expires = "-" if self.expires is None else moment(self.expires)
        shown = {"type": self.kind, "elements": str(self.elements), "value": self.preview, "expires": expires}
        if self.kind == "string":
            del shown["elements"]
        shown["digest"] = self.digest[:12]
        held = {"digest": self.digest, "kind": self.kind, "expires": self.expires, "size": self.size}
        return json.dumps({"key": held, "shown": shown}).encode()


def read_raw(raw: bytes) -> Mapping[str, Any]:
    """What ``to_raw`` noted of a value."""
    key: Mapping[str, Any] = json.loads(raw)["key"]
    return key


def shown(raw: bytes) -> Mapping[str, str]:
    """What ``to_raw`` noted to be shown."""
    shown: Mapping[str, str] = json.loads(raw)["shown"]
    return shown


def value_of(head: Head, batches: Iterator[Sequence[bytes]], size: int = 0) -> Value:
    """Of the rows of a key."""
    digests: list[bytes] = []
    first: list[str] = []
    for batch in batches:
        for row in batch:
            digests.append(hashlib.sha256(row).digest())
            if len(first) < PREVIEW and (text := _words(head.type, row)):
                first.append(text)
    whole = hashlib.sha256(f"{head.type} {head.expires}".encode() + b"".join(sorted(digests))).hexdigest()
    return Value(head.type, head.expires, whole, len(digests), " ".join(first), size)


def _words(kind: str, row: bytes) -> str:
    """An element, without the key that it is of and when it expires."""
    if all(cell is None for cell in split(row)[1:-1]):
        return ""  # it only says when the key expires
    return "=".join(cell for cell in show(kind, row)[1:-1] if cell is not None)


def parse(key: bytes, payload: bytes, expires: int | None, *, valkey: bool, now: int) -> Value:
    """What ``DUMP`` gave of a key. Raises NotSafe for what this program cannot read."""
    code = HASH_2 if valkey and payload[0] == 22 else payload[0]
    if len(payload) <= FOOTER or code not in TYPES:
        raise NotSafe("it holds a value of a module, or of a newer server, which cannot be read")
    head = Head(0, code, key, expires)
    stream = RdbStream(io.BytesIO(payload[1:-FOOTER]))
    try:
        return value_of(head, rows(stream, head, now), len(payload))
    except Damaged as error:
        raise NotSafe(f"what it holds cannot be read ({error.message})") from error


def made(code: int, value: bytes, version: int) -> bytes:
    """A payload of the value of a key in an RDB file."""
    body = bytes([code & 0xFF]) + value + version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


@cache
def _table() -> tuple[int, ...]:
    numbers = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
        numbers.append(number)
    return tuple(numbers)


def crc64(data: bytes) -> int:
    table, crc = _table(), 0
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc
