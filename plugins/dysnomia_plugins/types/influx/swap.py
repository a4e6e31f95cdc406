"""The swap: the server is stopped, databases exchange their names, the server is started.

InfluxDB 1.x renames no database. What is called so is a name in ``meta.db``, and a folder of that name in each of two
others. While the names change, ``meta.db`` is a file with which no server starts, so that none writes between; whoever
finds it so finishes what was begun. Nothing is written by path: see ``toolkit/guarded``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.toolkit import stopped_server
from dysnomia_plugins.toolkit.guarded.acting import acting_as, as_ourselves
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.influx import databases, meta
from dysnomia_plugins.types.influx.running import Running, actor, kind
from dysnomia_plugins.types.influx.server import Server

EXCHANGE = "influxdb-exchange"
BACK = "influxdb-exchange-back"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
META = "meta.db"
_BARRIER = b"\x07dysnomia-tui exchanges databases: its next job on this server finishes that\n"
"""What no server can read as its ``meta.db`` (a field of a kind that there is none of)."""

_LOOK = 0.05


@dataclass(frozen=True, slots=True)
class Move:
    """One folder that changes its name."""

    folder: str
    """In which it is: the server's of data, or of its log of writes."""
    old: str
    new: str
    inode: tuple[int, int]

    def run(self, *, back: bool = False) -> None:
        """Idempotent. Raises OSError."""
        here, target = (self.new, self.old) if back else (self.old, self.new)
        with Folder.at(self.folder) as folder:
            seen = folder.seen(here)
            if seen is not None and (seen.st_dev, seen.st_ino) == self.inode:
                folder.move(here, folder, target)
                folder.sync()

    def is_back(self) -> bool:
        """Whether the folder has its old name. Raises OSError."""
        with Folder.at(self.folder) as folder:
            seen = folder.seen(self.old)
            return seen is not None and (seen.st_dev, seen.st_ino) == self.inode


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a journal has of an exchange."""

    meta: str
    """The folder of ``meta.db``."""
    tag: str
    uid: int
    gid: int
    moves: Sequence[Move]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Exchange:
        moves = [Move(one[0], one[1], one[2], (int(one[3]), int(one[4]))) for one in data["moves"]]
        return cls(str(data["meta"]), str(data["tag"]), int(data["uid"]), int(data["gid"]), moves)

    def recorded(self) -> dict[str, Any]:
        moves = [[one.folder, one.old, one.new, *one.inode] for one in self.moves]
        return {"meta": self.meta, "tag": self.tag, "uid": self.uid, "gid": self.gid, "moves": moves}

    @property
    def new(self) -> str:
        """Names the file that ``meta.db`` will be."""
        return f".dysnomia-{self.tag}-new-{META}"

    @property
    def old(self) -> str:
        return f".dysnomia-{self.tag}-old-{META}"

    # Each of these can be taken again. They raise OSError.

    def forward(self) -> None:
        for move in self.moves:
            move.run()
        with Folder.at(self.meta) as folder:
            folder.move_over(self.new, folder, META)
            folder.sync()

    def back(self) -> None:
        """While folders go back, no server starts either: also where ``meta.db`` was the new one already."""
        with Folder.at(self.meta) as folder:
            seen = folder.seen(self.old)
            if seen is None:
                return  # that is the last step
            if not self.is_between():
                folder.replace_file(META, _BARRIER, self.tag, like=seen)
        for move in reversed(self.moves):
            move.run(back=True)
        with Folder.at(self.meta) as folder:
            folder.move_over(self.old, folder, META)
            folder.sync()

    def is_between(self) -> bool:
        """Whether it was begun and is not done."""
        with Folder.at(self.meta) as folder:
            return folder.seen(META) is not None and folder.read_bytes(META, len(_BARRIER) + 1) == _BARRIER

    def is_waiting(self) -> bool:
        """Whether it was not begun: the file that ``meta.db`` was to be is there still."""
        with Folder.at(self.meta) as folder:
            return folder.seen(self.new) is not None

    def is_new(self) -> bool:
        """Whether ``meta.db`` is the new one, with all folders as it says, though it was to be reverted."""
        with Folder.at(self.meta) as folder:
            if folder.seen(self.old) is None:
                return False
        return not any(move.is_back() for move in self.moves)

    def tidy(self) -> None:
        with Folder.at(self.meta) as folder:
            for name in (self.new, self.old, f".dysnomia-{self.tag}-{META}"):
                folder.unlink(name)
            folder.sync()


def swap(ctx: Context, server: Server, live: str, beside: str, aside: str) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes."""
    existing = databases.names(server)
    new = {beside: live, **({live: aside} if live in existing else {})}
    running = Running.of(server)
    try:
        with stopped_server.stopped(kind(server), ctx, running.data), acting_as(running.actor()):
            _exchange(ctx, running, live, new)
    except OSError as error:
        raise PluginError(
            f"{error.filename or running.meta} could not be changed ({error.strerror})", "live is unchanged"
        ) from error
    _await(replace(server, owner=running.uid), live)


def _await(server: Server, live: str) -> None:
    """A server opens all databases before it answers. Raises PluginError where it does not, or knows no such one."""
    _answering(server)
    databases.require(server, live)


def _answering(server: Server) -> None:
    """Raises ServerDown where it does not within the time that it has to start."""
    until = time.monotonic() + stopped_server.SECONDS
    while True:
        try:
            server.version()
        except ServerDown:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK)
        else:
            return


def _exchange(ctx: Context, running: Running, live: str, new: Mapping[str, str]) -> None:
    with Folder.at(running.meta) as folder:
        seen = folder.seen(META)
        content = folder.read_bytes(META, meta.MAX_META + 1)
        if seen is None or len(content) > meta.MAX_META:
            raise PluginError(f"{folder.shown(META)} is too large, or not there", "nothing was changed")

        def left(text: str) -> None:
            with as_ourselves():
                ctx.progress.log(text)

        wanted = meta.renamed(content, new, live, left)
        exchange = Exchange(running.meta, ctx.tag, running.uid, running.gid, _moves(running, live, new))
        exchange.tidy()
        folder.write_new(exchange.new, wanted, like=seen)
        folder.write_new(exchange.old, content, like=seen)
        folder.sync()
        with as_ourselves():
            ctx.journal.step(EXCHANGE, **exchange.recorded())
        try:
            folder.replace_file(META, _BARRIER, ctx.tag, like=seen)
            exchange.forward()
        except OSError:
            with as_ourselves():
                ctx.journal.step(BACK)
            exchange.back()
            exchange.tidy()
            raise
        try:
            exchange.tidy()
        except OSError as error:
            left(f"{folder.shown(exchange.old)} is left, a copy of what {META} was ({error.strerror}): remove it")


def _moves(running: Running, live: str, new: Mapping[str, str]) -> list[Move]:
    """The old one makes room first. A server makes a folder for its log of writes with the first point: where nothing
    was ever written, there is none."""
    moves = []
    for path in dict.fromkeys((running.data, running.wal)):
        with suppress(FileNotFoundError), Folder.at(path) as folder:
            for name in sorted(new, key=lambda one: one != live):
                seen = folder.seen(name)
                if folder.seen(new[name]) is not None and new[name] != live:
                    raise PluginError(f"{folder.shown(new[name])} is there already", "move it away")
                if seen is not None:
                    moves.append(Move(path, name, new[name], (seen.st_dev, seen.st_ino)))
    return moves


def recover(ctx: Context, server: Server) -> bool:
    """Finish the exchange of a dead job, or forget it, and start the server. Idempotent. Raises PluginError."""
    steps = ctx.journal.steps()
    names = [name for name, _ in steps]
    begun = next((data for name, data in reversed(steps) if name == EXCHANGE), None)
    swapped = healed = False
    if begun is not None:
        exchange = Exchange.of(begun)
        try:
            with acting_as(actor(exchange.uid, exchange.gid)):
                healed = exchange.is_between()
                swapped = _healed(ctx, exchange, reverting=BACK in names)
        except OSError as error:
            raise PluginError(
                f"{error.filename or exchange.meta} could not be changed ({error.strerror})", "run it as root"
            ) from error
    stopped_server.start_left(kind(server), ctx, given_up_too=healed)
    if any(name == kind(server).started for name, _ in ctx.journal.steps()):
        with suppress(ServerDown):
            _answering(server)
    return swapped


def _healed(ctx: Context, exchange: Exchange, *, reverting: bool) -> bool:
    """Finish or revert it. Returns whether the new one is live. Raises OSError."""
    swapped = False
    if exchange.is_between():
        swapped = not reverting
        if reverting:
            exchange.back()
        else:
            exchange.forward()
    elif exchange.is_waiting():
        if not reverting:
            with as_ourselves():
                ctx.journal.step(BACK)
    elif not reverting or exchange.is_new():
        swapped = True
    else:
        exchange.back()
    exchange.tidy()
    return swapped
