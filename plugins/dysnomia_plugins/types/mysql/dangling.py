"""Foreign keys that refer to a table which is not there: dropped, or not made yet, while ``foreign_key_checks`` was 0.

The server keeps the schema's name with such a reference. RENAME follows a table to its new schema, and where there is
no table nothing follows: after a swap the key would refer to a schema of the job's, which is gone by then, and no row
could be written any more, also once its table is there again. So these keys are noted before the RENAME, and set right
where their tables have come to stand. In what stands aside they stay (making one again renames an index that the server
made for it): there a dump leaves the schema's name out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.created import SCHEMA, created
from dysnomia_plugins.types.mysql.names import NAME, identifier, literal
from dysnomia_plugins.types.mysql.scanner import Part, Piece

_REFERENCES = (
    rb"^(\s+CONSTRAINT " + NAME + rb" FOREIGN KEY \((?:" + NAME + rb"(?:, )?)+\) REFERENCES )" b"%s" rb"\.(?=`)"
)
"""A line of SHOW CREATE TABLE, in which no string goes on in a second line."""
Key = Sequence[str]
"""Table, constraint, the table that it refers to, ON DELETE, ON UPDATE, and the columns of both as SQL has them."""


def dangling(client: Client, database: str) -> list[list[str]]:
    """Those of a schema that refer to a table of the same schema."""
    name = literal(database)
    tables = client.rows(
        "SELECT JSON_ARRAY(LOWER(table_name)) FROM information_schema.tables"
        f" WHERE table_schema = {name} AND engine = 'InnoDB'"
    )
    existing = {str(table) for (table,) in tables}
    rows = client.rows(
        "SELECT JSON_ARRAY(r.table_name, r.constraint_name, r.referenced_table_name, r.delete_rule, r.update_rule,"
        " k.column_name, k.referenced_column_name) FROM information_schema.referential_constraints r"
        " JOIN information_schema.key_column_usage k ON k.constraint_schema = r.constraint_schema"
        " AND k.constraint_name = r.constraint_name AND k.table_name = r.table_name"
        f" WHERE r.constraint_schema = {name} AND k.constraint_schema = {name}"
        f" AND r.unique_constraint_schema = {name} ORDER BY r.table_name, r.constraint_name, k.ordinal_position"
    )
    keys: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for *key, column, referenced in rows:
        if str(key[2]).lower() not in existing:
            columns = keys.setdefault(tuple(map(str, key)), ([], []))
            columns[0].append(identifier(str(column)))
            columns[1].append(identifier(str(referenced)))
    return [[*key, ", ".join(columns), ", ".join(referenced)] for key, (columns, referenced) in keys.items()]


def setting_right(database: str, keys: Sequence[Key]) -> str:
    """The SQL by which these keys of tables in ``database`` refer to tables there.

    It can be run again, also where it was broken off: the server takes no key in the statement that drops one of the
    same name. RESTRICT is not said: the server makes NO ACTION of it."""
    lines = []
    for table, key, parent, delete, update, columns, referenced in keys:
        alter = f"ALTER TABLE {identifier(database)}.{identifier(table)}"
        lines.append(f"{alter} DROP FOREIGN KEY IF EXISTS {identifier(key)};\n")
        lines.append(
            f"{alter} ADD CONSTRAINT {identifier(key)} FOREIGN KEY ({columns})"
            f" REFERENCES {identifier(database)}.{identifier(parent)} ({referenced})"
            f"{_unless_usual('ON DELETE', delete)}{_unless_usual('ON UPDATE', update)};\n"
        )
    if not lines:
        return ""
    first = "SET SESSION foreign_key_checks = 0, system_versioning_alter_history = KEEP;\n"
    return first + "".join(lines) + "SET SESSION foreign_key_checks = 1;\n"


def _unless_usual(when: str, rule: str) -> str:
    return "" if rule == "RESTRICT" else f" {when} {rule}"


def as_own(pieces: Iterator[Piece], live: str) -> Iterator[Piece]:
    """A dump of what is not live, with the tables to which it refers in ``live`` as its own."""
    name = encode(identifier(live))
    reference = re.compile(_REFERENCES % re.escape(name), re.MULTILINE)
    for piece in pieces:
        if piece.part is Part.STATEMENT and name in piece.data:
            made = created(piece.data)
            if made is not None and made.kind == SCHEMA:
                yield piece._replace(data=reference.sub(rb"\1", piece.data))
                continue
        yield piece
