"""The change of a server's globals: all in one transaction, in which what was live is noted, too.

What is global to a server is shared by all of its databases, so that a session on the database of the job's own place
can change it, and mark in the same transaction that it has. Tablespaces alone are made and dropped by themselves: a new
one before the transaction, noted in the journal, and dropped again where that does not come to its end.
"""

from __future__ import annotations

from contextlib import suppress

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, Made, as_made, missing_after
from dysnomia_plugins.toolkit.globals.document import Document, from_rows
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.postgresql.globals.changes import Planner, names_of
from dysnomia_plugins.types.postgresql.globals.facts import KINDS, question
from dysnomia_plugins.types.postgresql.globals.keeper import QUIET, PostgresqlKeeper, filling
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.talk import Talk, talking

BEGUN = "globals-begin"
TABLESPACE = "globals-tablespace"
COMMIT = "globals-commit"
_LOCK_SECONDS = 30
_LOCKED = ("pg_authid", "pg_auth_members", "pg_db_role_setting", "pg_tablespace")


def swap(ctx: Context, keeper: PostgresqlKeeper, beside: Place, aside: Place) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes."""
    held = keeper.kept(beside)
    planned = keeper.changes(held, keeper.live())
    new = names_of("tablespaces", planned.made)
    gone = [
        str(key[0]) for key in keeper.live().of("tablespaces")
        if as_made("tablespaces", key) in held.made and key not in held.document.of("tablespaces")
    ]  # fmt: skip
    ctx.journal.step(BEGUN, beside=beside.name, aside=aside.name)
    keeper.create(aside)
    for name in new:
        location = str(held.document.of("tablespaces")[(name,)][2])
        ctx.journal.step(TABLESPACE, name=name)
        keeper.client.script(f"CREATE TABLESPACE {identifier(name)} LOCATION {literal(location)};")
    with talking(keeper.client, aside.name, "UTF8") as talk:
        changes = _change(ctx, keeper, talk, held, [as_made("tablespaces", (name,)) for name in new])
    for line in (*(change.text for change in changes.ordered), *changes.left_out, *changes.more):
        ctx.progress.log(line)
    for name in gone:
        _drop_tablespace(ctx, keeper, name)
    keeper.drop(beside)


def _change(ctx: Context, keeper: PostgresqlKeeper, talk: Talk, held: Held, made: list[Made]) -> Changes:
    """In one transaction, which writes what was live beside it. Raises PluginError; what fails ends the session."""
    talk.ask(QUIET)
    talk.ask(f"SET lock_timeout = '{_LOCK_SECONDS}s';\nBEGIN;")
    talk.ask("".join(f"LOCK TABLE pg_catalog.{name} IN SHARE ROW EXCLUSIVE MODE;\n" for name in _LOCKED))
    before = _live(keeper, talk)
    for kind, *key in made:
        del before.facts[kind][tuple(key)]
    facts = keeper.facts(held.document, held.made)
    changes = Planner(held.document, before, facts, held.made).plan()
    talk.ask(filling(Held(before, changes.made)))
    for change in changes.ordered:
        if change.statements:
            talk.ask("\n".join(change.statements))
    wrong = missing_after(KINDS, held.document, _live(keeper, talk), changes.skipped)
    if wrong:
        raise PluginError(f"the server did not take all of it: {wrong[0]}", "nothing was changed")
    ctx.journal.step(COMMIT)
    talk.ask("INSERT INTO public.done VALUES ('done');\nCOMMIT;")
    return changes


def _live(keeper: PostgresqlKeeper, talk: Talk) -> Document:
    return from_rows(KINDS, talk.value(question(keeper.client.version)))


def _drop_tablespace(ctx: Context, keeper: PostgresqlKeeper, name: str) -> None:
    try:
        keeper.client.script(f"DROP TABLESPACE IF EXISTS {identifier(name)};")
    except PluginError as error:
        ctx.progress.log(f"tablespace {name} stays ({error.message})")


def recover(ctx: Context, keeper: PostgresqlKeeper) -> bool:
    """Whether the transaction was committed. If not, what was made before it is dropped. Idempotent."""
    begun = next((data for name, data in ctx.journal.steps() if name == BEGUN), None)
    if begun is None:
        return False
    keeper.client.end_backends()
    aside = Place(str(begun["aside"]))
    done = False
    if keeper.exists(aside):
        with suppress_missing():
            done = bool(keeper.client.ask("SELECT count(*) FROM public.done", aside.name))
    elif any(name == "swapped" for name, _ in ctx.journal.steps()):
        return True
    if done:
        beside = Place(str(begun["beside"]))
        keeper.drop(beside)
        return True
    for name, data in ctx.journal.steps():
        if name == TABLESPACE:
            _drop_tablespace(ctx, keeper, str(data["name"]))
    return False


def suppress_missing() -> suppress:
    """A place that was made and has no tables yet."""
    from dysnomia_plugins.errors import ProcessFailed

    return suppress(ProcessFailed)
