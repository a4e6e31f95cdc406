"""Messages that a change of definitions would lose: of queues that would go, and of those that a policy would shorten.

Messages are no state of a virtual host, and a restore loses none, unless an operator has said so in the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dysnomia_plugins.base import Runner
from dysnomia_plugins.types.rabbitmq.changes import Change
from dysnomia_plugins.types.rabbitmq.definitions import OPERATOR_POLICIES, POLICIES, QUEUES, Document, Json, Object
from dysnomia_plugins.types.rabbitmq.node import Server
from dysnomia_plugins.types.rabbitmq.terms import Atom, Term

_SHORTENING = ("max-length", "max-length-bytes", "message-ttl", "expires")
"""Of policies: what takes messages away, where it is smaller than before."""
_OF_QUEUES = frozenset({"all", "queues", "classic_queues", "quorum_queues"})
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Depth:
    """What a queue holds now."""

    ready: int = 0
    unacknowledged: int = 0
    consumers: int = 0
    known: bool = True

    @property
    def total(self) -> int:
        return self.ready + self.unacknowledged

    @property
    def holds(self) -> bool:
        return not self.known or self.total > 0

    def __str__(self) -> str:
        if not self.known:
            return "nobody knows how many messages (it does not answer)"
        what = "1 message" if self.total == 1 else f"{self.total:,} messages"
        return f"{what} ({self.ready:,} ready, {self.unacknowledged:,} unacknowledged)"


Depths = Mapping[bytes, Depth]


def depths(answer: Term) -> Depths:
    """Of the answer to ``{depths, VHost}``."""
    made = {}
    for name, _, depth in answer:
        made[name] = Depth(known=False) if depth == "unknown" else Depth(*depth)
    return made


def lost(
    server: Server, runner: Runner, changes: Sequence[Change], before: Document, after: Document, held: Depths
) -> Iterator[str]:
    """What would be lost, a sentence each. Raises PluginError."""
    going = set()
    for change in changes:
        if change.kind is QUEUES and change.what in ("delete", "remake"):
            going.add(change.key[0])
            depth = held.get(change.key[0], Depth())
            if depth.known and depth.holds:
                how = "deleted" if change.what == "delete" else "deleted and declared again, since it is another"
                yield f"the queue {_shown(change.key[0])} holds {depth} and would be {how}"
    staying = {name: depth for name, depth in held.items() if depth.holds and name not in going}
    if staying and any(change.kind in (POLICIES, OPERATOR_POLICIES) for change in changes):
        yield from _shortened(server, runner, before, after, staying)


def unreachable(changes: Sequence[Change], held: Depths) -> Iterator[str]:
    """Queues that would go and do not answer, a sentence each: nobody can delete these, or knows what they hold."""
    for change in changes:
        if change.kind is QUEUES and change.what in ("delete", "remake"):
            name = change.key[0]
            if not held.get(name, Depth()).known:
                yield f"the queue {_shown(name)} does not answer, and would be deleted: start the node that it is on"


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _shortened(server: Server, runner: Runner, before: Document, after: Document, staying: Depths) -> Iterator[str]:
    """By policies, which count for queues by their names."""
    policies = {side: list(_policies(document)) for side, document in (("before", before), ("after", after))}
    patterns = list(dict.fromkeys(one["pattern"].encode() for ones in policies.values() for _, one in ones))
    if not patterns:
        return
    (answer,) = server.ask(runner, (Atom("matches"), patterns, list(staying)))
    matching = {
        pattern: frozenset() if names == "invalid" else frozenset(names)
        for pattern, names in zip(patterns, answer, strict=True)
    }
    for name, depth in staying.items():
        old, new = (_limits(policies[side], matching, name) for side in ("before", "after"))
        for key in _SHORTENING:
            limit = new.get(key)
            if limit is None or (key in old and old[key] <= limit):
                continue
            if key == "max-length" and depth.known and depth.total <= limit:
                continue
            yield f"the queue {_shown(name)} holds {depth}, and policies would set its {key} to {limit:,}"


def _policies(document: Document) -> Iterator[tuple[bool, Object]]:
    """Whether it is an operator's, and what it says."""
    yield from ((False, one) for one in document.of[POLICIES.name].values())
    yield from ((True, one["value"]) for one in document.of[OPERATOR_POLICIES.name].values())


def _limits(
    policies: Iterable[tuple[bool, Object]], matching: Mapping[bytes, frozenset[bytes]], name: bytes
) -> dict[str, int | float]:
    """What counts for a queue: of its policy and its operator policy the smaller value."""
    best: dict[bool, Object] = {}
    for operator, one in policies:
        if one["apply-to"] in _OF_QUEUES and name in matching[one["pattern"].encode()]:
            known = best.get(operator)
            if known is None or one["priority"] > known["priority"]:
                best[operator] = one
    limits: dict[str, int | float] = {}
    for one in best.values():
        for key in _SHORTENING:
            value: Json = one["definition"].get(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                limits[key] = min(value, limits.get(key, value))
    return limits


def in_parts(texts: Iterable[str]) -> str:
    """For one message."""
    ones = list(texts)
    more = f"; and {len(ones) - _MOST_NAMED:,} more" if len(ones) > _MOST_NAMED else ""
    return "; ".join(ones[:_MOST_NAMED]) + more
