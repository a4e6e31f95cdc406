"""The change of a server's globals: one statement after the other, since MariaDB has no transaction for them.

What was live, and what is about to be made, is kept on the server before the first of them. Whatever breaks off before
the last is taken back from there: what was altered is altered back, what was made is dropped.
"""

from __future__ import annotations

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, missing_after
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.globals.facts import KINDS
from dysnomia_plugins.types.mysql.globals.keeper import QUIET, SCHEMA, MysqlKeeper
from dysnomia_plugins.types.mysql.names import literal
from dysnomia_plugins.types.mysql.talk import talking

BEGUN = "globals-begin"
CHANGE = "globals-change"
HALF = "globals-half"
DONE = "globals-done"


def swap(ctx: Context, keeper: MysqlKeeper, beside: Place, aside: Place) -> None:
    """Raises PluginError, and leaves a journal that ``recover`` finishes or takes back."""
    held = keeper.kept(beside)
    live = keeper.live()
    changes = keeper.changes(held, live)
    ctx.journal.step(BEGUN, beside=beside.name, aside=aside.name)
    keeper.keep(aside, Held(live, changes.made))
    ctx.journal.step(CHANGE)
    _apply(ctx, keeper, changes, half=True)
    wrong = missing_after(KINDS, held.document, keeper.live(), changes.skipped)
    if wrong:
        raise PluginError(f"the server did not take all of it: {wrong[0]}", "what was changed was taken back")
    ctx.journal.step(DONE)
    keeper.set_done(aside)
    for line in (*(change.text for change in changes.ordered), *changes.left_out, *changes.more):
        ctx.progress.log(line)
    keeper.drop(beside)


def _apply(ctx: Context, keeper: MysqlKeeper, changes: Changes, *, half: bool) -> None:
    """A statement that fails is repeated by the client program as it came: so each comes as a variable."""
    with talking(keeper.client, SCHEMA, held=True) as talk:
        talk.ask(QUIET)
        for number, change in enumerate(changes.ordered):
            if half and number == len(changes.ordered) // 2:
                ctx.journal.step(HALF)
            for statement in change.statements:
                talk.ask(f"SET @dysnomia_statement = {literal(statement)};\nEXECUTE IMMEDIATE @dysnomia_statement;")


def recover(ctx: Context, keeper: MysqlKeeper) -> bool:
    """Whether all was changed. If not, what was is taken back. Idempotent."""
    steps = dict(ctx.journal.steps())
    if BEGUN not in steps:
        return False
    begun = steps[BEGUN]
    keeper.client.end_own()
    aside = Place(str(begun["aside"]))
    if not keeper.exists(aside):
        return "swapped" in steps
    if keeper.done(aside):
        keeper.drop(Place(str(begun["beside"])))
        return True
    if CHANGE in steps:
        before = keeper.kept(aside)
        _apply(ctx, keeper, keeper.changes(before, keeper.live()), half=False)
    return False
