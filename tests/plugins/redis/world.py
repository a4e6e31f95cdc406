"""The conformance world of Redis: a server of its own for each test, read and changed with the tests' own client."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.redis.plugin import LIVE, RedisDatabase
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.redis.read import read_all
from tests.plugins.servers.redis import Client, RedisError, RedisServer
from tests.waiting import wait_until

PASSWORD = "a secret with \\ and é"
USER = "keeper"
FAR = 4_102_444_800_000
"""The year 2100, in milliseconds."""
INITIAL = """
# what a shop begins with
SET greeting "hello world"
SELECT 3
HSET 'a hash' field "\\x00\\xff"
FUNCTION LOAD "#!lua name=first\\nredis.register_function('one', function() return 1 end)"
"""
LIBRARY = "#!lua name={name}\nredis.register_function('{name}', function(keys, args) return {value} end)\n"
WRITER = """
import socket, sys
path, log, password = sys.argv[1:2] + sys.argv[2:3] + [sys.stdin.readline()[:-1].encode()]
out = open(log, "a", buffering=1)
n, file = 0, None
while True:
    try:
        if file is None:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)
            s.connect(path)
            file = s.makefile("rwb")
            file.write(b"*3\\r\\n$4\\r\\nAUTH\\r\\n$6\\r\\nkeeper\\r\\n$%d\\r\\n%b\\r\\n" % (len(password), password))
            file.flush()
            file.readline()
        number = str(n).encode()
        file.write(b"*3\\r\\n$4\\r\\nSADD\\r\\n$3\\r\\nlog\\r\\n$%d\\r\\n%b\\r\\n" % (len(number), number))
        file.flush()
        reply = file.readline()
        if reply == b":1\\r\\n":
            out.write(f"{n}\\n")
        elif not reply:
            raise OSError
    except OSError:
        file = None
    n += 1
"""


class RedisWriter(ProgramWriter):
    """SADD after SADD; a number is logged when the server has said that it has it."""

    def __init__(self, server: RedisServer, log: Path) -> None:
        super().__init__(log, [sys.executable, "-c", WRITER, str(server.socket), str(log)], stdin=PASSWORD + "\n")


class RedisWorld(World):
    """A server that lets in one user with a password, with 24 databases; nothing is saved on disk.

    Args:
        folder: an empty one.
        settings: of the server.
    """

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.plugin = RedisDatabase()
        secret = PASSWORD.replace("\\", "\\\\")
        self.server = RedisServer({"databases": "24", "user": f'{USER} on ">{secret}" ~* &* +@all', **(settings or {})})
        self.server.__enter__()
        initial = folder / "component" / "redis-databases"
        initial.mkdir(parents=True)
        (initial / "greeting.redis").write_text(INITIAL)
        properties = {**self.server.properties, "redisUsername": USER, "redisPassword": PASSWORD}
        self.component = Component(ComponentKey.of("redis", "data"), initial.parent, properties)

    def close(self) -> None:
        self.server.remove()

    @contextmanager
    def at(self, place: Place | None = None) -> Iterator[Client]:
        """A client of live, or of a server on a place's file."""
        if place is None or place.name == LIVE:
            with self.server.client() as client:
                yield client
            return
        with RedisServer({"databases": "24"}, folder=Path(place.name)) as server, server.client() as client:
            yield client

    def seed(self) -> None:
        with self.at() as client:
            for reply in client.many(_seed()):
                assert not isinstance(reply, Exception), reply

    def whole(self, place: Place | None = None) -> object:
        if place is not None and place.name != LIVE and not Path(place.name).exists():
            return None
        with self.at(place) as client:
            return read_all(client) or None

    def changes(self) -> Sequence[str]:
        return tuple(_CHANGES)

    def change(self, name: str, random: Random) -> str:
        word = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        number = random.randrange(10**6, 10**9)
        commands = _CHANGES[name](word, number)
        with self.at() as client:
            replies = client.many(commands)
        assert not any(isinstance(reply, Exception) for reply in replies), (commands, replies)
        return f"{name}: {commands}"

    def touch(self) -> str:
        with self.at() as client:
            client.many(
                [("SET", "passing", "1"), ("DEL", "passing"), ("GET", "plain"), ("OBJECT", "FREQ", "plain")]
                + [("RPUSH", "small list", "x"), ("RPOP", "small list"), ("SET", "number", "17")]
                + [("HSET", "small hash", "big", "x" * 200), ("HDEL", "small hash", "big")]  # another encoding
                + [("XREADGROUP", "GROUP", "readers", "alice", "COUNT", "1", "STREAMS", "stream", ">")]
                + [("SADD", "integers", "word"), ("SREM", "integers", "word"), ("CONFIG", "RESETSTAT")]
                + [("SET", f"filler:{n}", "1") for n in range(3000)]
                + [("DEL", f"filler:{n}") for n in range(3000)]
            )
        return "reads, keys that came and went, encodings, a poll that got nothing, a table of another size"

    def grow(self, size: int) -> None:
        block = 500
        with self.at() as client:
            for start in range(0, size // 1000, block):
                client.many(("SET", f"big:{n}", os.urandom(1000)) for n in range(start, start + block))
            client.many(("APPEND", "one large value", os.urandom(1 << 20)) for _ in range(10))

    def some_sections(self) -> tuple[str, ...]:
        return ("keys:db0 hash", "keys:db5 string", "functions:libraries")

    def part(self, place: Place | None = None) -> object:
        with self.at(place) as client:
            whole = read_all(client)
        return {name: value for name, value in whole.items() if name[0] in (-1, 5) or value[0] == b"hash"}

    def spoil(self, place: Place) -> None:
        # The place is closed to others, and the tests' own server runs as one of them.
        folder = Path(place.name)
        folder.chmod(0o777)
        for file in folder.iterdir():
            if file.is_file():
                file.chmod(0o666)
        with self.at(place) as client:
            client("HSET", "small hash", "name", "somebody else")
            client("SAVE")
        folder.chmod(0o700)

    def writer(self, log: Path) -> Writer:
        return RedisWriter(self.server, log)

    def written(self, place: Place | None = None) -> set[int]:
        with self.at(place) as client:
            found = client("SMEMBERS", "log")
        assert isinstance(found, list)
        return {int(one) for one in found if isinstance(one, bytes)}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        with self.at() as client:
            wait_until(lambda: _saved(client))
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()
            (self.server.folder / "dump.rdb").unlink()


def _saved(client: Client) -> bool:
    """Save what it holds; False while it still writes what a snapshot asked for."""
    try:
        client("SAVE")
    except RedisError as error:
        if "already in progress" in str(error):
            return False
        raise
    return True


Commands = list[tuple[object, ...]]


def _seed() -> Commands:
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


_CHANGES: dict[str, Callable[[str, int], Commands]] = {
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
