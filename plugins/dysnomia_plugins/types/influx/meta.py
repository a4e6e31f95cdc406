"""The names of databases in InfluxDB's ``meta.db``: exchanged while the server is stopped.

InfluxDB 1.x renames no database. What is called so is one field in this file, and a folder each below ``data`` and
``wal``; nothing in them holds the name. The file is a protobuf message (``services/meta/internal/meta.proto`` of
InfluxDB 1.6: ``Data.Databases`` is field 5, ``DatabaseInfo.Name`` field 1), without a checksum. All that is not a name
is kept byte for byte: retention policies, shards, users and their rights, which go by the name. Continuous queries run
in the database that is live alone; subscriptions stay with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.influx.influxql import ContinuousQuery, is_kept, kept, of_kept

DATABASES, USERS = 5, 6
_HASH, _ADMIN = 2, 3
NAME = 1
"""Of a database, and of a retention policy."""
POLICIES, QUERIES = 3, 4
"""Of a database."""
SUBSCRIPTIONS = 6
"""Of a retention policy."""
GROUPS, SHARDS = 5, 5
"""Of a retention policy, and of a group of shards."""
ID, DELETED_AT = 1, 4
"""Of a shard, and of a group of them."""
QUERY_NAME, QUERY_TEXT = 1, 2
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
    listed = []
    for field in fields(meta):
        if field.number == DATABASES and field.value is not None:
            name = next((one.value for one in fields(field.value) if one.number == NAME), None)
            if name is None:
                raise BadMeta("InfluxDB's meta.db holds a database without a name", "nothing was changed")
            listed.append(name.decode("utf-8", "surrogateescape"))
    return listed


def _texts(message: bytes, number: int) -> Iterator[bytes]:
    return (one.value for one in fields(message) if one.number == number and one.value is not None)


def _text(message: bytes, number: int) -> str:
    return next(_texts(message, number), b"").decode("utf-8", "surrogateescape")


def _number(message: bytes, number: int) -> int:
    """0 where there is none."""
    raw = next((one.raw for one in fields(message) if one.number == number and one.value is None), b"\0\0")
    return _varint(raw, _varint(raw, 0)[1])[0]


def shards(meta: bytes, database: str) -> dict[tuple[str, int], bool]:
    """The shards of a database by policy and number, and whether each is deleted. Raises BadMeta."""
    return {
        (_text(policy, NAME), _number(shard, ID)): _number(group, DELETED_AT) != 0
        for one in _texts(meta, DATABASES)
        if _text(one, NAME) == database
        for policy in _texts(one, POLICIES)
        for group in _texts(policy, GROUPS)
        for shard in _texts(group, SHARDS)
    }


def renamed(
    meta: bytes, new: Mapping[str, str], live: str = "", on_left: Callable[[str], None] = lambda line: None
) -> bytes:
    """The file with other names for some databases, all at once.

    The one that is called ``live`` afterwards gets its continuous queries back, and the subscriptions of the one that
    was called so: these say who reads along on this server, and are no state. Queries of the others are kept and not
    run. ``on_left`` is told what could not be carried over. Raises BadMeta where a database is not there, or two would
    be called the same."""
    before = names(meta)
    missing = next((name for name in new if name not in before), None)
    if missing is not None:
        raise BadMeta(f"InfluxDB's meta.db has no database {missing!r}", "nothing was changed")
    after = [new.get(name, name) for name in before]
    if len(set(after)) != len(after):
        raise BadMeta("two databases of InfluxDB would have the same name", "nothing was changed")
    databases = {_text(one, NAME): one for one in _texts(meta, DATABASES)}
    subscribed = _subscriptions(databases[live]) if live in new else {}
    out = []
    for field in fields(meta):
        if field.number != DATABASES or field.value is None:
            out.append(field.raw)
            continue
        name = _text(field.value, NAME)
        if name not in new:
            out.append(field.raw)
            continue
        own = subscribed if new[name] == live else {}
        out.append(_written(DATABASES, b"".join(_renamed(field.value, new[name], live, own, on_left))))
        for policy in own.keys() - {_text(one, NAME) for one in _texts(field.value, POLICIES)}:
            on_left(f"the subscriptions of the retention policy {policy} are gone with it: no snapshot holds them")
    return b"".join(out)


def alone(meta: bytes, database: str, administrator: str) -> bytes:
    """The file with one of its databases, and one account whose password nothing matches."""
    user = _written(NAME, administrator.encode()) + _written(_HASH, b"!") + _encoded(_ADMIN << 3) + b"\x01"
    kept_as_is = [
        one.raw
        for one in fields(meta)
        if one.number != USERS and not (one.number == DATABASES and _text(one.value or b"", NAME) != database)
    ]
    return b"".join(kept_as_is) + _written(USERS, user)


def _subscriptions(database: bytes) -> dict[str, bytes]:
    """The subscriptions of each retention policy that has some, as they are written."""
    written_ones = {}
    for policy in _texts(database, POLICIES):
        written = b"".join(one.raw for one in fields(policy) if one.number == SUBSCRIPTIONS)
        if written:
            written_ones[_text(policy, NAME)] = written
    return written_ones


def _renamed(
    database: bytes, name: str, live: str, subscribed: Mapping[str, bytes], on_left: Callable[[str], None]
) -> Iterator[bytes]:
    policy = next((_text(one, NAME) for one in _texts(database, POLICIES)), "")
    for field in fields(database):
        if field.value is None:
            yield field.raw
        elif field.number == NAME:
            yield _written(NAME, name.encode("utf-8", "surrogateescape"))
        elif field.number == QUERIES:
            yield _written(QUERIES, _query(field.value, name, policy, live, on_left))
        elif field.number == POLICIES:
            others = b"".join(one.raw for one in fields(field.value) if one.number != SUBSCRIPTIONS)
            yield _written(POLICIES, others + subscribed.get(_text(field.value, NAME), b""))
        else:
            yield field.raw


def _query(written: bytes, name: str, policy: str, live: str, on_left: Callable[[str], None]) -> bytes:
    """A continuous query: run where its database is live, and only there."""
    query = ContinuousQuery(_text(written, QUERY_NAME), _text(written, QUERY_TEXT))
    if name != live:
        now = query if is_kept(query) else kept(query, name, policy)
    else:
        own, may_run = of_kept(query)
        now = own if may_run and own.database == live else query
        if is_kept(now):
            why = "its snapshot is of another database" if may_run else "its snapshot was not made here"
            on_left(f"a continuous query is kept and not run, as {why}: {own.text}")
    texts = {QUERY_NAME: now.name, QUERY_TEXT: now.text}
    return b"".join(
        _written(one.number, texts[one.number].encode("utf-8", "surrogateescape"))
        if one.number in texts and one.value is not None
        else one.raw
        for one in fields(written)
    )
