"""The names of databases in InfluxDB's ``meta.db``: exchanged while the server is stopped.

InfluxDB 1.x renames no database. What is called so is one field in this file, and a folder each below ``data`` and
``wal``; nothing in them holds the name. The file is a protobuf message (``services/meta/internal/meta.proto`` of
InfluxDB 1.6: ``Data.Databases`` is field 5, ``DatabaseInfo.Name`` field 1), without a checksum. All that is not a name
is kept byte for byte: retention policies, continuous queries, shards, users and their rights, which go by the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dysnomia_plugins.errors import PluginError

DATABASES = 5
NAME = 1
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
MAX_META = 64 << 20
"""Bytes of the file."""


class BadMeta(PluginError):
    """What is not the file that InfluxDB 1.x writes."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    number: int
    value: bytes | None
    """Of a text or a message; None for a number."""
    raw: bytes
    """As it is written, its head included."""


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message, in order. Raises BadMeta."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        kind = key & 7
        value = None
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            value = message[at : at + size]
            at += size
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise BadMeta(f"InfluxDB's meta.db holds a field of an unknown kind ({kind})", "nothing was changed")
        if at > len(message):
            raise BadMeta("InfluxDB's meta.db ends within a field", "nothing was changed")
        yield Field(key >> 3, value, message[begin:at])


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BadMeta("InfluxDB's meta.db holds an invalid number", "nothing was changed")


def _encoded(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def _written(number: int, value: bytes) -> bytes:
    return _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value


def names(meta: bytes) -> list[str]:
    """What the databases are called. Raises BadMeta."""
    found = []
    for field in fields(meta):
        if field.number == DATABASES and field.value is not None:
            name = next((one.value for one in fields(field.value) if one.number == NAME), None)
            if name is None:
                raise BadMeta("InfluxDB's meta.db holds a database without a name", "nothing was changed")
            found.append(name.decode("utf-8", "surrogateescape"))
    return found


def renamed(meta: bytes, new: Mapping[str, str]) -> bytes:
    """The file with other names for some databases, all at once. Raises BadMeta where one is not there, or two would
    be called the same."""
    there = names(meta)
    missing = next((name for name in new if name not in there), None)
    if missing is not None:
        raise BadMeta(f"InfluxDB's meta.db has no database {missing!r}", "nothing was changed")
    after = [new.get(name, name) for name in there]
    if len(set(after)) != len(after):
        raise BadMeta("two databases of InfluxDB would have the same name", "nothing was changed")
    out = b""
    for field in fields(meta):
        if field.number == DATABASES and field.value is not None:
            out += _written(DATABASES, b"".join(_with_name(field.value, new)))
        else:
            out += field.raw
    return out


def _with_name(database: bytes, new: Mapping[str, str]) -> Iterator[bytes]:
    for field in fields(database):
        name = field.value.decode("utf-8", "surrogateescape") if field.number == NAME and field.value else ""
        yield _written(NAME, new[name].encode("utf-8", "surrogateescape")) if name in new else field.raw
