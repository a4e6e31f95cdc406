"""The exchange: what differs in the server's tables from a dump is written in one transaction of the server's own.

The server is not stopped. Sessions are closed and rooms ended before, so that what they keep is in what is set aside,
and again afterwards. The transaction locks all tables, writes what they hold into ``aside``, makes them hold what is
wanted, and notes its own name in a table of ours: that is how a later job knows whether it has happened.

Some modules write without any transaction ("dirty"), which no lock keeps waiting. What they write meanwhile may be
overwritten: the server notes it beside ``aside``, and it is entered there.
"""

from __future__ import annotations

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.ejabberd import late, places
from dysnomia_plugins.types.ejabberd.node import Server

BEGUN = "ejabberd-exchange"
DONE = "ejabberd-exchanged"


def swap(ctx: Context, server: Server, beside: Place, aside: Place) -> None:
    """Raises PluginError, or leaves a journal that ``recover`` finishes."""
    if places.holds_file(server, aside):
        raise NotSafe(f"{aside.name} already exists", "nothing was replaced")
    ctx.journal.step(BEGUN, aside=aside.name)
    answer = server.ask(ctx.runner, "exchange", ctx.tag, beside.name, aside.name)
    ctx.journal.step(DONE)
    late.enter(ctx, server, aside)
    _forget(ctx, server)
    closed = answer.partition(" ")[0]
    if closed not in ("", "0"):
        ctx.progress.log(f"{closed} sessions were closed")


def fill(ctx: Context, server: Server, beside: Place, aside: Place) -> bool:
    """Enter the rows of a dump where the tables that it has rows for hold none. Returns False where one holds some."""
    ctx.journal.step(BEGUN, aside=aside.name)
    answer = server.ask(ctx.runner, "fill", ctx.tag, beside.name, aside.name)
    ctx.journal.step(DONE)
    _forget(ctx, server)
    return answer != "holds-rows"


def recover(ctx: Context, server: Server) -> bool:
    """Whether the exchange of a dead job has happened; what it had begun to set aside is dropped where not. Idempotent.

    Raises PluginError where the server does not say."""
    begun = [data for name, data in ctx.journal.steps() if name == BEGUN]
    if not begun:
        return False
    if not any(name == DONE for name, _ in ctx.journal.steps()):
        answer = server.ask(ctx.runner, "happened", ctx.tag)
        if answer == "false":
            places.drop(ctx, server, Place(str(begun[-1]["aside"])))
            return False
        if answer != "true":
            raise PluginError(f"the node {server.node} is still exchanging rows", "wait for it, then try again")
        ctx.journal.step(DONE)
    late.enter(ctx, server, Place(str(begun[-1]["aside"])))
    _forget(ctx, server)
    return True


def _forget(ctx: Context, server: Server) -> None:
    """The table of ours: one that stays is in nobody's way."""
    try:
        server.ask(ctx.runner, "forget")
    except PluginError as error:
        ctx.progress.log(f"the table that says so was not deleted: {error.message}")
