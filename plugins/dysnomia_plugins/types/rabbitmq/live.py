"""What a virtual host has now: its definitions, each with what the node knows it by, and what is no state of it.

State is what lasts: queues and exchanges that are durable, and that no client takes away with it (exclusive, deleted
with their last user) nor the server names or makes itself (``amq.…``); bindings between such, and to or from the
exchanges that every virtual host has. All else belongs to the clients that made it: no snapshot has it, and it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.rabbitmq.arguments import as_json
from dysnomia_plugins.types.rabbitmq.definitions import (
    BINDINGS,
    EXCHANGES,
    KINDS,
    OPERATOR,
    OPERATOR_POLICIES,
    PARAMETERS,
    PERMISSIONS,
    POLICIES,
    QUEUES,
    TOPICS,
    USERS,
    VHOST,
    Document,
    Key,
    Kind,
    Object,
    named,
)
from dysnomia_plugins.types.rabbitmq.node import Server
from dysnomia_plugins.types.rabbitmq.terms import Atom, Term

READ_SECONDS = 300.0
_BY_NAME = {kind.name: kind for kind in KINDS}
_RESERVED = b"amq."


@dataclass(frozen=True, slots=True)
class Known:
    """How the node knows a definition."""

    number: int
    """Of what it is now."""
    arguments: Term
    """Of a binding, with the types that it has."""


@dataclass
class Live:
    """A virtual host that there is."""

    document: Document = field(default_factory=Document)
    known: dict[tuple[str, Key], Known] = field(default_factory=dict)
    others: dict[tuple[str, Key], tuple[int, bool]] = field(default_factory=dict)
    """Queues and exchanges that are no state: their number, and whether they are exclusively a client's."""
    bindings_of_clients: int = 0

    def warnings(self) -> tuple[str, ...]:
        """What there is besides, for whoever makes a snapshot."""
        queues = sum(kind == QUEUES.name for kind, _ in self.others)
        exchanges = len(self.others) - queues
        counts = [(queues, "queue"), (exchanges, "exchange")]
        parts = [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counts if count]
        if not parts:
            return ()
        return (f"{' and '.join(parts)} not in the snapshot: not durable, or made by clients that take them away",)


def read(server: Server, runner: Runner, vhost: bytes, *, timeout: float | None = READ_SECONDS) -> Live | None:
    """None where there is no such virtual host. Raises PluginError."""
    (answer,) = server.ask(runner, (Atom("read"), vhost), timeout=timeout)
    return of_answer(answer)


def of_answer(answer: Term) -> Live | None:
    """Of the answer to ``{read, VHost}``; None where there is no such virtual host. Raises PluginError."""
    return None if answer == "absent" else of_facts(answer)


def of_facts(facts: Sequence[Term]) -> Live:
    """Of the answer to ``{read, VHost}``. Raises PluginError."""
    live = Live()
    lasting: set[tuple[str, bytes]] = set()
    for name, key, number, value in facts:
        kind = _BY_NAME[str(name)]
        if kind in (QUEUES, EXCHANGES):
            _add_place(live, lasting, kind, key, number, value)
        elif kind is not BINDINGS:
            _add(live, kind, _object(kind, key, value), number)
    for name, key, number, value in facts:
        if name == BINDINGS.name:
            source, routing_key, sort, destination = key
            if (EXCHANGES.name, source) in lasting and (str(sort), destination) in lasting:
                one = {
                    **named("source", source), **named("routing_key", routing_key), "destination_type": str(sort),
                    **named("destination", destination), **as_json(value),
                }  # fmt: skip
                _add(live, BINDINGS, one, number, value)
            else:
                live.bindings_of_clients += 1
    return live


def _add(live: Live, kind: Kind, one: Object, number: int, arguments: Term = None) -> None:
    key = kind.key_of(one)
    live.document.of[kind.name][key] = one
    live.known[kind.name, key] = Known(number, arguments)


def _add_place(live: Live, lasting: set[tuple[str, bytes]], kind: Kind, key: Term, number: int, value: Term) -> None:
    """A queue or an exchange."""
    name: bytes = key[0]
    durable, auto_delete, exclusive = _flags(kind, value)
    if name.startswith(_RESERVED) or (kind is EXCHANGES and not name):
        if kind is EXCHANGES:
            lasting.add((kind.name, name))
        else:
            live.others[kind.name, (name,)] = number, exclusive
        return
    if not durable or auto_delete or exclusive:
        live.others[kind.name, (name,)] = number, exclusive
        return
    lasting.add((kind.name, name))
    one: Object = {**named("name", name), "durable": True, "auto_delete": False, **as_json(value[-1])}
    if kind is EXCHANGES:
        one |= {"type": str(value[0]), "internal": value[3] == "true"}
    _add(live, kind, one, number)


def _flags(kind: Kind, value: Term) -> tuple[bool, bool, bool]:
    """Durable, deleted with its last user, exclusive."""
    if kind is QUEUES:
        durable, auto_delete, exclusive, _ = value
        return durable == "true", auto_delete == "true", exclusive == "true"
    return value[1] == "true", value[2] == "true", False


def _object(kind: Kind, key: Term, value: Term) -> Object:
    """Raises PluginError."""
    if kind is VHOST:
        metadata, limits = value
        return {"metadata": _plain(metadata), "limits": _plain(limits, empty={})}
    fields: Object = {}
    for name, raw in zip(kind.key, key, strict=True):
        fields |= named(name, raw)
    if kind in (POLICIES, OPERATOR_POLICIES):
        pattern, apply_to, definition, priority = value
        policy = {
            "pattern": _plain(pattern), "apply-to": _plain(apply_to), "definition": _plain(definition, empty={}),
            "priority": priority,
        }  # fmt: skip
        return fields | (policy if kind is POLICIES else {"component": OPERATOR, "value": policy})
    if kind is PARAMETERS:
        return fields | {"value": _plain(value, empty={})}
    if kind is PERMISSIONS:
        return fields | dict(zip(("configure", "write", "read"), map(_plain, value), strict=True))
    if kind is TOPICS:
        return fields | dict(zip(("write", "read"), map(_plain, value), strict=True))
    assert kind is USERS
    return fields | _user(value)


def _user(value: Term) -> Object:
    from base64 import b64encode

    hashed, algorithm, tags, limits = value
    return {
        "password_hash": b64encode(hashed).decode("ascii"), "hashing_algorithm": _plain(algorithm),
        "tags": sorted(map(_plain, tags)), "limits": _plain(limits, empty={}),
    }  # fmt: skip


def _plain(term: Term, empty: Any = None) -> Any:
    """The JSON of a term. ``empty``: what an empty list stands for, which the server does not tell from an object.

    Raises PluginError."""
    if isinstance(term, bytes):
        try:
            return term.decode("utf-8")
        except UnicodeDecodeError:
            raise PluginError("a definition holds a text that is not in UTF-8", "it can be in no snapshot") from None
    if isinstance(term, Atom):
        return {"true": True, "false": False, "null": None, "undefined": None}.get(term, str(term))
    if isinstance(term, dict):
        return {_as_name(key): _plain(value) for key, value in term.items()}
    if isinstance(term, list):
        if not term:
            return [] if empty is None else empty
        if all(isinstance(one, tuple) and len(one) == 2 for one in term):
            return {_as_name(key): _plain(value) for key, value in term}
        return [_plain(one) for one in term]
    if isinstance(term, (int, float)):
        return term
    raise PluginError("a definition holds what no JSON can say", "it can be in no snapshot")


def _as_name(term: Term) -> str:
    name = _plain(term)
    return name if isinstance(name, str) else str(term)
