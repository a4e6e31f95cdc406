"""What a live server is and how it is set, and what of it stands against replacing its data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from dysnomia_plugins.errors import NotSafe, WrongCredentials
from dysnomia_plugins.types.redis.resp import Connection, Refused, Reply
from dysnomia_plugins.types.redis.versions import Version

OLDEST = (6, 2)
"""The first that can hold up writes alone (CLIENT PAUSE WRITE)."""
NEEDED = ("CONFIG|GET", "CONFIG|SET", "CLIENT|PAUSE", "CLIENT|UNPAUSE", "REPLICAOF", "SYNC", "REPLCONF", "BGSAVE")


@dataclass(frozen=True)
class ServerInfo:
    """A server at one moment."""

    info: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def version(self) -> Version:
        return Version.of(self.info, "_")

    @property
    def mode(self) -> str:
        """Alone, in a cluster, or as a Sentinel."""
        return self.info.get("server_mode") or self.info.get("redis_mode", "standalone")

    @property
    def run_id(self) -> str:
        """Another one after each start of the server."""
        return self.info.get("run_id", "")

    @property
    def databases(self) -> int:
        return int(self.settings.get("databases") or 16)

    @property
    def max_memory(self) -> int:
        return int(self.settings.get("maxmemory") or 0)

    @property
    def used(self) -> int:
        return int(self.info.get("used_memory", 0))

    def keyspace(self) -> Mapping[int, Counts]:
        return keyspace(self.info)


class Counts(NamedTuple):
    """What a server says of one of its databases."""

    keys: int = 0
    expiring: int = 0
    passing: int = 0
    """Hashes with fields that expire."""

    @property
    def lasting(self) -> int:
        """Keys that do not expire themselves."""
        return self.keys - self.expiring


def keyspace(info: Mapping[str, str]) -> Mapping[int, Counts]:
    """Of each database that has any key."""
    databases = {}
    for name, value in info.items():
        if re.fullmatch(r"db\d+", name):
            fields = dict(word.split("=", 1) for word in value.split(",") if "=" in word)
            passing = fields.get("subexpiry") or fields.get("keys_with_volatile_items", "0")
            databases[int(name[2:])] = Counts(int(fields["keys"]), int(fields["expires"]), int(passing))
    return databases


def read(connection: Connection) -> ServerInfo:
    """Raises WrongCredentials where INFO or CONFIG are denied, ServerDown."""
    try:
        info = connection.info()
        names = ("databases", "maxmemory", "save", "appendonly", "repl-diskless-sync", "repl-diskless-sync-delay")
        settings = {name: connection.config(name) or "" for name in names}
    except Refused as error:
        must = "it must have, under these names," if error.lacking else "the user must be allowed"
        raise WrongCredentials(
            f"{error.message} (at {connection.name})",
            f"{must} INFO, CONFIG, CLIENT, SYNC, REPLCONF, REPLICAOF and BGSAVE",
        ) from None
    return ServerInfo(info, settings)


def obstacles(connection: Connection, facts: ServerInfo) -> Iterator[str]:
    """Why the data of this server cannot be replaced; nothing is changed by asking."""
    if facts.mode != "standalone":
        yield f"the server at {connection.name} runs as {facts.mode}, of which one server alone cannot be replaced"
    if facts.info.get("role") != "master":
        yield (
            f"the server at {connection.name} is a replica of {facts.info.get('master_host')}:"
            f"{facts.info.get('master_port')}: replace the data of that one"
        )
    if facts.version.series < OLDEST:
        yield f"the server at {connection.name} is {facts.version}: Redis 6.2 is the first that can hold up writes"
    if int(facts.info.get("loading", 0)):
        yield f"the server at {connection.name} is still loading its data"
    if sentinels := _sentinels(connection):
        yield f"the server at {connection.name} is watched by a Sentinel ({sentinels}), which would take it for failed"
    yield from _denied(connection, facts)


def beyond(connection: Connection, facts: ServerInfo, highest: int) -> Iterator[str]:
    """Why it cannot take this snapshot: ``highest`` is the highest database that the snapshot has keys in."""
    if highest >= facts.databases:
        yield f"the snapshot has keys in database {highest}, and the server at {connection.name} has {facts.databases}"


def _sentinels(connection: Connection) -> str:
    try:
        answer = connection.call("CLIENT", "LIST")
    except Refused:
        return ""
    lines = answer.decode("utf-8", "replace").splitlines() if isinstance(answer, bytes) else []
    addresses = [re.search(r" addr=(\S+)", line) for line in lines if " name=sentinel-" in line]
    return addresses[0][1] if addresses and addresses[0] else ""


def _denied(connection: Connection, facts: ServerInfo) -> Iterator[str]:
    """Commands that the server does not have (renamed) or our user may not give, as far as it may ask."""
    lacking = [
        first
        for first in dict.fromkeys(command.split("|")[0] for command in NEEDED)
        if _answer(connection, "COMMAND", "INFO", first) == [None]
    ]
    for first in lacking:
        yield f"the server at {connection.name} has no command {first} (see rename-command in its configuration)"
    for command in NEEDED:
        words = command.split("|")
        if words[0] in lacking:
            continue
        if facts.version.series >= (7, 0):
            who = _answer(connection, "ACL", "WHOAMI")
            answer = _answer(connection, "ACL", "DRYRUN", who, *words, *_EXAMPLES.get(words[-1], ())) if who else None
            if isinstance(answer, bytes) and answer != b"OK":
                yield f"the server at {connection.name} denies {' '.join(words)}: {answer.decode('utf-8', 'replace')}"


def _answer(connection: Connection, *words: object) -> Reply:
    """A reply; None where the server refuses to say."""
    try:
        return connection.call(*(word if isinstance(word, bytes) else str(word) for word in words))
    except Refused:
        return None


_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "GET": ("databases",),
    "SET": ("repl-diskless-load", "disabled"),
    "PAUSE": ("1", "WRITE"),
    "REPLICAOF": ("NO", "ONE"),
}


def refuse(connection: Connection, facts: ServerInfo, highest: int = -1) -> None:
    """Raise NotSafe for the first obstacle. For a user who may not ask what it may, the commands that change nothing
    are tried out."""
    obstacle = next(chain(obstacles(connection, facts), beyond(connection, facts, highest)), None)
    if obstacle:
        raise NotSafe(obstacle, "live is unchanged")
    try:
        connection.call("CONFIG", "SET", "repl-diskless-load", connection.config("repl-diskless-load") or "disabled")
        connection.call("REPLICAOF", "NO", "ONE")  # of a master: nothing
    except Refused as error:
        raise NotSafe(f"{error.message} (at {connection.name})", "live is unchanged") from None
