"""Rows of a snapshot put back into a live database, in one transaction of SQLite's own.

Exactly these rows change: foreign keys are off meanwhile (they would take other rows along) and what they demand is
looked at by us, triggers of the tables are away and come back as they were. Whatever ends the transaction before its
COMMIT leaves live as it was, a killed process too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dysnomia_plugins.base import Context, LiveLook, LiveRow, PutRow
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.findings import on_fixed, on_read_only
from dysnomia_plugins.toolkit.guarded.acting import as_ourselves
from dysnomia_plugins.types.sqlite.cells import Value, decode_row, quoted
from dysnomia_plugins.types.sqlite.conflicts import Conflicts
from dysnomia_plugins.types.sqlite.live_rows import LiveRows, Term, params_of
from dysnomia_plugins.types.sqlite.opening import Deadline, is_busy, show
from dysnomia_plugins.types.sqlite.reader import Table
from dysnomia_plugins.types.sqlite.site import Site
from dysnomia_store.model import Section

PUT_BACK, PUT = "put-back", "put"
"""Steps in the journal: the transaction begins; it was committed."""
_INSERTED = "the row that came of it is another one than the snapshot's"


@contextmanager
def _reading(site: Site, deadline: Deadline) -> Iterator[LiveRows]:
    """One view of live for as long as it lasts. Nobody has to wait for it but a checkpoint."""
    with site.opened() as db:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA query_only=ON")
        deadline.insist(db, "BEGIN", "SELECT count(*) FROM sqlite_master")
        yield LiveRows(db, site.path)
        db.execute("ROLLBACK")


def lacking(site: Site, deadline: Deadline, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
    """See ``StatePlugin.lacking``. Raises NotSafe for a table whose rows cannot be put back."""
    with _reading(site, deadline) as live:
        refusal = live.refusal(section)
        if refusal:
            raise NotSafe(refusal)
        is_in_live = live.has_key(section)
        while True:
            with as_ourselves():
                batch = next(batches, None)
            if batch is None:
                return
            missing = [raw for raw in batch if not is_in_live(raw)]
            with as_ourselves():
                yield from missing


def look(site: Site, deadline: Deadline, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``."""
    with _reading(site, deadline) as live:
        refusals = (*_closed(site.path), *_refusals(live, rows))
        if refusals:
            return LiveLook((), refusals=refusals)
        now = [live.by_key(row.section, row.key) for row in rows]
        rows_seen = tuple(
            LiveRow(raw, live.digest(live.table(row.section), raw), live.digest(live.table(row.section), row.wanted))
            for row, raw in zip(rows, now, strict=True)
        )
        moved = [at for at, one in enumerate(rows_seen) if one.digest != one.wanted]
        conflicts = Conflicts(live).find([rows[at] for at in moved], [now[at] for at in moved])
        return LiveLook(rows_seen, {moved[at]: why for at, why in conflicts.items()}, tuple(_warnings(live, rows)))


def _closed(path: Path) -> Iterator[str]:
    """Why nothing can be written into the file, whoever asks."""
    reasons = [finding.text for finding in (*on_read_only(os.fspath(path.parent)), *on_fixed(os.fspath(path)))]
    yield from reasons
    for place in (path, path.parent) if not reasons else ():
        if not os.access(place, os.W_OK):
            yield f"permission denied: {show(place)} is not writable; run as root or its owner"


def _refusals(live: LiveRows, rows: Sequence[PutRow]) -> tuple[str, ...]:
    sections = {row.section.name: row.section for row in rows}
    return tuple(filter(None, (live.refusal(section) for section in sections.values())))


def _warnings(live: LiveRows, rows: Sequence[PutRow]) -> Iterator[str]:
    """What an operator should know of the tables: triggers that do not fire, counters that go on."""
    for name in dict.fromkeys(row.section.name for row in rows):
        triggers = [one.name for one in live.objects if one.type == "trigger" and one.table.lower() == name.lower()]
        if triggers:
            what = f"trigger {triggers[0]}" if len(triggers) == 1 else f"triggers {', '.join(triggers)}"
            yield f"{what} of table {name} would not fire: what they keep up elsewhere (an index, a sum) stays as it is"
        table = live.tables[name.lower()]
        wanted = [row.wanted for row in rows if row.section.name == name and row.wanted is not None]
        last = _counter(live, table)
        if last is not None and wanted:
            highest = max(int(str(_rowid(live, table, raw))) for raw in wanted)
            if highest > last:
                yield f"the counter of table {name} would go on from {highest}, and stay there after an undo"


def _counter(live: LiveRows, table: Table) -> int | None:
    """The last number that AUTOINCREMENT gave out in a table; None where it has none."""
    if "sqlite_sequence" not in live.tables or not table.key_is_rowid:
        return None
    row = live.db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else None


def _rowid(live: LiveRows, table: Table, raw: bytes) -> Value:
    """The rowid of a row of a table that has one."""
    return decode_row(raw)[0] if table.rowid else live.cells(table, raw)[table.key[0].lower()]


# --- the transaction -----------------------------------------------------------------------------------------------


def put_back(
    ctx: Context, site: Site, deadline: Deadline, rows: Sequence[PutRow], seen: Sequence[str]
) -> dict[int, str]:
    """See ``StatePlugin.put_back``. Raises NotSafe where the file does not take them: nothing was changed then."""
    with as_ourselves():
        ctx.journal.step(PUT_BACK)
    with site.opened() as db:
        for pragma in ("foreign_keys=OFF", "trusted_schema=OFF", "synchronous=FULL", "recursive_triggers=OFF"):
            db.execute(f"PRAGMA {pragma}")
        deadline.insist(db, "BEGIN IMMEDIATE")
        try:
            left = _change(LiveRows(db, site.path), rows, seen)
            with as_ourselves():
                ctx.cancel.check()
            _commit(db, deadline.anew())
        except sqlite3.IntegrityError as error:
            raise NotSafe(f"nothing was changed: {show(site.path)} does not take these rows ({error})") from None
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    ctx.journal.step(PUT)
    return left


def _commit(db: sqlite3.Connection, deadline: Deadline) -> None:
    """Whoever still reads what is to be replaced is waited for: the transaction stays as it is meanwhile."""
    while True:
        try:
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            deadline.check()
        else:
            return


def _change(live: LiveRows, rows: Sequence[PutRow], seen: Sequence[str]) -> dict[int, str]:
    """Change what is as it was seen and can be. Returns the others: see ``StatePlugin.put_back``.

    Nobody else can write until the transaction ends."""
    refusals = _refusals(live, rows)
    if refusals:
        raise NotSafe(f"nothing was changed: {'; '.join(refusals)}", "look at the plan again")
    now = [live.by_key(row.section, row.key) for row in rows]
    tables = [live.table(row.section) for row in rows]
    left = {at: "" for at, raw in enumerate(now) if live.digest(tables[at], raw) != seen[at]}
    unchanged = [at for at in range(len(rows)) if at not in left]
    conflicts = Conflicts(live).find([rows[at] for at in unchanged], [now[at] for at in unchanged])
    left |= {unchanged[at]: reason for at, reason in conflicts.items()}
    places = [at for at in unchanged if at not in left]
    names = {table.name.lower() for table in tables}
    triggers = [one for one in live.objects if one.type == "trigger" and one.table.lower() in names]
    for trigger in triggers:
        live.db.execute(f"DROP TRIGGER main.{quoted(trigger.name)}")
    for at in places:
        raw = now[at]
        if raw is not None:
            _delete(live, tables[at], raw)
    for at in places:
        _insert(live, tables[at], rows[at])
    for trigger in triggers:
        live.db.execute(trigger.sql)
    return left


def _delete(live: LiveRows, table: Table, raw: bytes) -> None:
    if table.ordered:
        names, values = [table.ordered], [_rowid(live, table, raw)]
    else:
        cells = live.cells(table, raw)
        names, values = [quoted(name) for name in table.key], [cells[name.lower()] for name in table.key]
    terms = [live.bound(value) for value in values]
    where = " AND ".join(f"{name} = {term}" for name, (term, _) in zip(names, terms, strict=True))
    done = live.db.execute(f"DELETE FROM main.{quoted(table.name)} WHERE {where}", params_of(terms))
    if done.rowcount != 1:
        raise PluginError(
            f"nothing was changed: {done.rowcount} rows of table {table.name} have the same key",
            "correct the table, then plan again",
        )


def _insert(live: LiveRows, table: Table, row: PutRow) -> None:
    """Insert a row, and read it again: what the schema makes of it must be what it was."""
    if row.wanted is None:
        return
    written = {name.lower() for name in live.reader.written_columns(table)}
    values = decode_row(row.wanted)
    into: list[str] = []
    terms: list[Term] = []
    for at, (name, value) in enumerate(zip(table.shown_columns, values, strict=True)):
        own = bool(table.rowid) and at == 0
        if (own and (table.key_is_rowid or _is_free(live, table, value))) or (not own and name.lower() in written):
            into.append(name if own else quoted(name))
            terms.append(live.bound(value))
    statement = f"INSERT OR ABORT INTO main.{quoted(table.name)} ({', '.join(into)})"
    live.db.execute(f"{statement} VALUES ({', '.join(term for term, _ in terms)})", params_of(terms))
    made = live.by_key(row.section, row.key)
    if live.digest(table, made) != live.digest(table, row.wanted):
        raise NotSafe(f"nothing was changed: {','.join(row.key)} of table {table.name}: {_INSERTED}")


def _is_free(live: LiveRows, table: Table, rowid: Value) -> bool:
    """Whether no row has a rowid; where one has, the row gets another, since it is no part of what it holds."""
    row = live.db.execute(f"SELECT 1 FROM main.{quoted(table.name)} WHERE {table.rowid} = ?", (rowid,))
    return row.fetchone() is None
