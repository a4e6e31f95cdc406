"""The change of a server's globals: all in one transaction, in which what was live is noted, too.

What is global to a server is shared by all of its databases, so that a session on the database of the job's own place
can change it, and mark in the same transaction that it has. Tablespaces alone are made and dropped by themselves: a new
one before the transaction, noted in the journal, and dropped again where that does not come to its end.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from dysnomia_plugins.base import Context, Place, WarningLine
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, as_made, missing_after
from dysnomia_plugins.toolkit.globals.document import Document, from_rows
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.postgresql.globals.changes import Planner, names_of
from dysnomia_plugins.types.postgresql.globals.facts import KINDS, question
from dysnomia_plugins.types.postgresql.globals.keeper import QUIET, SCHEMA, PostgresqlKeeper, filling
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
    gone = {
        str(key[0]): str(cells[2]) for key, cells in keeper.live().of("tablespaces").items()
        if as_made("tablespaces", key) in held.made and key not in held.document.of("tablespaces")
    }  # fmt: skip
    ctx.journal.step(BEGUN, beside=beside.name, aside=aside.name)
    keeper.create(aside)
    for name in new:
        location = str(held.document.of("tablespaces")[(name,)][2])
        ctx.journal.step(TABLESPACE, name=name, location=location)
        keeper.client.script(f"CREATE TABLESPACE {identifier(name)} LOCATION {literal(location)};")
    with talking(keeper.client, aside.name, "UTF8") as talk:
        changes = _change(ctx, keeper, talk, held, new, gone)
    for line in (*(change.text for change in changes.ordered), *changes.left_out, *changes.more):
        ctx.progress.log(line)
    for name, location in gone.items():
        _drop_tablespace(ctx, keeper, name, location)
    keeper.drop(beside)


def _change(
    ctx: Context, keeper: PostgresqlKeeper, talk: Talk, held: Held, new: Sequence[str], gone: Mapping[str, str]
) -> Changes:
    """In one transaction, which writes what was live beside it. Raises PluginError; what fails ends the session.

    Args:
        new: tablespaces that were made for it.
        gone: those that are dropped after it, each with its location.
    """
    talk.ask(QUIET)
    talk.ask(f"SET lock_timeout = '{_LOCK_SECONDS}s';\nBEGIN;")
    talk.ask("".join(f"LOCK TABLE pg_catalog.{name} IN SHARE ROW EXCLUSIVE MODE;\n" for name in _LOCKED))
    before = _live(keeper, talk)
    for name in new:
        del before.facts["tablespaces"][(name,)]
    facts = keeper.facts(held.document, held.made)
    changes = Planner(held.document, before, facts, held.made).plan()
    talk.ask(filling(Held(before, changes.made)))
    for change in changes.ordered:
        if change.statements:
            talk.ask("\n".join(change.statements))
    wrong = missing_after(KINDS, held.document, _live(keeper, talk), changes.skipped)
    if wrong:
        raise PluginError(f"the server did not take all of it: {wrong[0]}", "nothing was changed")
    ctx.journal.step(COMMIT, gone=dict(gone))
    talk.ask(f"INSERT INTO {SCHEMA}.done VALUES ('done');\nCOMMIT;")
    return changes


def _live(keeper: PostgresqlKeeper, talk: Talk) -> Document:
    return from_rows(KINDS, talk.value(question(keeper.client.version)))


def _drop_tablespace(ctx: Context, keeper: PostgresqlKeeper, name: str, location: str) -> None:
    """Unless it is another one of that name, which somebody made meanwhile."""
    try:
        place = keeper.client.ask(
            "SELECT json_build_array(pg_tablespace_location(oid), pg_get_userbyid(spcowner) = current_user)"
            f" FROM pg_tablespace WHERE spcname = {literal(name)}"
        )
        if place is None:
            return
        if place != [posixpath.normpath(location), True]:
            ctx.progress.log(
                WarningLine.of(f"tablespace {name} stays: its owner or its location is not what the job gave it")
            )
            return
        keeper.client.script(f"DROP TABLESPACE IF EXISTS {identifier(name)};")
    except PluginError as error:
        ctx.progress.log(WarningLine.of(f"tablespace {name} stays ({error.message})"))


def recover(ctx: Context, keeper: PostgresqlKeeper) -> bool:
    """Whether the transaction was committed. If not, what was made before it is dropped. Idempotent. Raises PluginError
    where that cannot be known."""
    steps = list(ctx.journal.steps())
    begun = next((data for name, data in steps if name == BEGUN), None)
    if begun is None:
        return False
    if any(name == "swapped" for name, _ in steps):
        return True
    keeper.client.end_backends()
    aside = Place(str(begun["aside"]))
    if keeper.exists(aside) and keeper.done(aside):
        for name, location in dict(steps).get(COMMIT, {}).get("gone", {}).items():
            _drop_tablespace(ctx, keeper, name, location)
        keeper.drop(Place(str(begun["beside"])))
        return True
    for name, data in steps:
        if name == TABLESPACE:
            _drop_tablespace(ctx, keeper, str(data["name"]), str(data["location"]))
    return False
