"""The difference of two databases as a script for the sqlite3 program: applied to one, it gives exactly the other.

Rows that went or changed are deleted first, by all of their cells, and then those that came or changed are inserted:
so no unique key is taken in between. Foreign keys are off and triggers of the tables are away meanwhile, or they would
change what the script does not know of; the triggers come back as they were. Counters tell whether each row was there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dysnomia_plugins.base import SectionPatch
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.toolkit.patches import WRONG_STATE
from dysnomia_plugins.types.sqlite.cells import decode_row, quoted
from dysnomia_plugins.types.sqlite.literals import literal
from dysnomia_plugins.types.sqlite.reader import Reader, SchemaObject, Table
from dysnomia_plugins.types.sqlite.script import COUNTERS, OWN, codec_of, statement
from dysnomia_store.model import Form

_GUARD = "dysnomia patch"
GUARD = f"temp.{quoted(_GUARD)}"
"""A table for as long as the patch is applied: it takes no row that says that something else was changed."""
_SETTINGS = ("user_version", "application_id")
_COLLATION = re.compile(r"\bCOLLATE\s+[\"\[`']?(\w+)", re.IGNORECASE)
KNOWN_COLLATIONS = {"BINARY", "NOCASE", "RTRIM"}


def sql_patch(old: Reader, new: Reader, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
    """Yield the script. Raises Unsupported, before the first line, where the schema differs or rows cannot be named."""
    objects = new.objects()
    if old.objects() != objects or old.settings["encoding"] != new.settings["encoding"]:
        raise Unsupported("the schemas differ, and a patch is of rows alone", "--diff --rows shows what differs")
    by_name = {table.name: table for table in new.tables(objects)}
    tables = [(by_name[change.new.name], change) for change in changes if change.new and change.new.form is Form.ROWS]
    _refuse(objects, tables)
    names = {table.name.lower() for table, _ in tables}
    triggers = [one for one in objects if one.type == "trigger" and one.table.lower() in names]
    again = [statement(one) for one in triggers]
    yield f"-- {title}\n"
    yield "-- For the sqlite3 program: sqlite3 DATABASE < FILE. It changes all of this, or nothing.\n"
    yield ".bail on\nPRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n"
    check = f"CONSTRAINT {quoted(WRONG_STATE)} CHECK (fits)"
    yield f"CREATE TEMP TABLE {quoted(_GUARD)} (changes, fits {check});\n"
    yield f"INSERT INTO {GUARD} VALUES (total_changes(), 1);\n"
    for one in triggers:
        yield f"DROP TRIGGER main.{quoted(one.name)};\n"
    for table, change in tables:
        if not table.name.startswith(OWN):
            yield from _rows(new, table, change)
    yield from again
    yield from _own_tables(new, by_name, {table.name for table, _ in tables})
    for name in _SETTINGS:
        if old.settings[name] != new.settings[name]:
            yield f"PRAGMA main.{name} = {new.settings[name]};\n"
    yield f"DROP TABLE {GUARD};\nCOMMIT;\n"


def _refuse(objects: Sequence[SchemaObject], tables: Sequence[tuple[Table, SectionPatch]]) -> None:
    """Raises Unsupported, naming what no script can write."""
    unknown = collations_in(one.sql for one in objects) - KNOWN_COLLATIONS
    for table, _ in tables:
        if table.kind != "table":
            raise Unsupported(f"{table.name} belongs to a virtual table, whose rows are not in a patch")
        if not table.key and not table.name.startswith(OWN):
            raise Unsupported(f"the rows of table {table.name} cannot be told apart: it has neither key nor rowid")
        if unknown & collations_in(one.sql for one in objects if one.table == table.name):
            raise Unsupported(f"table {table.name} is ordered by a collation that only its application knows")


def collations_in(statements: Iterable[str]) -> set[str]:
    """The collations that declarations name, in capitals."""
    return {collation.upper() for sql in statements for collation in _COLLATION.findall(sql)}


def _rows(reader: Reader, table: Table, change: SectionPatch) -> Iterator[str]:
    """Delete, insert, and count both."""
    codec = codec_of(reader)
    target = f"main.{quoted(table.name)}"
    columns = [quoted(name) for name in table.shown_columns]
    written = reader.written_columns(table)
    places = [at for at, name in enumerate(table.shown_columns) if name in written or (at == 0 and table.rowid)]
    into = ", ".join(columns[at] for at in places)
    deleted = inserted = 0
    for before, _ in change.rows():
        if before is not None:
            cells = [literal(value, codec) for value in decode_row(before)]
            where = " AND ".join(f"{columns[at]} IS {cells[at]}" for at in places)
            yield f"DELETE FROM {target} WHERE {where};\n"
            deleted += 1
    yield _counted(deleted)
    for _, after in change.rows():
        if after is not None:
            cells = [literal(value, codec) for value in decode_row(after)]
            yield f"INSERT OR ABORT INTO {target} ({into}) VALUES ({', '.join(cells[at] for at in places)});\n"
            inserted += 1
    yield _counted(inserted)


def _counted(changes: int) -> str:
    """Go on only if that many rows were changed since the last count. The guard's own row is one."""
    columns = f"total_changes(), total_changes() - changes = {changes + 1}"
    return f"INSERT INTO {GUARD} SELECT {columns} FROM {GUARD} ORDER BY rowid DESC LIMIT 1;\n" if changes else ""


def _own_tables(reader: Reader, by_name: dict[str, Table], changed: set[str]) -> Iterator[str]:
    """Statistics where they differ; the counters of AUTOINCREMENT always, since inserting has moved them."""
    codec = codec_of(reader)
    for name, table in sorted(by_name.items()):
        if not name.startswith(OWN) or (name not in changed and name != COUNTERS):
            continue
        columns = ", ".join(map(quoted, table.columns))
        yield f"DELETE FROM main.{quoted(name)};\n"
        for raw in reader.rows(table):
            values = ", ".join(literal(value, codec) for value in decode_row(raw))
            yield f"INSERT INTO main.{quoted(name)} ({columns}) VALUES ({values});\n"
