"""What the conformance worlds of Redis begin with, and the single changes that are made to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

FAR = 4_102_444_800_000
"""The year 2100, in milliseconds."""
LIBRARY = "#!lua name={name}\nredis.register_function('{name}', function(keys, args) return {value} end)\n"
Commands = list[tuple[object, ...]]


def seed_commands() -> Commands:
    """Every type in every encoding, times to live, a stream with groups, several databases, functions."""
    found: Commands = [
        ("SET", "plain", "value é"), ("SET", "number", "17"), ("SET", "negative", "-70000"),
        ("SET", b"\x00\xff\n", b"\xfe\x00"),
        ("SET", "long", "abcdefgh" * 4000), ("SET", "passes", "x", "PXAT", FAR), ("SET", "", "an empty name"),
        ("HSET", "small hash", "name", "alice", "age", "41"), ("PEXPIREAT", "small hash", FAR + 7),
        ("RPUSH", "small list", "a", "1", "a", "-5"), ("SADD", "integers", "1", "-70000", "5000000000"),
        ("SADD", "words", "x", "y", b"\xff"), ("ZADD", "small zset", "1.5", "a", "-inf", "b", "3", "c", "1e300", "d"),
        ("PEXPIREAT", "integers", FAR),
    ]  # fmt: skip
    found += [("HSET", "large hash", *_flat((f"field{n}", f"value {n}") for n in range(600)))]
    found += [("RPUSH", "large list", *(f"element {n} " * 9 for n in range(900)), "x" * 9000)]
    found += [("SADD", "large set", *(f"member {n}" for n in range(700)))]
    found += [("ZADD", "large zset", *_flat((n / 7, f"member {n}") for n in range(400)))]
    found += [("XADD", "stream", f"{n}-1", "name", f"n{n}", "kind", "a") for n in range(1, 250)]
    found += [("XADD", "stream", "300-5", "other", "fields", "than", "before", "name", ""), ("XDEL", "stream", "7-1")]
    found += [("XGROUP", "CREATE", "stream", "readers", "0"), ("XGROUP", "CREATE", "stream", "idle", "$")]
    found += [("XREADGROUP", "GROUP", "readers", "alice", "COUNT", "5", "STREAMS", "stream", ">")]
    found += [("XREADGROUP", "GROUP", "readers", "bob", "STREAMS", "stream", ">"), ("XACK", "stream", "readers", "2-1")]
    found += [("XADD", "emptied", "1-1", "a", "b"), ("XTRIM", "emptied", "MAXLEN", "0"), ("SADD", "log", "-1")]
    found += [("SELECT", "5"), ("SET", "plain", "in another database"), ("SET", "gone soon", "x", "PXAT", FAR)]
    found += [("SELECT", "23"), ("RPUSH", "plain", "of another type"), ("SELECT", "0")]
    found += [("FUNCTION", "LOAD", LIBRARY.format(name="shop", value=1))]
    return found


def _flat(items: Iterator[tuple[object, object]]) -> list[object]:
    return [one for item in items for one in item]


CHANGES: Mapping[str, Callable[[str, int], Commands]] = {
    "string": lambda word, n: [("SET", "plain", word)],
    "number": lambda word, n: [("INCRBY", "number", n)],
    "a byte of a large string": lambda word, n: [("SETRANGE", "long", n % 30000, word)],
    "key": lambda word, n: [("SET", word, n)],
    "key's name": lambda word, n: [("SET", word, "x"), ("RENAME", word, word + "2")],
    "time to live": lambda word, n: [("PEXPIREAT", "passes", FAR + n)],
    "time to live of a hash": lambda word, n: [("PEXPIREAT", "small hash", FAR + n)],
    "time to live, begun": lambda word, n: [("SET", word, "x"), ("PEXPIREAT", word, FAR + n)],
    "database of a key": lambda word, n: [("SET", word, "x"), ("MOVE", word, "9")],
    "type of a key": lambda word, n: [("DEL", "shape"), (("SADD", "RPUSH", "HSET")[n % 3], "shape", word, "x")],
    "field": lambda word, n: [("HSET", "small hash", "name", word)],
    "field of a large hash": lambda word, n: [("HSET", "large hash", f"field{n % 600}", word)],
    "field's name": lambda word, n: [("HSET", "small hash", word, "x")],
    "element": lambda word, n: [("LSET", "small list", "2", word)],
    "element of a large list": lambda word, n: [("LSET", "large list", n % 900, word)],
    "order of a list": lambda word, n: [
        ("RPUSH", "small list", word), ("LMOVE", "small list", "small list", "RIGHT", "LEFT"),
    ],
    "member": lambda word, n: [("SADD", "integers", n)],
    "member of a large set": lambda word, n: [("SADD", "large set", word)],
    "score": lambda word, n: [("ZADD", "small zset", n / 7, "a")],
    "score, by one unit in the last place": lambda word, n: [
        ("ZADD", "large zset", 1.0 + (n % 1000) * 2.0**-52, "member 3"),
    ],
    "entry": lambda word, n: [("XADD", "stream", "*", "name", word)],
    "entry gone": lambda word, n: [("XADD", "stream", "*", "a", "b"), ("XTRIM", "stream", "MAXLEN", "=", 150)],
    "last id of a stream": lambda word, n: [("XADD", "emptied", "*", "a", "b"), ("XTRIM", "emptied", "MAXLEN", "0")],
    "group": lambda word, n: [("XGROUP", "CREATE", "stream", word, "0")],
    "place of a group": lambda word, n: [("XGROUP", "SETID", "stream", "idle", f"{n}-0")],
    "consumer": lambda word, n: [("XGROUP", "CREATECONSUMER", "stream", "readers", word)],
    "what a consumer holds": lambda word, n: [
        ("XADD", "stream", "*", "a", word), ("XREADGROUP", "GROUP", "readers", "alice", "STREAMS", "stream", ">"),
    ],
    "how often it was given": lambda word, n: [
        ("XGROUP", "CREATE", "stream", word, "0"),
        ("XREADGROUP", "GROUP", word, "carol", "COUNT", "1", "STREAMS", "stream", ">"),
        ("XCLAIM", "stream", word, "carol", "0", "150-1", "249-1", "300-5", "RETRYCOUNT", n % 900, "FORCE", "JUSTID"),
    ],
    "function": lambda word, n: [("FUNCTION", "LOAD", "REPLACE", LIBRARY.format(name="shop", value=n))],
    "library": lambda word, n: [("FUNCTION", "LOAD", LIBRARY.format(name=word, value=n))],
    "another database": lambda word, n: [("SELECT", n % 24), ("SET", word, word), ("SELECT", "0")],
    "database emptied": lambda word, n: [
        ("SELECT", "8"), ("SET", word, "x"), ("SELECT", "5"), ("FLUSHDB",), ("SELECT", "0"),
    ],
    "databases exchanged": lambda word, n: [("SELECT", "8"), ("SET", word, n), ("SWAPDB", "8", "11"), ("SELECT", "0")],
}  # fmt: skip


def passing_fields() -> Commands:
    """Hashes whose fields expire (Redis 7.4, Valkey 9): small, large, with a time of its own, all of them."""
    found: Commands = [("HSET", "session", "user", "alice", "token", "t", "seen", "1"), ("PEXPIREAT", "session", FAR)]
    found += [("HPEXPIREAT", "session", FAR - 5, "FIELDS", 2, "token", "seen")]
    found += [("HSET", "tokens", *_flat((f"token{n}", f"{n}") for n in range(700)))]
    found += [("HPEXPIREAT", "tokens", FAR + n, "FIELDS", 1, f"token{n}") for n in range(0, 700, 7)]
    found += [("HSET", "all pass", "one", "1", "two", "x" * 100)]
    found += [("HPEXPIREAT", "all pass", FAR + n, "FIELDS", 1, field) for n, field in enumerate(("one", "two"))]
    return found


CHANGES_OF_FIELDS: Mapping[str, Callable[[str, int], Commands]] = {
    "time to live of a field": lambda word, n: [("HPEXPIREAT", "session", FAR + n, "FIELDS", 1, "user")],
    "time to live of a field of a large hash": lambda word, n: [
        ("HPEXPIREAT", "tokens", FAR + n, "FIELDS", 1, f"token{n % 700}"),
    ],
    "time to live of a field, begun": lambda word, n: [
        ("HSET", "session", word, "x"), ("HPEXPIREAT", "session", FAR + n, "FIELDS", 1, word),
    ],
    "time to live of a field, ended": lambda word, n: [
        ("HSET", "session", word, "x"), ("HPEXPIREAT", "session", FAR, "FIELDS", 1, word),
        ("HPERSIST", "session", "FIELDS", 1, word),
    ],
    "field that expires": lambda word, n: [
        ("HSET", "all pass", "one", word), ("HPEXPIREAT", "all pass", FAR + n, "FIELDS", 1, "one"),
    ],
}  # fmt: skip
