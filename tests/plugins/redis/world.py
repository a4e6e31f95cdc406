"""The conformance world of Redis: a server of its own for each test, read and changed with the tests' own client."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.redis.plugin import LIVE, RedisDatabase
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.temporary_server import PREFIX
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.redis.changes import CHANGES, Commands, seed_commands
from tests.plugins.redis.read import read_all
from tests.plugins.servers.redis import Client, RedisError, RedisServer
from tests.waiting import wait_until

PASSWORD = "a secret with \\ and é"
USER = "keeper"
INITIAL = """
# what a shop begins with
SET greeting "hello world"
SELECT 3
HSET 'a hash' field "\\x00\\xff"
FUNCTION LOAD "#!lua name=first\\nredis.register_function('one', function() return 1 end)"
"""
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

    possible = CHANGES
    """The single changes, by their names."""
    #: What our user may do.
    rights: str = "~* &* +@all"

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, *, program: Path | None = None) -> None:
        self.plugin = RedisDatabase()
        self.copy_prefix = f"test-{os.urandom(4).hex()}-"
        secret = PASSWORD.replace("\\", "\\\\")
        user = f'{USER} on ">{secret}" {self.rights}'
        self.program = program
        self.server = RedisServer({"databases": "24", "user": user, **(settings or {})}, program=program)
        self.server.__enter__()
        initial = folder / "component" / "redis-databases"
        initial.mkdir(parents=True)
        (initial / "greeting.redis").write_text(INITIAL)
        properties = {**self.server.properties, "redisUsername": USER, "redisPassword": PASSWORD}
        self.component = Component(ComponentKey.of("redis", "data"), initial.parent, properties)
        self._stores: list[Store] = []
        self._copies = Server.of(self.component).copies

    def belongs_to(self, store: Store) -> None:
        self._stores.append(store)

    def close(self) -> None:
        self.server.remove()
        for left in self.left():
            shutil.rmtree(left)

    def left(self) -> list[Path]:
        """What jobs on it and its tests have left in the folder of all places, which others may share."""
        beginnings = (self.copy_prefix, *(f"{PREFIX}{store.id[:8]}_" for store in self._stores if store.id))
        return [path for path in self._copies.glob("*") if path.name.startswith(beginnings)]

    @contextmanager
    def at(self, place: Place | None = None) -> Iterator[Client]:
        """A client of live, or of a server on a place's file."""
        if place is None or place.name == LIVE:
            with self.server.client() as client:
                yield client
            return
        standing = RedisServer({"databases": "24"}, folder=Path(place.name), program=self.program)
        with standing as server, server.client() as client:
            yield client

    def seed(self) -> None:
        with self.at() as client:
            commands = [*seed_commands(), *self.more_to_seed()]
            for command, reply in zip(commands, client.many(commands), strict=True):
                assert not isinstance(reply, Exception), (command, reply)

    def more_to_seed(self) -> Commands:
        """Beside what every world begins with."""
        return []

    def whole(self, place: Place | None = None) -> object:
        if place is not None and place.name != LIVE and not Path(place.name).exists():
            return None
        with self.at(place) as client:
            return read_all(client) or None

    def changes(self) -> Sequence[str]:
        return tuple(self.possible)

    def change(self, name: str, random: Random) -> str:
        word = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        number = random.randrange(10**6, 10**9)
        commands = self.possible[name](word, number)
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

    def lose(self) -> Sequence[RowsAsked]:
        names = ("plain", "negative", "new", "small hash", "small list")
        with self.at() as client:
            for command in (("DEL", "plain", "small list"), ("SET", "negative", "x"), ("SET", "new", "1")):
                client(*command)
            client("DEL", "small hash")
            client("SET", "small hash", "of another type")
        return [RowsAsked("keys:db0 string", tuple((name,) for name in names))]

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
