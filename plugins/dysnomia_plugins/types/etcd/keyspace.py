"""The keys below one prefix of a server: read in pages, counted, written by transactions, deleted."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.etcd.api import Refused, Session, TooMuch

PAGE = 500
"""Keys of one answer, which the server makes whole in its memory. Kubernetes asks for as many."""
_WANTED, _MOST = 2 << 20, 16 << 20
"""Bytes of an answer that are wanted, and those from which on fewer keys are asked for."""
_MOST_OPERATIONS = 128
"""Of a transaction, unless the server says that it takes fewer (``--max-txn-ops``)."""
_MOST_BYTES = 1 << 20
"""Of a transaction with more than one key: a server takes 1.5 MiB, unless it is told otherwise."""
_SOME = 100
_FIRST = b"\0"


class Live(NamedTuple):
    """A key as the server has it, without the prefix."""

    key: bytes
    value: bytes
    created: int
    changed: int
    """Revisions."""
    lease: int


class Change(NamedTuple):
    """What a key is to become, if it is still what it was."""

    key: bytes
    value: bytes | None
    """None: it is to go."""
    was: int
    """The revision that it was changed in last; 0 where it was not there."""


def b64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def end_of(prefix: bytes) -> bytes:
    """The first key behind all that begin with a prefix; etcd takes a zero byte for the end of all keys."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1]) if head else _FIRST


@dataclass
class Keyspace:
    """All keys that begin with a prefix."""

    session: Session
    prefix: bytes
    revision: int = 0
    """Of the last answer to ``pairs``."""

    @classmethod
    def of(cls, session: Session, prefix: str) -> Keyspace:
        return cls(session, prefix.encode("utf-8", "surrogateescape"))

    def _range(self, start: bytes = b"", **options: Any) -> Mapping[str, Any]:
        first = self.prefix + start or _FIRST
        return {"key": b64(first), "range_end": b64(end_of(self.prefix)), **options}

    # Reading. All raise PluginError.

    def count(self, *, serializable: bool = False) -> int:
        """``serializable``: as one member has it, which answers without the others."""
        asked = self._range(count_only=True, serializable=serializable)
        return int(self.session.call("kv/range", asked).get("count", 0))

    def pairs(self, *, start: bytes = b"", at_once: bool = False, keys_only: bool = False) -> Iterator[Live]:
        """In their order.

        Args:
            start: the key, below the prefix, to begin with.
            at_once: all of one revision. Raises Compacted where the server no longer keeps that.
        """
        limit, more, pinned = PAGE // 10, True, 0
        while more:
            asked = self._range(start, limit=limit, keys_only=keys_only, revision=pinned)
            try:
                answer = self.session.call("kv/range", asked, most=_MOST if limit > 1 else _MOST << 5)
            except TooMuch:
                if limit == 1:
                    raise
                limit = max(1, limit // 16)
                continue
            self.revision = self._revision(answer)
            pinned = pinned or (self.revision if at_once else 0)
            size, pairs = 0, answer.get("kvs", ())
            for one in pairs:
                pair = self._live(one)
                size += len(pair.key) + len(pair.value)
                yield pair
            more = bool(answer.get("more")) and bool(pairs)
            if more:
                start = pair.key + b"\0"
                limit = max(1, min(PAGE, 2 * limit, limit * _WANTED // (size + 1)))
        if at_once:
            self.revision = pinned

    def _revision(self, answer: Mapping[str, Any]) -> int:
        try:
            return int(answer["header"]["revision"])
        except (KeyError, TypeError, ValueError):
            server = self.session.server
            raise PluginError(f"{server} does not answer as etcd does", "check etcdEndpoints") from None

    def _live(self, one: Mapping[str, Any]) -> Live:
        return Live(
            b64decode(one["key"])[len(self.prefix) :],
            b64decode(one.get("value", "")),
            int(one["create_revision"]),
            int(one["mod_revision"]),
            int(one.get("lease", 0)),
        )

    def some(self, keys: Sequence[bytes]) -> Mapping[bytes, Live]:
        """Those of these keys that there are: of many, all keys are read and these kept."""
        if len(keys) > _SOME:
            wanted = set(keys)
            return {pair.key: pair for pair in self.pairs() if pair.key in wanted}
        answers = (self.session.call("kv/range", {"key": b64(self.prefix + key)}) for key in keys)
        return {pair.key: pair for answer in answers for pair in map(self._live, answer.get("kvs", ()))}

    # Writing.

    def delete(self) -> None:
        """All of them, at once."""
        self.session.call("kv/deleterange", self._range())

    def change(self, changes: Sequence[Change], *, again: bool = True) -> tuple[bool, Live | None]:
        """One transaction: whether it was made, which it was not where one of the keys is no longer as it was; of a
        single key that was not changed, what it is now."""
        compared = []
        for one in changes:
            key = b64(self.prefix + one.key)
            if one.was:
                compared.append({"key": key, "target": "MOD", "mod_revision": str(one.was)})
            else:
                compared.append({"key": key, "target": "CREATE", "create_revision": "0"})
        otherwise = [{"request_range": {"key": compared[0]["key"]}}] if len(changes) == 1 else []
        body = {"compare": compared, "success": [self._done(one) for one in changes], "failure": otherwise}
        answer = self.session.call("kv/txn", body, again=again)
        if answer.get("succeeded"):
            return True, None
        answers = answer.get("responses", ())
        pairs = answers[0]["response_range"].get("kvs", ()) if answers else ()
        return False, next(map(self._live, pairs), None)

    def would_take(self, changes: Sequence[Change]) -> None:
        """Let the server look at a transaction without making it: at its size, our rights, its room.

        Raises PluginError."""
        never = {"key": b64(self.prefix + changes[0].key), "target": "CREATE", "result": "LESS", "create_revision": "0"}
        self.session.call("kv/txn", {"compare": [never], "success": [self._done(change) for change in changes]})

    def would_let_write(self) -> None:
        """Raises PluginError where our account may not write each key that begins with the prefix."""
        never = {"key": b64(self.prefix or _FIRST), "target": "CREATE", "result": "LESS", "create_revision": "0"}
        self.session.call("kv/txn", {"compare": [never], "success": [{"request_delete_range": self._range()}]})

    def _done(self, change: Change) -> Mapping[str, Any]:
        key = b64(self.prefix + change.key)
        if change.value is None:
            return {"request_delete_range": {"key": key}}
        return {"request_put": {"key": key, "value": b64(change.value)}}


class Batches:
    """Changes gathered to transactions as large as the server takes them."""

    def __init__(self, keyspace: Keyspace, alone: Callable[[Change, Live | None], None]) -> None:
        """``alone`` is called for each change that is not made, with what its key is now."""
        self._keyspace, self._alone = keyspace, alone
        self._waiting: list[Change] = []
        self._size, self._operations = 0, _MOST_OPERATIONS

    def __len__(self) -> int:
        return len(self._waiting)

    def is_full_with(self, change: Change) -> bool:
        """Whether those that wait are to be made before this one is added."""
        size = len(change.key) + len(change.value or b"")
        return bool(self._waiting) and (len(self._waiting) >= self._operations or self._size + size > _MOST_BYTES)

    def add(self, change: Change) -> None:
        self._waiting.append(change)
        self._size += len(change.key) + len(change.value or b"")

    def make(self) -> None:
        """Make those that wait. Raises PluginError."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        self._make(waiting)

    def _make(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        try:
            done, now = self._keyspace.change(changes)
        except Refused as error:
            if len(changes) == 1 or not ("too many operations" in error.text or "too large" in error.text):
                raise
            if "too many operations" in error.text:
                self._operations = max(1, len(changes) // 2)
            done, now = False, None
        if done:
            return
        if len(changes) == 1:
            self._alone(changes[0], now)
            return
        half = len(changes) // 2
        self._make(changes[:half])
        self._make(changes[half:])


def compacted(prefix: str) -> PluginError:
    return PluginError(
        f"etcd compacted its history while the keys of {prefix or 'the server'} were read at one revision",
        "try again; where that happens each time, have it keep its history longer (--auto-compaction-retention)",
    )
