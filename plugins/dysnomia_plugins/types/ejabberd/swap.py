"""The exchange: what differs in the server's tables from a dump is written in one transaction of the server's own.

The server is not stopped. Sessions are closed and rooms ended before, so that what they keep is in what is set aside,
and again afterwards. The transaction locks all tables, writes what they hold into ``aside``, makes them hold what is
wanted, and notes its own name in a table of ours: that is how a later job knows whether it has happened.

Some modules write without any transaction ("dirty"), which no lock keeps waiting. Only rows that were set aside are
deleted, so what they write during the exchange stays; what is overwritten by a row that is wanted, the server notes
beside ``aside``, and it is entered there.
"""

from __future__ import annotations

from dysnomia_plugins.base import Context, Place, WarningLine
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.ejabberd import late, places
from dysnomia_plugins.types.ejabberd.node import Server

BEGUN = "ejabberd-exchange"
DONE = "ejabberd-exchanged"


def swap(ctx: Context, server: Server, beside: Place, aside: Place) -> None:
    """Raises PluginError, or leaves a journal that ``recover`` finishes."""
    if places.holds_file(server, aside):
        raise NotSafe(f"{aside.name} already exists", "nothing was replaced")
    _exchange(ctx, server, beside, aside)
    late.enter(ctx, server, aside)
    places.drop_made(server, beside)
    _forget(ctx, server)


def empty(ctx: Context, server: Server, beside: Place, aside: Place) -> None:
    """Delete all rows, with nothing kept of them. Raises PluginError, or leaves a journal that ``recover`` finishes."""
    _exchange(ctx, server, beside, aside, spent=True)
    _forget(ctx, server)


def _exchange(ctx: Context, server: Server, beside: Place, aside: Place, *, spent: bool = False) -> None:
    """The exchange itself. ``spent``: nobody wants what is set aside once it has happened. Raises PluginError."""
    ctx.journal.step(BEGUN, aside=aside.name, beside=beside.name, spent=spent)
    answer = server.ask(ctx.runner, "exchange", ctx.tag, beside.name, aside.name)
    ctx.journal.step(DONE)
    closed, _, late_writes = answer.partition(" ")
    if closed not in ("", "0"):
        ctx.progress.log(f"{closed} sessions were closed")
    if late_writes == "incomplete":
        ctx.progress.log(
            WarningLine.of(
                f"the server could not note in {server.spool} what was written without a transaction during the"
                " exchange: a row that was written then, and is in the snapshot too, may be in neither"
            )
        )


def fill(ctx: Context, server: Server, beside: Place, aside: Place) -> bool:
    """Enter the rows of a dump where the tables that it has rows for hold none. Returns False where one holds some."""
    ctx.journal.step(BEGUN, aside=aside.name, beside=beside.name, spent=True)
    answer = server.ask(ctx.runner, "fill", ctx.tag, beside.name, aside.name)
    ctx.journal.step(DONE)
    _forget(ctx, server)
    return answer != "holds-rows"


def recover(ctx: Context, server: Server) -> bool:
    """Whether the exchange of a dead job has happened; what it had begun to set aside is dropped where not, or where
    nobody wants it. Idempotent.

    Raises PluginError where the server does not say."""
    begun = [data for name, data in ctx.journal.steps() if name == BEGUN]
    if not begun:
        return False
    aside = Place(str(begun[-1]["aside"]))
    if not any(name == DONE for name, _ in ctx.journal.steps()):
        answer = server.ask(ctx.runner, "happened", ctx.tag)
        if answer == "false":
            places.drop(ctx, server, aside)
            return False
        if answer != "true":
            raise PluginError(f"the node {server.node} is still exchanging rows", "wait for it, then try again")
        ctx.journal.step(DONE)
    if begun[-1].get("spent"):
        places.drop(ctx, server, aside)
    else:
        late.enter(ctx, server, aside)
    if "beside" in begun[-1]:
        places.drop_made(server, Place(str(begun[-1]["beside"])))
    _forget(ctx, server)
    return True


def _forget(ctx: Context, server: Server) -> None:
    """The mark of the exchange in the server's tables: one that stays is in nobody's way. Those of others stay."""
    try:
        server.ask(ctx.runner, "forget", ctx.tag)
    except PluginError as error:
        ctx.progress.log(f"the mark of the exchange was not deleted: {error.message}")
