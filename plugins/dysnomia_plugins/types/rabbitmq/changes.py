"""What would make a virtual host hold other definitions: single changes, in an order in which each can be made."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dysnomia_plugins.types.rabbitmq.arguments import as_table
from dysnomia_plugins.types.rabbitmq.definitions import (
    BINDINGS,
    EXCHANGES,
    OPERATOR_POLICIES,
    PARAMETERS,
    PERMISSIONS,
    POLICIES,
    QUEUES,
    TOPICS,
    USERS,
    VHOST,
    Document,
    Json,
    Key,
    Kind,
    Object,
    name_of,
)
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.terms import Atom, Term, of_bool

ABSENT, ANY, DELETE = Atom("absent"), Atom("any"), Atom("delete")
Target = tuple[str, Key]
Targets = set[Target]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one definition."""

    kind: Kind
    key: Key
    term: Term = field(repr=False)
    """As the node is asked for it."""
    what: str
    """``delete``, ``make``, ``remake`` (deleted and declared again), ``set``."""
    one: Object = field(repr=False)
    """What is wanted; of what goes, what is live."""


def to_make(wanted: Document, live: Live | None, *, discard: bool, targets: Targets | None = None) -> list[Change]:
    """All changes, in their order. ``targets``: the definitions that may be changed; None: all.

    What moves messages by itself (parameters) ends first and begins last; what may be refused, since a queue holds
    messages, comes before all else that is changed."""
    work = _Work(wanted, live or Live(), discard, targets)
    make_host = [] if live is not None else [Change(VHOST, (), (Atom("vhost"), (), ABSENT, Atom("make")), "make", {})]
    return [
        *work.deletions(PARAMETERS),
        *work.deletions(QUEUES),
        *make_host,
        *work.remade(QUEUES),
        *work.deletions(BINDINGS),
        *work.deletions(EXCHANGES),
        *work.remade(EXCHANGES),
        *work.others(EXCHANGES),
        *work.others(POLICIES),
        *work.others(OPERATOR_POLICIES),
        *work.others(QUEUES),
        *work.others(BINDINGS),
        *work.deletions(POLICIES),
        *work.deletions(OPERATOR_POLICIES),
        *work.users(),
        *work.others(PERMISSIONS),
        *work.others(TOPICS),
        *work.deletions(TOPICS),
        *work.deletions(PERMISSIONS),
        *work.host(),
        *work.others(PARAMETERS),
    ]


@dataclass
class _Work:
    wanted: Document
    live: Live
    discard: bool
    targets: Targets | None

    def _may(self, kind: Kind, key: Key) -> bool:
        return self.targets is None or (kind.name, key) in self.targets

    def deletions(self, kind: Kind) -> Iterator[Change]:
        """Of what the snapshot does not have."""
        ours = self.wanted.of[kind.name]
        for key, one in sorted(self.live.document.of[kind.name].items()):
            if key not in ours and self._may(kind, key):
                yield self._deletion(kind, key, one)

    def _deletion(self, kind: Kind, key: Key, one: Object) -> Change:
        known = self.live.known[kind.name, key]
        action: Term = DELETE
        number: Term = known.number
        if kind is QUEUES:
            action = (DELETE, of_bool(self.discard))
        elif kind is BINDINGS:
            action, number = (DELETE, known.arguments), ANY
        return Change(kind, key, (Atom(kind.name), _key(kind, one), number, action), "delete", one)

    def remade(self, kind: Kind) -> Iterator[Change]:
        """Of queues or exchanges that cannot be altered: those that are another, or are no lasting ones."""
        for key, one, number in self._differing(kind):
            if number is not None:
                yield Change(kind, key, (Atom(kind.name), _key(kind, one), number, self._remake(kind, one)), "remake",
                             one)  # fmt: skip

    def others(self, kind: Kind) -> Iterator[Change]:
        """Of what is lacking, and of what is set anew where it is another."""
        for key, one, number in self._differing(kind):
            if number is None or kind not in (QUEUES, EXCHANGES):
                was: Term = ABSENT if number is None else number
                if kind is BINDINGS:
                    was = ANY
                what = "make" if number is None else "set"
                yield Change(kind, key, (Atom(kind.name), _key(kind, one), was, _action(kind, one)), what, one)

    def _differing(self, kind: Kind) -> Iterator[tuple[Key, Object, int | None]]:
        theirs = self.live.document.of[kind.name]
        for key, one in sorted(self.wanted.of[kind.name].items()):
            if theirs.get(key) == one or not self._may(kind, key):
                continue
            if key in theirs:
                yield key, one, self.live.known[kind.name, key].number
            else:
                yield key, one, self.live.others.get((kind.name, key), (None, False))[0]

    def _remake(self, kind: Kind, one: Object) -> Term:
        if kind is QUEUES:
            return (Atom("remake"), of_bool(self.discard), as_table(one))
        return (Atom("remake"), *_of_exchange(one))

    def users(self) -> Iterator[Change]:
        """Those whom permissions name. One that there is stays as he is: the node looks."""
        for key, one in sorted(self.wanted.of[USERS.name].items()):
            if key not in self.live.document.of[USERS.name]:
                yield Change(USERS, key, (Atom("user"), _key(USERS, one), ABSENT, _action(USERS, one)), "make", one)

    def host(self) -> Iterator[Change]:
        (ours,) = self.wanted.of[VHOST.name].values()
        theirs: Object = next(iter(self.live.document.of[VHOST.name].values()), {"metadata": None, "limits": {}})
        if not self._may(VHOST, ()):
            return
        if ours["metadata"] != theirs["metadata"]:
            metadata = ours["metadata"]
            pairs = [(name.encode(), value.encode()) for name, value in metadata.items() if name != "tags"]
            tags = [[tag.encode() for tag in metadata["tags"]]] if "tags" in metadata else []
            yield self._host((Atom("metadata"), pairs, tags), ours)
        if ours["limits"] != theirs["limits"]:
            yield self._host((Atom("limits"), _json(ours["limits"]) if ours["limits"] else Atom("clear")), ours)

    def _host(self, action: Term, one: Object) -> Change:
        return Change(VHOST, (), (Atom("vhost"), (), ANY, action), "set", one)


def _key(kind: Kind, one: Object) -> Term:
    if kind is BINDINGS:
        sort = Atom(one["destination_type"])
        return (name_of(one, "source"), name_of(one, "routing_key"), sort, name_of(one, "destination"))
    return tuple(name_of(one, name) for name in kind.key)


def _action(kind: Kind, one: Object) -> Term:
    if kind is QUEUES or kind is BINDINGS:
        return (Atom("make"), as_table(one))
    if kind is EXCHANGES:
        return (Atom("make"), *_of_exchange(one))
    if kind in (POLICIES, OPERATOR_POLICIES):
        policy = one if kind is POLICIES else one["value"]
        parts = policy["pattern"].encode(), _json(policy["definition"]), policy["priority"], policy["apply-to"].encode()
        return (Atom("set"), parts)
    if kind is PARAMETERS:
        return (Atom("set"), _json(one["value"]))
    if kind is USERS:
        tags, limits = [tag.encode() for tag in one["tags"]], _as_term(one["limits"])
        return (Atom("make"), b64decode(one["password_hash"]), one["hashing_algorithm"].encode(), tags, limits)
    fields = ("configure", "write", "read") if kind is PERMISSIONS else ("write", "read")
    return (Atom("set"), *(one[name].encode() for name in fields))


def _of_exchange(one: Object) -> tuple[Term, ...]:
    return one["type"].encode(), of_bool(one["internal"]), as_table(one)


def _json(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _as_term(value: Json) -> Term:
    if isinstance(value, dict):
        return {key.encode(): _as_term(one) for key, one in value.items()}
    return value.encode() if isinstance(value, str) else value


def of_kind(changes: Iterable[Change], kind: Kind, *whats: str) -> list[Object]:
    """What such changes are about."""
    return [change.one for change in changes if change.kind is kind and change.what in whats]
