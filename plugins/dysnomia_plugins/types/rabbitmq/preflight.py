"""What a restore of a virtual host would need and meet, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.findings import existing, free_bytes, on_read_only
from dysnomia_plugins.types.rabbitmq import live as reading
from dysnomia_plugins.types.rabbitmq import messages
from dysnomia_plugins.types.rabbitmq.changes import Change, of_kind, to_make
from dysnomia_plugins.types.rabbitmq.definitions import (
    EXCHANGES,
    PARAMETERS,
    QUEUES,
    USERS,
    Document,
    name_of,
    names,
)
from dysnomia_plugins.types.rabbitmq.exchange import EMPTY_IT
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.load import document_of, lacking
from dysnomia_plugins.types.rabbitmq.messages import Depths
from dysnomia_plugins.types.rabbitmq.node import Server, State
from dysnomia_plugins.types.rabbitmq.terms import Atom

_MOVING = ("shovel", "federation-upstream", "federation-upstream-set")
SWAP = (
    "what differs is changed in place, one definition after the other (RabbitMQ has no transaction for them; what"
    " breaks off is finished or taken back). Messages are not in snapshots: those of queues that stay are not touched."
    " Queues and exchanges that are not durable, or that clients made for themselves, stay as they are"
)
GUARD = "all definitions as they were right before, and what clients changed of them until the exchange came to them"
NOTHING = "there is no such virtual host, so there is nothing to guard"
STRANGER = (
    "this snapshot was imported and is not trusted: its permissions, and users that are lacking, would be what somebody"
    " else wrote down; read every line"
)


def preflight(ctx: Context, server: Server, vhost: bytes, stored: Stored, *, replace: bool) -> Preflight:
    """Raises PluginError where the server does not answer."""
    wanted = document_of(stored)
    users = [name_of(one, "name") for one in wanted.of[USERS.name].values()]
    questions = [(Atom("status"),), (Atom("lacking"), users), (Atom("read"), vhost), (Atom("depths"), vhost)]
    status, absent, facts, depths = server.ask(ctx.runner, *questions)
    state = State.of(status)
    live = None if facts == "absent" else reading.of_facts(facts)
    findings = [Finding(Severity.BLOCKER, text) for text in (*state.against_changes(), *lacking(wanted, state))]
    findings += on_read_only(server.copies)
    findings += _of_both(ctx, wanted, absent, state)
    if replace:
        findings += _of_replacing(ctx, server, wanted, live, messages.depths(depths))
    else:
        findings += _of_copying(wanted)
    size = stored.metadata.content_size if stored.metadata is not None else 0
    return Preflight(
        findings=tuple(findings),
        live_bytes=None if live is not None else 0,
        needs=((server.copies, 2 * size, free_bytes(existing(server.copies))),),
        swap=SWAP if replace else "nothing would be replaced",
        guard=(GUARD if live is not None else NOTHING) if replace else "",
    )


def _of_both(ctx: Context, wanted: Document, absent: Sequence[bytes], state: State) -> Iterator[Finding]:
    if not ctx.made_here:
        yield Finding(Severity.DANGEROUS, STRANGER, of_snapshot=True)
    users = [one for one in wanted.of[USERS.name].values() if name_of(one, "name") in absent]
    if users:
        text = f"users that the server lacks would be made, with the passwords of then: {names(USERS, users)}"
        yield Finding(Severity.WARNING, text, of_snapshot=True)
    if state.missing:
        text = f"nodes of the cluster do not run: {', '.join(state.missing)}; queues on them cannot be looked at"
        yield Finding(Severity.WARNING, text)


def _of_replacing(ctx: Context, server: Server, wanted: Document, live: Live | None, held: Depths) -> Iterator[Finding]:
    if live is None:
        return
    changes = to_make(wanted, live, discard=server.discard)
    down = list(messages.unreachable(changes, held))
    if down:
        yield Finding(Severity.BLOCKER, messages.in_parts(down))
    lost = list(messages.lost(server, ctx.runner, changes, live.document, wanted, held))
    if lost and server.discard:
        text = f"messages would be lost, and no undo brings them back: {messages.in_parts(lost)}"
        yield Finding(Severity.DANGEROUS, text, in_place=True)
    elif lost:
        yield Finding(Severity.BLOCKER, f"{messages.in_parts(lost)}: {EMPTY_IT}")
    yield from _of_changes(changes, live, held)


def _of_changes(changes: Sequence[Change], live: Live, held: Depths) -> Iterator[Finding]:
    going = of_kind(changes, QUEUES, "delete", "remake")
    if going:
        text = f"queues would be deleted, or deleted and declared again: {names(QUEUES, going)}"
        consumers = sum(held[name].consumers for one in going if (name := name_of(one, "name")) in held)
        if consumers:
            text += f"; {consumers:,} {'consumer' if consumers == 1 else 'consumers'} would be ended"
        yield Finding(Severity.WARNING, text)
    for kind in (QUEUES, EXCHANGES):
        owned = [one for one in of_kind(changes, kind, "remake")
                 if live.others.get((kind.name, kind.key_of(one)), (0, False))[1]]  # fmt: skip
        if owned:
            text = f"clients have exclusive {kind.title} of these names: {names(kind, owned)}: end them first"
            yield Finding(Severity.BLOCKER, text)
    remade = of_kind(changes, EXCHANGES, "delete", "remake")
    if remade:
        text = (
            f"exchanges would be deleted, or deleted and declared again: {names(EXCHANGES, remade)}; what is published"
            " to one meanwhile is not routed"
        )
        yield Finding(Severity.WARNING, text)


def _of_copying(wanted: Document) -> Iterator[Finding]:
    moving = [one for one in wanted.of[PARAMETERS.name].values() if one["component"] in _MOVING]
    if moving:
        text = (
            "the copy would begin to move messages by itself, by its shovels and federations:"
            f" {names(PARAMETERS, moving)}"
        )
        yield Finding(Severity.DANGEROUS, text, in_place=True)
