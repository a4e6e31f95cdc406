"""The change of a server's globals: one statement after the other, since MariaDB has no transaction for them.

What was live, and what is about to be made, is kept on the server before the first of them. Whatever breaks off before
the last is taken back from there: what was altered is altered back, what was made is dropped; what somebody else did
meanwhile stays.
"""

from __future__ import annotations

from dysnomia_plugins.base import Context, Place, WarningLine
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, missing_after
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.globals.backwards import Backwards
from dysnomia_plugins.types.mysql.globals.facts import KINDS
from dysnomia_plugins.types.mysql.globals.keeper import QUIET, SCHEMA, MysqlKeeper, unrepeated
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
    keeper.keep(aside, Held(live, changes.made), changes.skipped)
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
    """Each comes as a variable, so that no log of the server's has it whole where it is slow, or fails."""
    with unrepeated(), talking(keeper.client, SCHEMA, held=True) as talk:
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
    beside = Place(str(begun["beside"]))
    if keeper.done(aside):
        keeper.drop(beside)
        return True
    # Without what was to be restored, a recovery before this one came to its end.
    if CHANGE in steps and keeper.exists(beside):
        _take_back(ctx, keeper, beside, aside)
    return False


def _take_back(ctx: Context, keeper: MysqlKeeper, beside: Place, aside: Place) -> None:
    back = Backwards(keeper.kept(aside), keeper.kept(beside), keeper.live(), keeper.left(aside), keeper.client.account)
    changes = keeper.changes(back.target, back.live)
    _apply(ctx, keeper, changes, half=False)
    now, target = keeper.live(), back.target.document
    for line in (*back.stays, *changes.left_out, *changes.more, *missing_after(KINDS, target, now, changes.skipped)):
        ctx.progress.log(line)
    for one in back.target.made:
        if one[1:] in now.of(one[0]):
            ctx.progress.log(WarningLine.of(f"{one[0]} {' '.join(one[1:])} stays, though the restore made it"))
