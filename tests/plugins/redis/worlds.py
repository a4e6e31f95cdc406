"""Redis set up as nobody here would set it up, and other servers than Debian's, for the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.plugins.redis.changes import CHANGES, CHANGES_OF_FIELDS, FAR, LIBRARY, Commands, passing_fields
from tests.plugins.redis.world import RedisWorld

HOSTILE: Mapping[str, str] = {
    "rdbcompression": "no",
    "rdbchecksum": "no",
    "rdb-del-sync-files": "yes",
    "sanitize-dump-payload": "yes",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lfu",
    "maxmemory-samples": "1",
    "save": "1 1",
    "stop-writes-on-bgsave-error": "no",
    "appendonly": "yes",
    "aof-use-rdb-preamble": "no",
    "auto-aof-rewrite-percentage": "1",
    "auto-aof-rewrite-min-size": "1",
    "no-appendfsync-on-rewrite": "yes",
    "notify-keyspace-events": "KEAnmtdx",
    "lazyfree-lazy-eviction": "yes",
    "lazyfree-lazy-expire": "yes",
    "lazyfree-lazy-server-del": "yes",
    "lazyfree-lazy-user-del": "yes",
    "lazyfree-lazy-user-flush": "yes",
    "replica-lazy-flush": "yes",
    "replica-ignore-maxmemory": "no",
    "replica-serve-stale-data": "no",
    "replica-priority": "0",
    "repl-diskless-load": "disabled",
    "repl-diskless-sync": "no",
    "repl-diskless-sync-delay": "1",
    "repl-disable-tcp-nodelay": "yes",
    "repl-timeout": "2",
    "repl-ping-replica-period": "1",
    "repl-backlog-size": "16kb",
    "repl-backlog-ttl": "1",
    "min-replicas-max-lag": "1",
    "client-output-buffer-limit": "replica 1mb 1mb 1",
    "client-query-buffer-limit": "1mb",
    "proto-max-bulk-len": "1mb",
    "hash-max-listpack-entries": "1",
    "hash-max-listpack-value": "1",
    "list-max-listpack-size": "1",
    "list-compress-depth": "1",
    "set-max-intset-entries": "1",
    "zset-max-listpack-entries": "1",
    "zset-max-listpack-value": "1",
    "stream-node-max-entries": "1",
    "stream-node-max-bytes": "1",
    "hll-sparse-max-bytes": "0",
    "activerehashing": "no",
    "activedefrag": "no",
    "dynamic-hz": "no",
    "hz": "1",
    "active-expire-effort": "10",
    "timeout": "1",
    "tcp-keepalive": "0",
    "protected-mode": "yes",
    "slowlog-log-slower-than": "0",
    "latency-monitor-threshold": "1",
    "busy-reply-threshold": "1",
    "io-threads": "2",
    "dbfilename": "another-name.rdb",
    "masterauth": '"of another"',
    "masteruser": "other",
    "acl-pubsub-default": "resetchannels",
    "proc-title-template": "{config-file}",
    "rename-command": 'FLUSHALL ""\nrename-command FLUSHDB ""\nrename-command KEYS ""\nrename-command DEBUG ""\n'
    'rename-command SHUTDOWN ""\nrename-command MIGRATE ""\nrename-command SLAVEOF ""\nrename-command SAVE ""',
}
"""What shapes what a server saves, loads, sends or answers, each with a value that hurts."""
LEAST = (
    "resetkeys resetchannels -@all +ping +info +config|get +config|set +client|pause +client|unpause +sync +replconf"
    " +replicaof +bgsave +bgrewriteaof +flushall +function|list +function|flush"
)
"""What docs/configuration.md says that our user needs."""


class HostileWorld(RedisWorld):
    """Everything that shapes saving and loading has a value that hurts; what hardening renames is renamed."""

    possible: Mapping[str, Callable[[str, int], Commands]] = {
        name: commands for name, commands in CHANGES.items() if name != "database emptied"
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, HOSTILE)


class LeastPrivilegeWorld(RedisWorld):
    """Our user may give the commands that the documentation names, and see no key."""

    rights = LEAST


class WideWorld(RedisWorld):
    """One of every kind of value that a server has, in every encoding and at the edges of each."""

    def more_to_seed(self) -> Commands:
        return zoo()


class UpdatedWorld(RedisWorld):
    """After a tenth of the keys was changed and a tenth deleted, in tables that have grown and shrunk."""

    def more_to_seed(self) -> Commands:
        found: Commands = [("SET", f"used {n}", f"value {n}") for n in range(5000)]
        found += [("HSET", f"used hash {n}", "a", n, "b", "x" * (n % 90)) for n in range(1000)]
        found += [("SET", f"used {n}", "another, longer than it was" * 9) for n in range(3, 5000, 10)]
        found += [("HINCRBY", f"used hash {n}", "a", 7) for n in range(3, 1000, 10)]
        found += [("DEL", f"used {n}") for n in range(7, 5000, 10)]
        found += [("HDEL", f"used hash {n}", "a", "b") for n in range(7, 1000, 10)]
        found += [("EXPIRE", f"used {n}", 1_000_000_000) for n in range(9, 5000, 10)]
        found += [("RENAME", f"used {n}", f"renamed {n}") for n in range(1, 5000, 10)]
        return found


class NewestWorld(RedisWorld):
    """Another server than Debian's, with what it alone has: fields that expire."""

    possible: Mapping[str, Callable[[str, int], Commands]] = {**CHANGES, **CHANGES_OF_FIELDS}

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(folder, program=program)

    def more_to_seed(self) -> Commands:
        return passing_fields()


def zoo() -> Commands:
    """Values of every type and encoding."""
    found: Commands = [("SET", f"number {n}", n) for n in (0, -1, 127, 128, -129, 32768, 1 << 31, (1 << 63) - 1)]
    found += [("SET", f"like a number {n}", n) for n in ("007", "-0", "1.0", "1e3", " 1", "", "9223372036854775808")]
    found += [("SET", f"size {size}", "x" * size) for size in (44, 45, 63, 64, 16383, 16384, 1 << 20, (1 << 20) + 1)]
    found += [("SET", f"random {size}", bytes(n * n * 37 % 251 for n in range(size))) for size in (45, 70_000)]
    found += [("SETBIT", "bits", 77_777, 1), ("SETRANGE", "hole", 5000, "x"), ("APPEND", "grown", "x")]
    found += [("PFADD", "loglog", *range(30)), ("PFADD", "dense loglog", *range(3000))]
    found += [("GEOADD", "places", "13.361389", "38.115556", "Palermo", "-179.9", "85", "far north")]
    found += [("SET", b"k" * 300, "a long name"), ("SET", b"\xff\xfe\x00 \r\n", "bytes"), ("SET", "schlüssel ✓", "✓")]
    found += [("SET", "soon", "x", "PXAT", FAR), ("SET", "late", "x", "PXAT", (1 << 52) - 1)]
    for size in (1, 127, 128, 129, 512, 513, 2000):
        found += [("HSET", f"hash {size}", *(part for n in range(size) for part in (f"f{n}", n * 37)))]
        found += [("RPUSH", f"list {size}", *(("x" * (n % 80)) + str(n) for n in range(size)))]
        found += [("SADD", f"set {size}", *(f"m{n}" for n in range(size))), ("SADD", f"ints {size}", *range(size))]
        found += [("ZADD", f"zset {size}", *(part for n in range(size) for part in (n / 3, f"m{n}")))]
    found += [("HSET", "wide fields", "x" * 64, "y" * 64, "x" * 65, "y", "", "", b"\xff", b"\x00")]
    found += [("RPUSH", "wide elements", "", "x" * 9000, "x" * 70_000, -5, 1 << 62, b"\xff")]
    found += [("SADD", "wide ints", -32768, 32767), ("SADD", "wider ints", 1 << 31), ("SADD", "widest ints", 1 << 40)]
    found += [("SADD", "mixed", 1, "one", ""), ("ZADD", "same scores", 1, "b", 1, "a", 1, "")]
    found += [("ZADD", "edges", "+inf", "a", "-inf", "b", "-0.0", "c", "5e-324", "d", "1.7976931348623157e308", "e")]
    found += [
        ("XADD", "one entry", "0-1", "", ""),
        ("XADD", "last ids", "18446744073709551615-18446744073709551615", "a", "b"),
    ]
    found += [("XGROUP", "CREATE", "no stream yet", "g", "$", "MKSTREAM"), ("XADD", "wide", "1-1", "f", "x" * 9000)]
    found += [("XADD", "trimmed", f"{n}-0", "n", n, "same", "s") for n in range(1, 400)]
    found += [("XTRIM", "trimmed", "MAXLEN", 333), ("XDEL", "trimmed", *(f"{n}-0" for n in range(200, 260, 3)))]
    found += [
        ("XGROUP", "CREATE", "trimmed", "g", "0", "ENTRIESREAD", 5),
        ("XGROUP", "CREATECONSUMER", "trimmed", "g", "c"),
    ]
    found += [("XREADGROUP", "GROUP", "g", "c", "COUNT", 7, "STREAMS", "trimmed", ">")]
    found += [("XSETID", "trimmed", "900-0", "ENTRIESADDED", 1000, "MAXDELETEDID", "800-0")]
    found += [("FUNCTION", "LOAD", LIBRARY.format(name=f"library{n}", value=n)) for n in range(3)]
    for database in (1, 15, 22):
        found += [("SELECT", database), ("SET", "plain", database), ("SELECT", 0)]
    return found
