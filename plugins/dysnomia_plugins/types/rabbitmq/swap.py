"""The exchange of what a virtual host is made of, in place: what differs is changed, and what was live set aside.

An exchange that was begun is finished, by this job or the next. Where it cannot be (a queue that would go has got
messages meanwhile, the server refuses a definition), all is changed back to what was set aside.
"""

from __future__ import annotations

from typing import Any

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import UNAVAILABLE, NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.types.rabbitmq import live as reading
from dysnomia_plugins.types.rabbitmq import messages
from dysnomia_plugins.types.rabbitmq.changes import to_make
from dysnomia_plugins.types.rabbitmq.definitions import Document
from dysnomia_plugins.types.rabbitmq.exchange import EMPTY_IT, Exchange
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.messages import Depths
from dysnomia_plugins.types.rabbitmq.node import Server
from dysnomia_plugins.types.rabbitmq.spool import Spool
from dysnomia_plugins.types.rabbitmq.terms import Atom

BEGUN, DONE, REVERTED = "rabbitmq-exchange", "rabbitmq-exchanged", "rabbitmq-reverted"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


def swap(ctx: Context, server: Server, vhost: bytes, beside: Place, aside: Place) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes or reverts."""
    wanted = Spool(beside.name).read()
    facts, depths = server.ask(ctx.runner, (Atom("read"), vhost), (Atom("depths"), vhost))
    live = reading.of_answer(facts)
    refuse_losses(ctx, server, wanted, live, messages.depths(depths))
    if live is not None:
        Spool(aside.name).write(live.document)
    ctx.journal.step(BEGUN, vhost=vhost.hex(), beside=beside.name, aside=aside.name)
    _exchange(ctx, server, begun_in(ctx), wanted, wanted, live)
    ctx.journal.step(DONE)
    Spool(beside.name).drop()


def refuse_losses(ctx: Context, server: Server, wanted: Document, live: Live | None, held: Depths) -> None:
    """Raises NotSafe where messages would be lost, and nobody has allowed it."""
    if live is None:
        return
    changes = to_make(wanted, live, discard=False)
    down = list(messages.unreachable(changes, held))
    if down:
        raise NotSafe(f"nothing was changed: {messages.in_parts(down)}", "see rabbitmqctl cluster_status")
    if server.discard:
        return
    texts = list(messages.lost(server, ctx.runner, changes, live.document, wanted, held))
    if texts:
        raise NotSafe(f"nothing was changed: {messages.in_parts(texts)}", EMPTY_IT)


def begun_in(ctx: Context) -> Any:
    return next((data for name, data in reversed(ctx.journal.steps()) if name == BEGUN), None)


def recover(ctx: Context, server: Server) -> bool:
    """Finish the exchange of a dead job, or take it back. Idempotent. Raises PluginError."""
    begun = begun_in(ctx)
    names = [name for name, _ in ctx.journal.steps()]
    if begun is None or REVERTED in names:
        return False
    try:
        _finish(ctx, server, begun)
    except PluginError as error:
        if isinstance(error, (*UNAVAILABLE, ProcessFailed)):
            raise
        ctx.progress.log(f"the exchange is taken back: {error.message}")
        _revert(ctx, server, begun)
        return False
    return True


def _finish(ctx: Context, server: Server, begun: Any) -> None:
    beside = Spool(str(begun["beside"]))
    if not any(name == DONE for name, _ in ctx.journal.steps()):
        wanted = beside.read()
        _exchange(ctx, server, begun, wanted, wanted, _live(ctx, server, begun))
        ctx.journal.step(DONE)
    beside.drop()


def _revert(ctx: Context, server: Server, begun: Any) -> None:
    beside, aside = Spool(str(begun["beside"])), Spool(str(begun["aside"]))
    if aside.exists():
        _exchange(ctx, server, begun, aside.read(), beside.read(), _live(ctx, server, begun))
    ctx.journal.step(REVERTED)


def _live(ctx: Context, server: Server, begun: Any) -> Live | None:
    return reading.read(server, ctx.runner, bytes.fromhex(str(begun["vhost"])))


def _exchange(ctx: Context, server: Server, begun: Any, wanted: Document, loaded: Document, live: Live | None) -> None:
    """Only what was live or is in the snapshot is changed: what clients make meanwhile stays."""
    vhost, aside = bytes.fromhex(str(begun["vhost"])), Spool(str(begun["aside"]))
    targets = wanted.keys() | loaded.keys()
    if aside.exists():
        targets |= aside.read().keys()
    Exchange(ctx, server, vhost, aside).make(wanted, live, targets)
