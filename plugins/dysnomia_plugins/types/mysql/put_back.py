"""Rows of a snapshot put back into a live database, in one transaction of InnoDB's.

Exactly these rows change. A row that changes goes and comes again, so that rows can exchange unique values. The
server's foreign keys are off meanwhile (they would take other rows along), and what they demand is looked at by us, of
rows that are locked until the end. A session cannot switch a trigger off: a row whose writing would fire one is left,
and named. Whatever ends the transaction before its COMMIT leaves live as it was, a killed process too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from dysnomia_base.secrets import secrets_of
from dysnomia_plugins.base import Context, LiveLook, LiveRow, PutRow
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.literals import record
from dysnomia_plugins.types.mysql.live_rows import LiveRows, Seen, digest, sections_of, see
from dysnomia_plugins.types.mysql.names import identifier
from dysnomia_plugins.types.mysql.server import error_code
from dysnomia_plugins.types.mysql.talk import LOCK_SECONDS, talking
from dysnomia_store.model import Section

PUT_BACK, PUT = "put-back", "put"
"""Steps in the journal: the transaction begins; it was committed."""
AT_ONCE = 10_000
"""Records whose keys are asked for together."""
_READING = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;"
_WRITING = "START TRANSACTION READ WRITE;"
_OURS, _OTHERS = " FOR UPDATE", " LOCK IN SHARE MODE"
_LOCKED = frozenset({1205, 1213})
_WHOLE = re.compile(rb"'?-?[0-9]+'?\Z")
_AGAIN = "look at the plan again"


def lacking(client: Client, database: str, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
    """See ``StatePlugin.lacking``. Raises NotSafe for a table whose rows cannot be put back."""
    records = chain.from_iterable(batches)
    with talking(client, database) as talk:
        live = LiveRows(talk)
        refusal = live.refusal(section)
        if refusal:
            raise NotSafe(refusal)
        talk.ask(_READING)
        while some := list(islice(records, AT_ONCE)):
            yield from live.missing(section, some)


def look(ctx: Context, client: Client, database: str, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``."""
    if any(name == PUT_BACK for name, _ in ctx.journal.steps()):
        client.end_own()  # of the job that died: its COMMIT may be under way
    if not rows:
        return LiveLook(())
    with talking(client, database) as talk:
        live = LiveRows(talk)
        refusals = _refusals(live, rows)
        if refusals:
            return LiveLook((), refusals=refusals)
        talk.ask(_READING)
        seen = see(live, rows)
        against = seen.against(seen.moved())
        return LiveLook(
            tuple(
                LiveRow(None if now is None else record(now), digest(now), digest(wanted))
                for now, wanted in zip(seen.now, seen.wanted, strict=True)
            ),
            against,
            (*seen.against_undo([at for at in seen.moved() if at not in against]), *_warnings(live, rows, seen)),
        )


def _refusals(live: LiveRows, rows: Sequence[PutRow]) -> tuple[str, ...]:
    return tuple(filter(None, (live.refusal(section) for section in sections_of(rows))))


def _warnings(live: LiveRows, rows: Sequence[PutRow], seen: Seen) -> Iterator[str]:
    """What an operator should know of the tables: counters that go on, references that nobody sees."""
    moved = set(seen.moved())
    for section in sections_of(rows):
        table = live.tables[section.name]
        if table.counter is None or table.counter[0] not in section.columns:
            continue
        place = section.columns.index(table.counter[0])
        numbers = [
            int(cells[place].strip(b"'"))
            for at, cells in enumerate(seen.wanted)
            if at in moved
            and rows[at].section.name == section.name
            and cells is not None
            and _WHOLE.match(cells[place])
        ]
        if numbers and max(numbers) >= table.counter[1]:
            counter = f"AUTO_INCREMENT of table {section.name}"
            yield f"{counter} would go on after {max(numbers)}, and stay there after an undo"
    if any(seen.now[at] is not None for at in moved) and not live.schema.sees_all():
        yield (
            "tables of other databases that refer to these rows are seen only by an account with SELECT on all of them:"
            " a reference from there is not looked at"
        )


# --- the transaction -----------------------------------------------------------------------------------------------


def put_back(
    ctx: Context, client: Client, database: str, rows: Sequence[PutRow], seen: Sequence[str]
) -> dict[int, str]:
    """See ``StatePlugin.put_back``.

    Raises PluginError where rows stay locked, NotSafe where the server refuses one: then nothing was changed."""
    ctx.journal.step(PUT_BACK)
    changed: list[int] = []
    ended = False
    try:
        with talking(client, database, held=True) as talk:
            live = LiveRows(talk, _OTHERS)
            _require_tables(live, rows)
            talk.ask(_WRITING)
            left, changed = _change(live, rows, seen)
            ctx.cancel.check()
            ended = True
            talk.ask("COMMIT;")
    except ProcessFailed as error:
        if not ended:
            raise _refused(error) from None
        _require_committed(ctx, client, database, [rows[at] for at in changed])
    except PluginError:
        if not ended:
            raise
        _require_committed(ctx, client, database, [rows[at] for at in changed])
    ctx.journal.step(PUT)
    return left


def _refused(error: ProcessFailed) -> PluginError:
    """What a failure within the transaction means: the server has taken all of it back."""
    if error_code(error) in _LOCKED:
        waited = f"nothing was changed: other transactions hold locks on these rows for {LOCK_SECONDS} seconds"
        return PluginError(waited, "try again when they have ended")
    reason = error.stderr.strip().rpartition("\n")[2] or error.message
    return NotSafe(f"nothing was changed: the server does not take these rows ({reason})")


def _require_committed(ctx: Context, client: Client, database: str, rows: Sequence[PutRow]) -> None:
    """The connection was lost, or a cancel came, while the transaction ended: the rows tell how.

    Raises PluginError if it was taken back, OutcomeUnknown. Asked by a runner that no cancel ends."""
    runner = ProcessRunner(tool_path=ctx.tool_path, secrets=secrets_of(ctx.component.properties))
    anew = Client(client.server, runner, tag=client.tag, path=client.path)
    try:
        anew.end_own()
        with talking(anew, database) as talk:
            live = LiveRows(talk)
            moved = [] if _refusals(live, rows) else see(live, rows).moved()
    except PluginError as error:
        raise OutcomeUnknown(
            f"the rows may be back or not: the connection was lost while they were committed ({error.message})",
            "start the server; the next job on the component finds out",
        ) from error
    if len(moved) * 2 > len(rows):
        raise PluginError("nothing was changed: the connection to the server was lost", "try again")


def _change(live: LiveRows, rows: Sequence[PutRow], seen: Sequence[str]) -> tuple[dict[int, str], list[int]]:
    """Change what is as it was seen and can be. Returns the others (see ``StatePlugin.put_back``) and the changed.

    Nobody else can write these rows, nor make one of their keys, nor change their tables, until the transaction
    ends."""
    see(live, rows, _OURS)
    live.schema, live.tables, live.refused = (
        LiveRows(live.talk).schema,
        {},
        {},
    )  # what the tables are now that they stay
    _require_tables(live, rows)
    seen_rows = see(live, rows, _OURS)
    left = {at: "" for at, cells in enumerate(seen_rows.now) if digest(cells) != seen[at]}
    left |= seen_rows.against([at for at in seen_rows.moved() if at not in left])
    places = [at for at in seen_rows.moved() if at not in left]
    live.talk.ask(b"".join(_statements(seen_rows, places)))
    _require_made(live, [rows[at] for at in places])
    return left, places


def _require_tables(live: LiveRows, rows: Sequence[PutRow]) -> None:
    refusals = _refusals(live, rows)
    if refusals:
        raise NotSafe(f"nothing was changed: {'; '.join(refusals)}", _AGAIN)


def _statements(seen: Seen, places: Sequence[int]) -> Iterator[bytes]:
    """All that goes, then all that comes."""
    for at in places:
        if seen.now[at] is not None:
            table = seen.table(at)
            key = seen.live.key(seen.rows[at])
            where = b" AND ".join(
                encode(identifier(name)) + b" = " + cell for name, cell in zip(table.key_columns, key, strict=True)
            )
            yield encode(f"DELETE FROM {table.name} WHERE ") + where + b";\n"
    for at in places:
        cells = seen.wanted[at]
        if cells is not None:
            table = seen.table(at)
            pairs = [(one.name, cell) for one, cell in zip(table.columns, cells, strict=True) if not one.made]
            names = ", ".join(identifier(name) for name, _ in pairs)
            yield encode(f"INSERT INTO {table.name} ({names}) VALUES ") + record([cell for _, cell in pairs]) + b";\n"


def _require_made(live: LiveRows, rows: Sequence[PutRow]) -> None:
    """Read the rows again: what the table makes of them must be what they were. Raises NotSafe."""
    for at in see(live, rows, _OURS).moved():
        raise NotSafe(
            f"nothing was changed: live would hold another row {','.join(rows[at].key)} of table"
            f" {rows[at].section.name} than the snapshot does: the type of a column is another one now"
        )
