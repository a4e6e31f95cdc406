"""A table, or the schema, of a page copy as a script for the sqlite3 program: for who wants only that back.

In one transaction: where a table of that name is there already, nothing changes. Rows keep their rowids, and
AUTOINCREMENT goes on where it was. Indexes and triggers come after the rows, which fire nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.types.sqlite.cells import decode_row, quoted
from dysnomia_plugins.types.sqlite.literals import literal
from dysnomia_plugins.types.sqlite.reader import Reader, SchemaObject, Table, find_table
from dysnomia_store.model import Form, Section

OWN = "sqlite_"
"""How the names begin of the tables that SQLite keeps for itself."""
COUNTERS = "sqlite_sequence"


def statement(one: SchemaObject) -> str:
    """A declaration with its end.

    Raises Unsupported where it is more than one statement, or goes on behind a NUL, as nobody declares it: the sqlite3
    program would take what follows for commands of its own."""
    if "\0" in one.sql:
        raise Unsupported(f"the declaration of {one.type} {one.name} has a NUL in it", "the file was tampered with")
    ends = (at for at, letter in enumerate(one.sql) if letter == ";")
    if any(sqlite3.complete_statement(one.sql[: at + 1]) for at in ends):
        raise Unsupported(f"{one.type} {one.name} is declared by more than one statement", "the file was tampered with")
    closed = one.sql + ";"  # which a comment at the end would swallow
    return (closed if sqlite3.complete_statement(closed) else one.sql + "\n;") + "\n"


def section_script(reader: Reader, section: Section) -> Iterator[str]:
    """Yield the script of a section. Raises Unsupported, before the first line, for SQLite's own tables."""
    objects = reader.objects()
    if section.form is Form.TEXT:
        yield from _whole(_schema(reader, objects))
        return
    table = find_table(reader, section)
    if table.name.lower().startswith(OWN):
        raise Unsupported(
            f"table {table.name} is SQLite's own, and no statement makes it", "export the whole generation instead"
        )
    declared = [one for one in objects if one.type != "view" and one.table.lower() == table.name.lower()]
    after = [statement(one) for one in declared if one.type in ("index", "trigger")]
    before = [statement(one) for one in declared if one.type == "table"]
    yield from _whole(_table(reader, table, before, after))


def codec_of(reader: Reader) -> str:
    """Python's name of the encoding of a database's texts."""
    return {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(reader.settings["encoding"], "utf-8")


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """The sqlite3 program goes on after an error, unless it is told; what has no COMMIT is not kept."""
    yield "-- For the sqlite3 program: sqlite3 DATABASE < FILE. It makes all of this, or nothing.\n.bail on\n"
    yield "PRAGMA foreign_keys = OFF;\n"
    first = next(lines)  # the encoding, which is settled before anything else
    yield first
    yield "BEGIN IMMEDIATE;\n"
    yield from lines
    yield "COMMIT;\n"


def _encoding(reader: Reader) -> str:
    return f"PRAGMA encoding = '{reader.settings['encoding']}';\n"


def _table(reader: Reader, table: Table, before: list[str], after: list[str]) -> Iterator[str]:
    yield _encoding(reader)
    yield from before
    codec = codec_of(reader)
    written = reader.written_columns(table)
    shown = table.shown_columns
    places = [at for at, name in enumerate(shown) if name in written or (at == 0 and table.rowid)]
    columns = ", ".join(quoted(shown[at]) for at in places)
    for raw in reader.rows(table):
        cells = decode_row(raw)
        values = ", ".join(literal(cells[at], codec) for at in places)
        yield f"INSERT OR ABORT INTO {quoted(table.name)} ({columns}) VALUES ({values});\n"
    yield from _counter(reader, table, codec)
    yield from after


def _counter(reader: Reader, table: Table, codec: str) -> Iterator[str]:
    """Where AUTOINCREMENT goes on: inserting has moved it to the highest row, which may not be the last."""
    for own in reader.tables(reader.objects()):
        if own.name == COUNTERS:
            for raw in reader.rows(own):
                name, highest = (literal(value, codec) for value in decode_row(raw))
                if name == literal(bytearray(table.name.encode(codec, "surrogateescape")), codec):
                    yield f"DELETE FROM {COUNTERS} WHERE name IS {name};\n"
                    yield f"INSERT INTO {COUNTERS} VALUES ({name}, {highest});\n"


def _schema(reader: Reader, objects: list[SchemaObject]) -> Iterator[str]:
    """All that somebody declared, without what a virtual table makes for itself."""
    made = {table.name for table in reader.tables(objects) if table.kind == "shadow"}
    declared = [one for one in objects if not one.name.lower().startswith(OWN) and one.name not in made]
    statements = [statement(one) for one in declared if one.table not in made]
    yield _encoding(reader)
    for name in ("user_version", "application_id"):
        yield f"PRAGMA {name} = {reader.settings[name]};\n"
    yield from statements
