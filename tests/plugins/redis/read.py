"""All that a Redis server holds, read by typed commands: what its owner would call state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.plugins.servers.redis import Client

Whole = dict[tuple[int, bytes], tuple[Any, ...]]


def read_all(client: Client) -> Whole:
    """By database and key: type, when it expires, content. Libraries of functions are of database -1."""
    found: Whole = {}
    keyspace = bytes(_bytes(client("INFO", "keyspace"))).decode()
    for line in keyspace.splitlines():
        if line.startswith("db"):
            found |= _database(client, int(line[2 : line.index(":")]))
    client("SELECT", "0")
    for library in _list(client("FUNCTION", "LIST", "WITHCODE")):
        about = _pairs(library)
        found[-1, about[b"library_name"]] = (b"function", about[b"library_code"])
    return found


def _database(client: Client, number: int) -> Whole:
    client("SELECT", number)
    found: Whole = {}
    passing = client("COMMAND", "INFO", "HPEXPIRETIME") != [None]
    cursor: Any = b"0"
    while True:
        cursor, keys = _list(client("SCAN", cursor, "COUNT", 1000))
        kinds = client.many(("TYPE", key) for key in keys)
        expires = client.many(("PEXPIRETIME", key) for key in keys)
        for key, kind, when in zip(keys, kinds, expires, strict=True):
            assert isinstance(kind, bytes)
            if kind != b"none":
                read = _passing_fields if passing and kind == b"hash" else _READ[kind]
                found[number, key] = (kind, when, read(client, key))
        if cursor == b"0":
            return found


def _passing_fields(client: Client, key: bytes) -> object:
    """Field and value of a hash, and when the field expires where it does."""
    pairs = _pairs(client("HGETALL", key))
    expires = _list(client("HPEXPIRETIME", key, "FIELDS", len(pairs), *pairs)) if pairs else []
    return sorted(
        (field, value, *((when,) if when >= 0 else ()))
        for (field, value), when in zip(pairs.items(), expires, strict=True)
    )


def _stream(client: Client, key: bytes) -> object:
    about = _pairs(client("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    groups = []
    for raw in _list(about.pop(b"groups")):
        group = _pairs(raw)
        group.pop(b"lag")
        consumers = [_pairs(one) for one in _list(group.pop(b"consumers"))]
        held = sorted((one[b"name"], sorted(map(repr, one[b"pending"]))) for one in consumers)
        groups.append((group.pop(b"name"), held, sorted(group.items())))
    for layout in (b"radix-tree-keys", b"radix-tree-nodes", b"recorded-first-entry-id"):
        about.pop(layout, None)
    return about, sorted(groups)


_READ: Mapping[bytes, Callable[[Client, bytes], object]] = {
    b"string": lambda client, key: client("GET", key),
    b"list": lambda client, key: client("LRANGE", key, 0, -1),
    b"set": lambda client, key: sorted(_list(client("SMEMBERS", key))),
    b"zset": lambda client, key: client("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"hash": lambda client, key: sorted(_pairs(client("HGETALL", key)).items()),
    b"stream": _stream,
}


def _list(reply: Any) -> list[Any]:
    assert isinstance(reply, list), reply
    return reply


def _pairs(reply: Any) -> dict[bytes, Any]:
    flat = _list(reply)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _bytes(reply: Any) -> bytes:
    assert isinstance(reply, bytes)
    return reply
