"""The exchange: what differs from the snapshot is written, key by key, each only if it still is what was set aside.

etcd renames nothing, and a transaction holds 128 keys, so that a larger exchange is seen half-way. Keys that are the
same are not written. First all keys at one revision are set aside; then, in the order of keys, transactions change what
differs, each on condition that no client has changed these keys. What a client did change, or delete, before its key's
turn is noted beside what was set aside; what it writes afterwards stays, and so does a key that came after that
revision and is not in the snapshot. So each write that was acknowledged is either live or in the guard. Keys that are
attached to a lease are no part of snapshots and stay, unless the snapshot has a key of that name.

Nothing is reverted: an exchange that was begun is finished, by this job or the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.etcd.api import Session
from dysnomia_plugins.types.etcd.dump import Reading
from dysnomia_plugins.types.etcd.keyspace import Batches, Change, Keyspace, Live
from dysnomia_plugins.types.etcd.records import of_line, shown
from dysnomia_plugins.types.etcd.spool import Spool

BEGUN, DONE = "etcd-exchange", "etcd-exchanged"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_ATTEMPTS = 1000
_WANTED, _LIVE, _ASIDE = 0, 1, 2


def swap(ctx: Context, session: Session, prefix: str, beside: Place, aside: Place) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes."""
    reading = Reading(ctx, Keyspace.of(session, prefix))
    spool = Spool(aside.name)
    if not spool.write(_cancellable(ctx, reading)):
        spool.drop()
    ctx.journal.step(BEGUN, prefix=prefix, beside=beside.name, aside=aside.name, revision=reading.revision, new=False)
    _finish(ctx, session, ctx.journal.steps()[-1][1], first=True)


def fill(ctx: Context, session: Session, prefix: str, beside: Place, aside: Place) -> None:
    """Write the keys that are not there, and touch no other. As ``swap``, but nothing is set aside."""
    ctx.journal.step(BEGUN, prefix=prefix, beside=beside.name, aside=aside.name, revision=0, new=True)
    _finish(ctx, session, ctx.journal.steps()[-1][1], first=True)


def recover(ctx: Context, session: Session) -> bool:
    """Finish the exchange of a dead job. Idempotent. Raises PluginError."""
    begun = begun_in(ctx)
    if begun is None:
        return False
    _finish(ctx, session, begun, first=False)
    return True


def begun_in(ctx: Context) -> Any:
    return next((data for name, data in reversed(ctx.journal.steps()) if name == BEGUN), None)


def _finish(ctx: Context, session: Session, begun: Any, *, first: bool) -> None:
    beside, aside = Spool(str(begun["beside"])), Spool(str(begun["aside"]))
    if not any(name == DONE for name, _ in ctx.journal.steps()):
        if not beside.exists():
            raise NotSafe(
                f"{beside.path} is gone, and the exchange of {begun['prefix']} is not finished",
                "put it back, or restore a generation after removing this job's journal",
            )
        keyspace = Keyspace.of(session, str(begun["prefix"]))
        _Exchange(keyspace, beside, aside, int(begun["revision"]), bool(begun["new"]), first).run()
        ctx.journal.step(DONE)
    aside.end_exchange()
    beside.drop()


def _cancellable(ctx: Context, reading: Reading) -> Iterator[tuple[bytes, bytes]]:
    for number, pair in enumerate(reading.pairs()):
        if not number & 0xFF:
            ctx.cancel.check()
        yield pair


@dataclass
class _Exchange:
    keyspace: Keyspace
    beside: Spool
    aside: Spool
    revision: int
    """What was set aside is of."""
    new: bool
    """Whether nothing that is there is touched."""
    first: bool
    """False where a job that died has begun it: a key that is not there may have been deleted by it."""
    notes: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    def run(self) -> None:
        """Raises PluginError."""
        self.batches = Batches(self.keyspace, self._alone)
        done = None if self.first else self.aside.done()
        for key, same in groupby(self._merged(done), itemgetter(0)):
            sides = {side: value for _, side, value in same}
            change = self._change(key, sides.get(_WANTED), sides.get(_LIVE), aside=_ASIDE in sides)
            if change is None:
                continue
            if self.batches.is_full_with(change):
                self._make()
            self.batches.add(change)
            self.last = key
        self._make()

    def _merged(self, done: bytes | None) -> Iterator[tuple[bytes, int, Any]]:
        """What is wanted, what is live and what was set aside, in the order of keys, behind those that are done."""
        start = b"" if done is None else done + b"\0"
        wanted = ((key, _WANTED, line) for key, line in self.beside.pairs() if key >= start)
        live = ((pair.key, _LIVE, pair) for pair in self.keyspace.pairs(start=start))
        aside = ((key, _ASIDE, None) for key in (self.aside.keys_set_aside() if self.first else ()))
        return heapq.merge(wanted, live, aside, key=itemgetter(0))

    def _change(self, key: bytes, line: bytes | None, live: Live | None, *, aside: bool) -> Change | None:
        """What is to be done to a key; what a client made of it since it was set aside is noted."""
        value = None if line is None else of_line(line).value
        if live is None:
            if aside:
                self.notes.append((key, None))
            return None if value is None else Change(key, value, 0)
        if self.new or (value is None and self._stays(live)) or (live.value == value and not live.lease):
            return None
        if live.changed > self.revision or live.lease:
            self.notes.append((key, live.value))
        return Change(key, value, live.changed)

    def _stays(self, live: Live) -> bool:
        """Of a key that the snapshot does not have."""
        return bool(live.lease) or live.created > self.revision

    def _make(self) -> None:
        """What is noted is durable before it is overwritten."""
        self._note()
        if len(self.batches):
            self.batches.make()
            self.aside.note_done(self.last)

    def _note(self) -> None:
        if self.notes:
            self.aside.note(self.notes)
            self.notes = []

    def _alone(self, change: Change, now: Live | None) -> None:
        """A key that a client changed between two looks: until nobody does, or it is as wanted."""
        for _ in range(_ATTEMPTS):
            if self._is_done(change, now):
                return
            if not self.new:
                self.aside.note([(change.key, None if now is None else now.value)])
            done, now = self.keyspace.change([change._replace(was=0 if now is None else now.changed)])
            if done:
                return
        raise PluginError(
            f"clients write {shown(change.key)} all the time, so that it cannot be exchanged", "stop them, then recover"
        )

    def _is_done(self, change: Change, now: Live | None) -> bool:
        if now is None:
            return change.value is None
        if self.new or (now.value == change.value and not now.lease):
            return True
        return change.value is None and self._stays(now)
