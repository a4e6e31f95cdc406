"""Keys of a live server: what each holds, and a transaction that writes some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.redis.putting.payload import Value, parse
from dysnomia_plugins.types.redis.resp import Connection, Refused, Reply
from dysnomia_plugins.types.redis.server_info import Counts, keyspace
from dysnomia_plugins.types.redis.versions import VALKEY, Version

OLDEST = (7, 0)
"""The first that says to the millisecond when a key expires (PEXPIRETIME)."""
NEEDED = (
    ("DUMP", "key"), ("PEXPIRETIME", "key"), ("WATCH", "key"), ("MULTI",), ("EXEC",), ("UNLINK", "key"),
    ("RESTORE", "key", "0", "value"),
)  # fmt: skip
"""What is put back by."""
Name = tuple[int, bytes]


class LiveKeys:
    """By one connection, on which a database stays selected."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.info = connection.info()
        self._database = -1
        self._valkey = Version.of(self.info, "_").product == VALKEY

    def refusals(self) -> Iterator[str]:
        """Why no key of this server can be put back."""
        version = Version.of(self.info, "_")
        if version.series < OLDEST:
            yield f"the server is {version}: keys are put back into Redis 7.0, or Valkey, and newer"
        if self.info.get("role") != "master":
            yield f"the server is a replica of {self.info.get('master_host')}: put the keys back there"
        if self.info.get("redis_mode", self.info.get("server_mode", "standalone")) == "cluster":
            yield "the server is one of a cluster, in which keys have their places: put them back by hand"
        if self.info.get("loading", "0") != "0":
            yield "the server is still loading its data"
        yield from self._denied()

    def _denied(self) -> Iterator[str]:
        """Commands that our user may not give, as far as it may ask."""
        try:
            who = _bytes(self.connection.call("ACL", "WHOAMI"))
            for words in NEEDED:
                reply = self.connection.call("ACL", "DRYRUN", who, *words)
                if reply != b"OK":
                    yield f"the server denies {words[0]}: {_bytes(reply).decode('utf-8', 'replace')}"
        except Refused:
            return

    def select(self, database: int) -> None:
        """Raises NotSafe where the server has no such database."""
        if database != self._database:
            try:
                self.connection.call("SELECT", database)
            except Refused as error:
                if error.code == "NOPERM":
                    raise
                raise NotSafe(
                    f"the server has no database {database} ({error.message})", "nothing was changed"
                ) from None
            self._database = database

    @property
    def now(self) -> int:
        """The server's time, in milliseconds since 1970."""
        reply = self.connection.call("TIME")
        assert isinstance(reply, list)
        seconds, micros = (int(_bytes(one)) for one in reply)
        return seconds * 1000 + micros // 1000

    def value(self, name: Name, now: int) -> Value | None:
        """What a key holds. Raises NotSafe for what cannot be read, Refused."""
        self.select(name[0])
        for command in ("DUMP", "PEXPIRETIME"):
            self.connection.send(command, name[1])
        payload, expires = (self.connection.reply(command) for command in ("DUMP", "PEXPIRETIME"))
        if not isinstance(payload, bytes) or expires == -2:
            return None
        assert isinstance(expires, int)
        return parse(name[1], payload, None if expires < 0 else expires, valkey=self._valkey, now=now)

    def has(self, name: Name) -> bool:
        self.select(name[0])
        return self.connection.call("EXISTS", name[1]) == 1

    def kind(self, name: Name) -> str:
        """Its type; ``""`` where there is none."""
        self.select(name[0])
        reply = self.connection.call("TYPE", name[1])
        return "" if reply == b"none" or not isinstance(reply, bytes) else reply.decode("utf-8", "replace")

    def names_in(self, database: int, kind: str, most: int) -> Iterator[Name]:
        """Keys of a type in a database. Raises NotSafe where there are more."""
        counts: Mapping[int, Counts] = keyspace(self.info)
        if database not in counts:
            return
        self.select(database)
        names: set[bytes] = set()
        cursor: Reply = b"0"
        while True:
            reply = self.connection.call("SCAN", _bytes(cursor), "COUNT", 1000, "TYPE", kind)
            assert isinstance(reply, list)
            cursor, keys = reply
            assert isinstance(keys, list)
            names |= {_bytes(key) for key in keys}
            if len(names) > most:
                raise NotSafe(f"more than {most:,} keys are the most for one job", "put them back in parts")
            if cursor == b"0":
                break
        yield from ((database, key) for key in sorted(names))


def _bytes(reply: Reply) -> bytes:
    assert isinstance(reply, bytes)
    return reply
