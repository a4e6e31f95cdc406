"""The swap: how restored data takes the place of what a live server holds, and what a dead swap is brought to.

The restored data stands in a server of our own, and live takes it over as that one's replica, for a moment: it loads
all of it beside what it holds (repl-diskless-load swapdb) and exchanges the two in one step. A takeover that breaks
off leaves what it holds. Writes are held up from before the guard is taken until the exchange is made, so the guard
holds every write that was acknowledged; as long as it is a replica, live refuses writes by itself.

Whether the exchange has happened can be asked at any time after: live then has the replication id of our server as its
own or its former one. Only a live server that was started again has forgotten it; then what it holds decides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context, Journal
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.redis import folders, similarity
from dysnomia_plugins.types.redis.durable import persist
from dysnomia_plugins.types.redis.emptying import has_functions
from dysnomia_plugins.types.redis.files import writing
from dysnomia_plugins.types.redis.folders import DUMP
from dysnomia_plugins.types.redis.resp import Connection, Refused
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.server_info import ServerInfo, keyspace, read, refuse
from dysnomia_plugins.types.redis.sync import stream
from dysnomia_plugins.types.redis.temporary_server import Temporary

SWAP, GUARDED, TAKEOVER, TAKEN, SWAPPED, RECOVERED = (
    "redis-swap", "redis-guarded", "redis-takeover", "redis-taken", "redis-swapped", "redis-recovered",
)  # fmt: skip
"""Steps in the journal: what will be done; the guard is whole; live becomes a replica; it holds the restored data; it
is as it was in all else; how recovery went."""
HOLD = 10.0
"""Seconds that writes are held up after the last word of ours: so long, at most, after we died."""
LINK_SECONDS = 10.0
"""Within which live must have reached our server."""
_SECRET = "masterauth"
_SECRET_FILE = "settings"


class Hold:
    """Holds up writes on live, and knows whether it did without a gap."""

    def __init__(self, live: Connection) -> None:
        self._live = live
        self._until = 0.0
        self._gap = False

    def renew(self) -> None:
        """To be called more often than every ``HOLD`` seconds; cheap."""
        now = time.monotonic()
        if now < self._until - HOLD + 1:
            return
        self._live.call("CLIENT", "PAUSE", int(HOLD * 1000), "WRITE")
        self._gap |= 0 < self._until < time.monotonic()
        self._until = now + HOLD

    def check(self) -> None:
        """Raise PluginError if a write may have come through."""
        if self._gap or time.monotonic() > self._until:
            raise PluginError(
                "the pause of writes ended too early: the machine was too busy", "nothing was replaced; try again"
            )


@dataclass
class Takeover:
    """One replacement of what a live server holds by what a server of ours does.

    Args:
        beside: the place our server stands on.
        aside: where the guard is to stand; None where live holds nothing.
    """

    ctx: Context
    server: Server
    ours: Temporary
    beside: Path
    aside: Path | None
    _before: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Raises PluginError; then ``recover`` puts right what is to be put right, and says whether it happened."""
        with Connection.open(self.server, self.ctx.cancel) as live:
            facts = read(live)
            refuse(live, facts, max(keyspace(self.ours.connection.info()), default=-1))
            fits(facts, self.ours)
            reachable(live, facts, self.ours)
            self._announce(live, facts)
            hold = Hold(live)
            if self.aside is not None:
                self._guard(live, hold)
            else:
                hold.renew()
                if keyspace(live.info("keyspace")) or has_functions(live):
                    raise NotSafe(
                        f"keys were written to the server at {self.server} while its initial state was loaded",
                        "they are kept, and nothing was replaced: delete them and activate it again, or leave them",
                    )
            self._take(live, hold)
            put_back(live, self._before)
            keep_secret(self.beside, "")
            self.ctx.progress.phase("persist")
            persist(live, self.ctx)
            self.ctx.journal.step(SWAPPED)

    def _announce(self, live: Connection, facts: ServerInfo) -> None:
        """Write down what will be changed, before it is. A password of live's own goes into a file, not the journal."""
        names = (_SECRET, "masteruser", "repl-diskless-load", "repl-diskless-sync", "repl-diskless-sync-delay")
        settings = {name: live.config(name) for name in (*names, "tls-replication")}
        self._before = {name: value for name, value in settings.items() if value is not None}
        keep_secret(self.beside, self._before.get(_SECRET, ""))
        self.ctx.journal.step(
            SWAP, run=facts.run_id, replid=self.ours.connection.info("replication")["master_replid"],
            master=[self.ours.address, self.ours.port],
            settings={name: value for name, value in self._before.items() if name != _SECRET},
            beside=str(self.beside), aside=str(self.aside or ""),
        )  # fmt: skip

    def _guard(self, live: Connection, hold: Hold) -> None:
        """What live holds when it has stopped taking writes, as a file."""
        assert self.aside is not None
        self.ctx.progress.phase("guard")
        folders.make(self.aside)
        for name, value in (("repl-diskless-sync", "yes"), ("repl-diskless-sync-delay", "0")):
            if self._before.get(name, value) != value:
                live.call("CONFIG", "SET", name, value)
        hold.renew()
        target = folders.writing(self.aside, DUMP)
        with Connection.open(self.server, self.ctx.cancel) as feed, target as write:
            _, data = stream(feed, hold.renew)
            done = 0
            for piece in data:
                hold.renew()
                write(piece)
                done += len(piece)
                self.ctx.progress.advance(done)
        hold.renew()
        self.ctx.journal.step(GUARDED)

    def _take(self, live: Connection, hold: Hold) -> None:
        self.ctx.progress.phase("swap")
        self.ctx.cancel.check()
        settings = {_SECRET: self.ours.password, "masteruser": "", "repl-diskless-load": "swapdb"}
        if self._before.get("tls-replication") == "yes":
            settings["tls-replication"] = "no"
        for name, value in settings.items():
            if name in self._before:
                live.call("CONFIG", "SET", name, value)
        hold.renew()
        self.ctx.journal.step(TAKEOVER)
        hold.renew()
        live.call("REPLICAOF", self.ours.address, self.ours.port)
        hold.check()
        self._await_link(live, hold)
        self.ctx.journal.step(TAKEN)

    def _await_link(self, live: Connection, hold: Hold) -> None:
        """Until live holds what our server does. Raises PluginError where it does not come to it."""
        deadline = time.monotonic() + LINK_SECONDS
        before: object = None
        while True:
            self.ctx.cancel.check()
            info = live.info()
            if self._same(info):
                return
            progress = [info.get(name) for name in ("master_sync_read_bytes", "loading_loaded_bytes", "loading")]
            if info.get("master_sync_in_progress") == "1" or info.get("loading") == "1":
                if progress != before:
                    deadline = time.monotonic() + self.server.timeout
                before = progress
                self.ctx.progress.advance(int(info.get("loading_loaded_bytes", 0)))
            if time.monotonic() > deadline:
                raise PluginError(
                    f"the server at {self.server} did not take over the restored data in time",
                    "live is unchanged; see the log of the server",
                )
            hold.renew()
            time.sleep(0.02)

    def _same(self, info: Mapping[str, str]) -> bool:
        """The link is up, live has heard all that ours said, and has as many keys (those that expire may be fewer)."""
        if info.get("master_link_status") != "up" or info.get("loading") == "1":
            return False
        ours = self.ours.connection.info()
        if info.get("master_replid") != ours["master_replid"]:
            return False
        if int(info.get("slave_repl_offset", 0)) < int(ours["master_repl_offset"]):
            return False
        return lasting(info) == lasting(ours)


def lasting(info: Mapping[str, str]) -> Mapping[int, int]:
    """Keys that do not expire, by database."""
    lasting = {database: counts.lasting for database, counts in keyspace(info).items()}
    return {database: count for database, count in lasting.items() if count}


# --- before anything is touched -------------------------------------------------------------------------------------


def fits(facts: ServerInfo, ours: Temporary) -> None:
    """Raise NotSafe where live would throw keys out."""
    used = int(ours.connection.info("memory")["used_memory"])
    if 0 < facts.max_memory < used:
        raise NotSafe(
            f"what is restored takes {used >> 20} MiB of memory, and the live server's maxmemory is "
            f"{facts.max_memory >> 20} MiB: it would evict keys",
            "raise maxmemory, or restore it as a copy",
        )


def reachable(live: Connection, facts: ServerInfo, ours: Temporary) -> None:
    """Raise NotSafe where live cannot connect to our server.

    It is asked to copy a small key there, with a password that is wrong: that ours refuses it is what we want to see.
    Where there is no small key, or we may not ask so, it shows in the takeover."""
    for database in facts.keyspace():
        for _ in range(8):
            try:
                live.call("SELECT", database)
                key = live.call("RANDOMKEY")
                if not isinstance(key, bytes) or live.call("TYPE", key) != b"string":
                    continue
                size = live.call("STRLEN", key)
                if not isinstance(size, int) or size > 4096:
                    continue
                live.call("MIGRATE", ours.address, ours.port, key, 0, 300, "COPY", "AUTH", "wrong")
            except Refused as error:
                if error.code == "IOERR":
                    raise NotSafe(
                        f"the server at {live.name} cannot reach a temporary server at {ours.address}:{ours.port}",
                        "it must be able to connect to this machine",
                    ) from None
            return


# --- settings, put back ---------------------------------------------------------------------------------------------


def keep_secret(folder: Path, secret: str) -> None:
    """Keep a password of live's in a private file of the place, durably, so that recovery can put it back."""
    folders.forget(folder, _SECRET_FILE)
    if secret:
        with folders.writing(folder, _SECRET_FILE) as write:
            write(json.dumps({_SECRET: secret}).encode())


def kept_secret(folder: Path) -> str:
    try:
        with folders.reading(folder, _SECRET_FILE) as file:
            return str(json.loads(file.read(1 << 20))[_SECRET])
    except FileNotFoundError:
        return ""


def put_back(live: Connection, before: Mapping[str, str]) -> None:
    """Make live its own master again, with the settings it had, and let writes through."""
    live.call("REPLICAOF", "NO", "ONE")
    for name, value in before.items():
        if live.config(name) != value:
            live.call("CONFIG", "SET", name, value)
    live.call("CLIENT", "UNPAUSE")


# --- recovery -------------------------------------------------------------------------------------------------------


def recover(ctx: Context, server: Server) -> bool:
    """Whether the swap in the journal has happened; live is its own master again, set as it was. Idempotent.

    Raises ServerDown, WrongCredentials, NotSafe (another has made live a replica meanwhile)."""
    begun: Mapping[str, Any] | None = None
    seen: list[str] = []
    for name, data in ctx.journal.steps():
        if name == SWAP:
            begun, seen = data, []
        elif name == SWAPPED:
            return True
        elif name == RECOVERED:
            return bool(data["swapped"])
        else:
            seen.append(name)
    if begun is None:
        return False
    with Connection.open(server, ctx.cancel) as live:
        _await_loaded(live, server.timeout)
        info = live.info()
        lost = False
        if info["run_id"] == begun["run"]:
            _release(live, info, begun)
            info = live.info("replication")
            swapped = begun["replid"] in (info["master_replid"], info.get("master_replid2"))
        else:
            swapped, lost = _after_restart(ctx, server, begun, seen)
        if swapped:
            persist(live, ctx)
    ctx.journal.step(RECOVERED, swapped=swapped, lost=lost)
    return swapped


def lost_live(journal: Journal) -> bool:
    """See ``StatePlugin.lost_live``."""
    return any(name == RECOVERED and data.get("lost") for name, data in journal.steps())


def _await_loaded(live: Connection, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while live.info("persistence").get("loading") == "1":
        if time.monotonic() > deadline:
            raise NotSafe(
                f"the server at {live.name} is still loading its data", "wait until it has finished, then try again"
            )
        time.sleep(0.05)


def _release(live: Connection, info: Mapping[str, str], begun: Mapping[str, Any]) -> None:
    """End what a dead worker began, unless live is somebody else's replica by now."""
    master = [info.get("master_host"), int(info.get("master_port", 0))]
    if info["role"] == "slave" and master != list(begun["master"]):
        raise NotSafe(
            f"the server at {live.name} is a replica of {master[0]}:{master[1]}, which was not made by this job",
            "check its replication before anything else is done",
        )
    beside = Path(str(begun["beside"]))
    put_back(live, {**begun["settings"], _SECRET: kept_secret(beside)})
    keep_secret(beside, "")


def _after_restart(ctx: Context, server: Server, begun: Mapping[str, Any], seen: Sequence[str]) -> tuple[bool, bool]:
    """Live was started anew from what it had saved: what it holds says whether that was before or after.

    Returns whether it was after, and whether it lacks any of what stands aside."""
    if GUARDED not in seen and TAKEOVER not in seen:
        return False, False
    if not begun["aside"]:
        return TAKEN in seen, False
    beside, aside = Path(str(begun["beside"])), Path(str(begun["aside"]))
    missing = next((path for path in (beside, aside) if not folders.is_there(path)), None)
    if missing is not None:
        raise NotSafe(
            f"cannot determine whether {server} was replaced: {missing} is missing",
            "check by hand what is live before anything else",
        )
    now = ctx.staging / "now.rdb"
    now.unlink(missing_ok=True)
    with Connection.open(server, ctx.cancel) as feed, writing(now) as write:
        for piece in stream(feed)[1]:
            write(piece)
    with now.open("rb") as held, folders.reading(beside) as one, folders.reading(aside) as other:
        likeness = similarity.compared(held, one, other)
    return TAKEOVER in seen and likeness.nearer, likeness.lost
