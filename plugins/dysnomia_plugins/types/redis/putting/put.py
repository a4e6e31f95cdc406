"""What live holds where keys are to be put back, and the one transaction that does it.

The keys are watched before they are looked at for the last time: where anybody writes one of them after that, the
transaction does nothing, and they are looked at again. Within one, ``RESTORE`` could only fail for a value that it
cannot load, so each is tried before, under a name of the job's and with a time to live that has passed: then a server
reads it whole, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dysnomia_plugins.base import Context, LiveLook, LiveRow, PutRow, Stored
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, ServerDown
from dysnomia_plugins.types.redis.putting.keys import Name, name_of, read_stored
from dysnomia_plugins.types.redis.putting.live import LiveKeys
from dysnomia_plugins.types.redis.putting.payload import Value, read_raw
from dysnomia_plugins.types.redis.records import moment, text
from dysnomia_plugins.types.redis.resp import Refused

BEGUN, ENDED = "redis-put", "redis-put-ended"
"""Steps in the journal: the transaction begins; it was made."""
TRIES = 20
"""Transactions that others may spoil by writing one of the keys."""


@dataclass
class Look:
    """One look at all of them."""

    live: LiveKeys
    rows: Sequence[PutRow]

    def __post_init__(self) -> None:
        self.wrong: dict[int, str] = {}
        self.now = self.live.now
        self.names = [name_of(row) for row in self.rows]
        self.values = [self._value(at, name) for at, name in enumerate(self.names)]

    def _value(self, at: int, name: Name) -> Value | None:
        try:
            return self.live.value(name, self.now)
        except NotSafe as error:
            self.wrong[at] = f"{_shown(name)}: {error.message}"
            return None

    def digest(self, at: int) -> str:
        value = self.values[at]
        return "" if value is None else value.digest

    def wanted(self, at: int) -> str:
        raw = self.rows[at].wanted
        return "" if raw is None else str(read_raw(raw)["digest"])

    def conflicts(self) -> dict[int, str]:
        """Which cannot be put back, each with the reason; none stands in the way of another."""
        conflicts = dict(self.wrong)
        for at, row in enumerate(self.rows):
            if at in conflicts or row.wanted is None or self.digest(at) == self.wanted(at):
                continue
            expires = read_raw(row.wanted)["expires"]
            if expires is not None and expires <= self.now:
                conflicts[at] = f"{_shown(self.names[at])} expired {moment(expires)}: it would be gone at once"
        return conflicts

    def answer(self) -> LiveLook:
        """For the plan."""
        rows = tuple(
            LiveRow(None if value is None else value.to_raw(), self.digest(at), self.wanted(at))
            for at, value in enumerate(self.values)
        )
        return LiveLook(rows, self.conflicts(), tuple(self._warnings()))

    def _warnings(self) -> Iterator[str]:
        if int(self.live.info.get("maxmemory", 0)) and "noeviction" not in self.live.info.get("maxmemory_policy", ""):
            yield "the server evicts keys where its memory is full: what is put back may go again"


def _shown(name: Name) -> str:
    return f"the key {text(name[1])} of database {name[0]}"


def look(live: LiveKeys, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``."""
    refusals = tuple(live.refusals())
    return LiveLook((), refusals=refusals) if refusals else Look(live, rows).answer()


def put_back(ctx: Context, live: LiveKeys, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]) -> list[int]:
    """See ``StatePlugin.put_sections_back``.

    Raises NotSafe where live takes one of them not, or other clients changed one meanwhile: nothing was changed
    then."""
    refusals = list(live.refusals())
    if refusals:
        raise NotSafe(f"nothing was changed: {'; '.join(refusals)}")
    payloads = read_stored(stored, {name_of(row) for row in rows if row.wanted is not None}, payloads=True).payloads
    for name, payload in payloads.items():
        ctx.cancel.check()
        _try(ctx, live, name, payload)
    ctx.journal.step(BEGUN)
    places = list(range(len(rows)))
    for _ in range(TRIES):
        ctx.cancel.check()
        places, done = _transaction(live, rows, seen, payloads, places)
        if done:
            ctx.journal.step(ENDED)
            return sorted(set(range(len(rows))) - set(places))
    raise NotSafe(
        f"nothing was changed: other clients changed these keys during each of {TRIES} attempts",
        "stop the clients that write them, or leave these keys out",
    )


def _try(ctx: Context, live: LiveKeys, name: Name, payload: bytes) -> None:
    """Whether the server can load a value. It keeps nothing. Raises NotSafe."""
    live.select(name[0])
    try:
        live.connection.call("RESTORE", f"dysnomia-tui-{ctx.tag}", 1, payload, "ABSTTL")
    except Refused as error:
        raise NotSafe(
            f"nothing was changed: {_shown(name)}: {error.message}",
            "restore into a server at least as new as the one it was made by",
        ) from None


def _transaction(
    live: LiveKeys,
    rows: Sequence[PutRow],
    seen: Sequence[str],
    payloads: dict[Name, bytes],
    places: Sequence[int],
) -> tuple[list[int], bool]:
    """Which of these hold what was planned upon, and whether they were written; not where somebody wrote one of the
    keys meanwhile. A key that holds something else is left for good: it is not watched again."""
    names = [name_of(row) for row in rows]
    try:
        for at in places:
            live.select(names[at][0])
            live.connection.call("WATCH", names[at][1])
        now = Look(live, [rows[at] for at in places])
        wrong = now.conflicts()
        same = [at for count, at in enumerate(places) if count not in wrong and now.digest(count) == seen[at]]
        live.connection.call("MULTI")
        for at in same:
            _queue(live, names[at], rows[at], payloads)
    except Refused as error:
        raise NotSafe(
            f"nothing was changed: {error.message}", "check the ACL of the user and the memory of the server"
        ) from None
    return same, _commit(live)


def _queue(live: LiveKeys, name: Name, row: PutRow, payloads: dict[Name, bytes]) -> None:
    live.select(name[0])
    if row.wanted is None:
        live.connection.call("UNLINK", name[1])
        return
    if name not in payloads:
        raise NotSafe(f"nothing was changed: the snapshot has no {_shown(name)} any more", "plan it again")
    expires = read_raw(row.wanted)["expires"] or 0
    live.connection.call("RESTORE", name[1], expires, payloads[name], "REPLACE", "ABSTTL")


def _commit(live: LiveKeys) -> bool:
    """Whether the transaction was made. Raises NotSafe where the server refuses it, OutcomeUnknown."""
    try:
        replies = live.connection.call("EXEC", limit=60.0)
    except Refused as error:
        raise NotSafe(f"nothing was changed: {error.message}", "check the memory and the log of the server") from None
    except ServerDown as error:
        raise OutcomeUnknown(
            f"{error.message}, while the keys were put back", "start the server, then compare with live"
        ) from None
    if replies is None:
        return False
    assert isinstance(replies, list)
    return True
