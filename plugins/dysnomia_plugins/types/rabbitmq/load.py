"""A snapshot, loaded: into a file of the job's, to be swapped in or verified; or as another virtual host, as a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.rabbitmq import live as reading
from dysnomia_plugins.types.rabbitmq.definitions import (
    ARTEFACT,
    BINDINGS,
    EXCHANGES,
    KINDS,
    OPERATOR_POLICIES,
    PARAMETERS,
    PERMISSIONS,
    POLICIES,
    TOPICS,
    USERS,
    VHOST,
    Document,
    in_words,
    name_of,
    parse,
)
from dysnomia_plugins.types.rabbitmq.exchange import Exchange
from dysnomia_plugins.types.rabbitmq.node import Server, State
from dysnomia_plugins.types.rabbitmq.spool import Spool
from dysnomia_plugins.types.rabbitmq.terms import Atom
from dysnomia_plugins.types.rabbitmq.vhosts import shown
from dysnomia_store.model import Section

COPYING, COPIED = "rabbitmq-copy", "rabbitmq-copied"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_PLUGINS = {
    "shovel": "rabbitmq_shovel", "federation-upstream": "rabbitmq_federation",
    "federation-upstream-set": "rabbitmq_federation", "federation-upstream-pattern": "rabbitmq_federation",
    "x-consistent-hash": "rabbitmq_consistent_hash_exchange", "x-random": "rabbitmq_random_exchange",
    "x-recent-history": "rabbitmq_recent_history_exchange", "x-jms-topic": "rabbitmq_jms_topic_exchange",
    "x-modulus-hash": "rabbitmq_sharding", "shards-per-node": "rabbitmq_sharding",
    "x-delayed-message": "rabbitmq_delayed_message_exchange", "x-federation-upstream": "rabbitmq_federation",
}  # fmt: skip


def document_of(stored: Stored, sections: Sequence[Section] | None = None) -> Document:
    """What a snapshot holds, or some sections of it. Raises NotSafe, Corrupt."""
    with stored.open(ARTEFACT) as stream:
        document = parse(stream)
    if sections is None:
        return document
    titles = {section.name for section in sections}
    part = Document({kind.name: document.of[kind.name] for kind in KINDS if kind.title in titles})
    if not part.of[VHOST.name]:
        part.of[VHOST.name][()] = {"metadata": {}, "limits": {}}
    if part.of[PERMISSIONS.name] or part.of[TOPICS.name]:
        part.of[USERS.name] = document.of[USERS.name]
    _need_ends(part)
    return part


def _need_ends(document: Document) -> None:
    """Raises NotSafe where a binding has an end that was not chosen."""
    for one in document.of[BINDINGS.name].values():
        for kind, name in ((EXCHANGES.name, "source"), (one["destination_type"], "destination")):
            raw = name_of(one, name)
            if not raw.startswith(b"amq.") and (raw,) not in document.of[kind]:
                raise NotSafe(
                    f"the bindings need the {kind} {shown(raw)}, which was not chosen",
                    "choose queues and exchanges too",
                )


def lacking(document: Document, state: State) -> Iterator[str]:
    """What the server has no plugin for, a sentence each."""
    types = {one["type"] for one in document.of[EXCHANGES.name].values()}
    components = {one["component"] for one in document.of[PARAMETERS.name].values()}
    policies = [
        *document.of[POLICIES.name].values(),
        *(o["value"] for o in document.of[OPERATOR_POLICIES.name].values()),
    ]
    keys = {key for one in policies for key in one["definition"]}
    for names, known, what in (
        (types, state.exchange_types, "exchanges of the type"), (components, state.components, "parameters of"),
        (keys, state.policy_keys, "policies with"),
    ):  # fmt: skip
        for name in sorted(names - known):
            plugin = _PLUGINS.get(name)
            hint = f"rabbitmq-plugins enable {plugin}" if plugin else "enable the plugin that brings them"
            yield f"the server does not know {what} {name}: {hint}"


def into_spool(ctx: Context, server: Server, document: Document, spool: Spool) -> None:
    """Raises PluginError, also where the server would not take it."""
    ctx.cancel.check()
    (answer,) = server.ask(ctx.runner, (Atom("status"),))
    for text in lacking(document, State.of(answer)):
        raise PluginError(text, "nothing was changed")
    ctx.cancel.check()
    spool.write(document)


def into_vhost(ctx: Context, server: Server, document: Document, vhost: bytes, place: Place) -> None:
    """As a virtual host that is not there. Raises NotSafe where it is, PluginError."""
    host, status = server.ask(ctx.runner, (Atom("host"), vhost), (Atom("status"),))
    if host[0] == "true":
        raise NotSafe(f"the node {server} has a virtual host {shown(vhost)!r}", "nothing was loaded there")
    for text in lacking(document, State.of(status)):
        raise PluginError(text, "nothing was changed")
    ctx.cancel.check()
    ctx.journal.step(COPYING, name=place.name)
    Exchange(ctx, server, vhost).make(document, None)
    ctx.cancel.check()
    ctx.progress.phase("check")
    live = reading.read(server, ctx.runner, vhost)
    for kind, key in sorted(document.keys()):
        if kind != USERS.name and (live is None or live.document.of[kind].get(key) != document.of[kind][key]):
            what = in_words(next(one for one in KINDS if one.name == kind), document.of[kind][key])
            raise PluginError(f"the copy is not what was loaded: {kind} {what}", "drop it, and try again")
    ctx.journal.step(COPIED, name=place.name)
