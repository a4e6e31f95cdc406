"""Rows of a snapshot put back into a live database, in one transaction of the server's own.

Exactly these rows change: the tables take no other writes meanwhile, triggers that users made are away and come back as
they were, and foreign keys are kept by the server, after it is looked that none of them would take other rows along.
Whatever ends the transaction before its COMMIT leaves live as it was, a killed process too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from dysnomia_base.secrets import secrets_of
from dysnomia_plugins.base import Context, LiveLook, LiveRow, PutRow
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.live_rows import LiveRows, digest
from dysnomia_plugins.types.postgresql.live_seen import Seen, behind, sections_of, see, warnings
from dysnomia_plugins.types.postgresql.live_tables import Table
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.talk import OWN, talking
from dysnomia_store.model import Section

PUT_BACK, PUT = "put-back", "put"
"""Steps in the journal: the transaction begins; it was committed."""
AT_ONCE = 20_000
"""Records whose keys are asked for together."""
LOCK_SECONDS = 10
_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '{LOCK_SECONDS}s';"
_WRITING = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '{LOCK_SECONDS}s';"
_SAID = re.compile(r"([0-9A-Z]{5}): (.*)", re.DOTALL)
_DATA = ("22", "23")
"""Classes of errors that say that a value is none of its type, or not allowed."""
_PUT = "pg_temp.dysnomia_put"
_LOCKED = "55P03"
_AGAIN = "look at the plan again"


def lacking(client: Client, database: str, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
    """See ``StatePlugin.lacking``. Raises NotSafe for a table whose rows cannot be put back."""
    records = chain.from_iterable(batches)
    with talking(client, database, _encoding(section)) as talk:
        talk.ask(_READING)
        live = LiveRows(talk)
        refusal = live.refusal(section)
        if refusal:
            raise NotSafe(refusal)
        while some := list(islice(records, AT_ONCE)):
            yield from live.missing(section, some)


def look(ctx: Context, client: Client, database: str, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``. Raises PluginError where a table stays locked."""
    if any(name == PUT_BACK for name, _ in ctx.journal.steps()):
        client.end_backends()  # of the job that died: its COMMIT may be under way
    if not rows:
        return LiveLook(())
    try:
        with talking(client, database, _encoding(rows[0].section)) as talk:
            talk.ask(_READING)
            live = LiveRows(talk)
            refusals = _refusals(live, rows)
            if refusals:
                return LiveLook((), refusals=refusals)
            seen = see(live, rows)
            return LiveLook(
                tuple(LiveRow(seen.now[at], digest(seen.now[at]), digest(row.wanted)) for at, row in enumerate(rows)),
                seen.against(seen.moved()),
                tuple(warnings(live, rows, seen)),
            )
    except ProcessFailed as error:
        code, reason = _reason(error)
        if code == _LOCKED:
            raise PluginError(
                f"a table is locked for {LOCK_SECONDS} seconds",
                "see whether its definition is being changed (ALTER TABLE), then try again",
            ) from None
        if not code.startswith(_DATA):
            raise
        return LiveLook((), refusals=(f"live does not take these rows: {reason}",))


def _encoding(section: Section) -> str:
    return section.attributes.get("encoding", "")


def _refusals(live: LiveRows, rows: Sequence[PutRow]) -> tuple[str, ...]:
    refused = tuple(filter(None, (live.refusal(section) for section in sections_of(rows))))
    writers = {live.tables[section.name].writer for section in sections_of(rows)} if not refused else set()
    if len(writers) > 1:
        owners = ", ".join(sorted(name or "a superuser" for name in writers))
        return (f"the tables are owned by {owners}: put the rows of each owner back by themselves",)
    if any(writers) and (called := live.talk.value(_CALLED)):
        return (
            f"the tables are not owned by a superuser, and the event trigger {called[0]} would run {called[1]} as one:"
            " connect as their owner",
        )
    return refused


def _reason(error: ProcessFailed) -> tuple[str, str]:
    """The code of what a server said, and its words (``client.explained`` has put both into the last line)."""
    last = error.stderr.strip().rpartition("\n")[2]
    match = _SAID.match(last)
    return (match[1], match[2]) if match else ("", last or error.message)


_CALLED = """SELECT json_build_array(e.evtname, e.evtfoid::regprocedure::text) FROM pg_event_trigger e
  JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_roles w ON w.oid = p.proowner AND NOT w.rolsuper
  WHERE e.evtenabled IN ('O', 'A') AND NOT p.prosecdef ORDER BY e.evtname LIMIT 1"""
"""What an owner wrote and a superuser's definitions call: putting rows back makes some."""
_WAITING = """SELECT json_agg(what ORDER BY what) FROM (
  SELECT g.tgrelid AS relation, format('the trigger %s of table %s', g.tgname, g.tgrelid::regclass) AS what
    FROM pg_trigger g WHERE NOT g.tgisinternal AND g.tgdeferrable AND g.tgenabled <> 'D'
  UNION ALL SELECT x.conrelid, format('the exclusion %s of table %s', x.conname, x.conrelid::regclass)
    FROM pg_constraint x JOIN pg_index i ON i.indexrelid = x.conindid
    WHERE x.contype = 'x' AND x.condeferrable AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) w
  WHERE EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
    AND l.relation = w.relation AND l.mode = 'RowExclusiveLock')"""
"""What may be left for the end of a transaction, of the tables that this one wrote to."""

# --- the transaction -----------------------------------------------------------------------------------------------


def put_back(
    ctx: Context, client: Client, database: str, rows: Sequence[PutRow], seen: Sequence[str]
) -> dict[int, str]:
    """See ``StatePlugin.put_back``.

    Raises PluginError where rows stay locked, NotSafe where the server refuses one: then nothing was changed."""
    ctx.journal.step(PUT_BACK)
    number = 0
    try:
        with talking(client, database, _encoding(rows[0].section)) as talk:
            talk.ask(_WRITING)
            left = _change(LiveRows(talk), rows, seen)
            ctx.cancel.check()
            number = int(talk.value("SELECT to_json(txid_current())"))
            talk.ask("COMMIT;")
    except ProcessFailed as error:
        if not number:
            raise _refused(*_reason(error)) from None
        _require_committed(ctx, client, database, number)
    except PluginError:
        if not number:
            raise
        _require_committed(ctx, client, database, number)
    ctx.journal.step(PUT)
    return left


def _refused(code: str, reason: str) -> PluginError:
    """What a failure within the transaction means: the server has taken all of it back."""
    if code == _LOCKED:
        waited = f"nothing was changed: other transactions hold locks on these rows for {LOCK_SECONDS} seconds"
        return PluginError(waited, "try again when they have ended")
    return NotSafe(f"nothing was changed: the server does not take these rows ({reason})")


def _require_committed(ctx: Context, client: Client, database: str, number: int) -> None:
    """The connection was lost, or a cancel came, while the transaction ended: the server knows how.

    Raises PluginError if it was taken back, OutcomeUnknown. Asked by a runner that no cancel ends."""
    runner = ProcessRunner(tool_path=ctx.tool_path, secrets=secrets_of(ctx.component.properties))
    anew = Client(client.server, runner, application=client.application, avoid=database)
    try:
        anew.end_backends()
        status = anew.ask(f"SELECT to_json(txid_status({number:d}))", database)
    except PluginError as error:
        raise OutcomeUnknown(
            f"unknown whether the rows were put back: the connection was lost during COMMIT ({error.message})",
            "start the server; the next job on the component determines it",
        ) from error
    if status != "committed":
        raise PluginError("nothing was changed: the connection to the server was lost", "try again")


def _change(live: LiveRows, rows: Sequence[PutRow], seen: Sequence[str]) -> dict[int, str]:
    """Change what is as it was seen and can be. Returns the others: see ``StatePlugin.put_back``.

    Nobody else can write these tables until the transaction ends."""
    _require_tables(live, rows)
    for section in sorted(sections_of(rows), key=lambda one: one.name):
        live.talk.ask(f"LOCK TABLE ONLY {live.tables[section.name].name} IN SHARE ROW EXCLUSIVE MODE;")
    live = LiveRows(live.talk)  # what they are now: from here on no column and no trigger comes or goes
    _require_tables(live, rows)
    _lock(live, rows)
    seen_rows = see(live, rows)
    left = {at: "" for at, raw in enumerate(seen_rows.now) if digest(raw) != seen[at]}
    left |= seen_rows.against([at for at in seen_rows.moved() if at not in left])
    places = [at for at in seen_rows.moved() if at not in left]
    tables = {section.name: live.tables[section.name] for section in sections_of([rows[at] for at in places])}
    live.talk.ask("SET CONSTRAINTS ALL DEFERRED;")
    live.talk.ask("".join(_switched(table, off=True) for table in tables.values()))
    _write(seen_rows, places)
    _require_nothing_waits(live, {seen_rows.table(at).writer for at in places})
    live.talk.ask(f"{OWN}SET CONSTRAINTS ALL IMMEDIATE;\n{live.talk.ours}")
    live.talk.ask("".join(_switched(table, off=False) for table in tables.values()))
    _require_made(live, rows, places)
    for section in sections_of([rows[at] for at in places]):
        _move_on(live, seen_rows, section, seen_rows.of(section, places))
    return left


def _require_nothing_waits(live: LiveRows, writers: set[str]) -> None:
    """What owners' functions left for the end of the transaction would run as whoever ends it. Raises NotSafe.

    Cursors are closed. A trigger that waits cannot be taken back: whatever table was written to is looked at, and none
    can lose a trigger that waits, nor the lock that tells of it, before the end."""
    if not any(writers):
        return
    live.talk.ask("CLOSE ALL;")
    waiting = live.talk.value(_WAITING)
    if waiting:
        raise NotSafe(
            f"nothing was changed: {waiting[0]} waits for the end of the transaction, and would run as a superuser",
            "connect as the table's owner",
        )


def _require_tables(live: LiveRows, rows: Sequence[PutRow]) -> None:
    refusals = _refusals(live, rows)
    if refusals:
        raise NotSafe(f"nothing was changed: {'; '.join(refusals)}", _AGAIN)


def _lock(live: LiveRows, rows: Sequence[PutRow]) -> None:
    """The rows themselves, too: nobody comes to refer to one of them any more."""
    for section in sections_of(rows):
        table = live.tables[section.name]
        here = [live.wanted(at, row) for at, row in enumerate(rows) if row.section.name == section.name]
        values = live.values(section, here, table.key_columns)
        join = f"SELECT FROM {values} JOIN ONLY {table.name} t ON {table.same('t', 'w')}"
        live.talk.ask(f"{join} FOR UPDATE OF t;")


def _switched(table: Table, *, off: bool) -> str:
    """Statements that keep the triggers of a table from firing, or let them fire as before."""
    return "".join(
        f"ALTER TABLE ONLY {table.name} {'DISABLE' if off else 'ENABLE ALWAYS' if always else 'ENABLE'}"
        f" TRIGGER {identifier(name)};\n"
        for name, always in table.triggers
    )


def _write(seen: Seen, places: Sequence[int]) -> None:
    """All rows in one statement, at whose end foreign keys are looked at: so no order of tables matters, nor a circle.

    Rows go first, then others change, then rows come: a value that is taken is free by then. A row that stays is
    changed where it is if others refer to it: they would go with it. Others go and come again, so that two rows can
    exchange their values."""
    if not places:
        return
    changed = [at for at in places if seen.now[at] is not None and seen.rows[at].wanted is not None]
    stay = seen.referred(changed)
    deleted = [at for at in places if seen.now[at] is not None and at not in stay]
    come = [at for at in places if seen.rows[at].wanted is not None and at not in stay]
    parts: list[str] = []
    for chosen, write in ((deleted, _delete), (sorted(stay), _update), (come, _insert)):
        before = "".join(f", (SELECT count(*) FROM p{number}) q{number}" for number in range(len(parts)))
        for section in sections_of([seen.rows[at] for at in chosen]):
            parts.append(f"p{len(parts)} AS ({write(seen, section, seen.of(section, chosen), before)} RETURNING 1)")
    statement = f"WITH {', '.join(parts)} SELECT 1;"
    writer = seen.table(places[0]).writer
    talk = seen.live.talk
    talk.ask(f"{_as(writer, statement) if writer else OWN + statement}\n{talk.ours}")


def _as(writer: str, statement: str) -> str:
    """The statement run as a table's owner: checks, generated columns and indexes run code of theirs, which must not
    get what a superuser may. A function of theirs cannot be left from inside, as a SET ROLE can."""
    return (
        "SET check_function_bodies = off;\n"
        f"CREATE FUNCTION {_PUT}() RETURNS void LANGUAGE sql SECURITY DEFINER AS {literal(statement)};\n"
        f"ALTER FUNCTION {_PUT}() OWNER TO {writer};\n{OWN}SELECT {_PUT}();\nDROP FUNCTION {_PUT}();"
    )


def _delete(seen: Seen, section: Section, places: Sequence[int], before: str) -> str:
    table = seen.live.tables[section.name]
    values = seen.live.values(section, [seen.wanted[at] for at in places], table.key_columns)
    return f"DELETE FROM ONLY {table.name} t USING {values}{before} WHERE {table.same('t', 'w')}"


def _update(seen: Seen, section: Section, places: Sequence[int], before: str) -> str:
    table = seen.live.tables[section.name]
    values = seen.live.values(section, [seen.wanted[at] for at in places])
    names = [identifier(name) for name in section.columns if name not in table.always]
    listed = ", ".join(f"{name} = w.{name}" for name in names)
    return f"UPDATE ONLY {table.name} t SET {listed} FROM {values}{before} WHERE {table.same('t', 'w')}"


def _insert(seen: Seen, section: Section, places: Sequence[int], before: str) -> str:
    table = seen.live.tables[section.name]
    values = seen.live.values(section, [seen.wanted[at] for at in places])
    names = ", ".join(map(identifier, section.columns))
    listed = ", ".join(f"w.{identifier(name)}" for name in section.columns)
    return f"INSERT INTO {table.name} ({names}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {values}{before}"


def _require_made(live: LiveRows, rows: Sequence[PutRow], places: Sequence[int]) -> None:
    """Read the rows again: what the schema makes of them must be what they were. Raises NotSafe."""
    chosen = [rows[at] for at in places]
    for row, raw in zip(chosen, see(live, chosen).now, strict=True):
        if raw != row.wanted:
            raise NotSafe(
                f"nothing was changed: live would hold another row {','.join(row.key)} of table {row.section.name} than"
                " the snapshot does: a default, a generated column or a foreign key of live changes it"
            )


def _move_on(live: LiveRows, seen: Seen, section: Section, places: Sequence[int]) -> None:
    """Let sequences that are behind go on after these rows.

    Altering one keeps others from it until the transaction ends, so that it never goes back; and what is set then is
    taken back with the transaction."""
    for numbers, number in list(behind(live, seen, section, places)):
        if numbers.own:
            most = "greatest" if numbers.step > 0 else "least"
            live.talk.ask(
                f"ALTER SEQUENCE {numbers.name} INCREMENT BY {numbers.step:d};\n"
                f"SELECT setval({literal(numbers.name)}::regclass,"
                f" {most}({number:d}, {numbers.last})::bigint) FROM {numbers.name};"
            )
