"""Defaults that take a value from a sequence: the server writes the schema's name into them.

``DEFAULT nextval(`app`.`s`)`` stays as it is when its table goes to another schema. So the name is left out of the
digest, written anew when a dump is loaded elsewhere, and set right where a table has come to stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dysnomia_plugins.toolkit.sqldump.names import decode, encode
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import identifier, literal, unquoted

_REFERENCE = re.compile(
    rb"'(?:[^'\\]|\\.|'')*+'|\b(?:nextval|lastval|setval)\((?P<schema>`(?:[^`]|``)*+`)\.", re.IGNORECASE | re.DOTALL
)


def own(text: bytes, schemas: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where ``text`` names a sequence of one of these schemas: the places of the schema's name, its dot included."""
    for reference in _REFERENCE.finditer(text):
        if reference["schema"] is not None and unquoted(reference["schema"]) in schemas:
            yield reference.start("schema"), reference.end("schema") + 1


def moved(text: bytes, schemas: Sequence[str], to: str) -> bytes:
    """The text with those names replaced."""
    parts, position = [], 0
    for start, end in own(text, schemas):
        parts += [text[position:start], encode(identifier(to)), b"."]
        position = end
    return b"".join([*parts, text[position:]])


def setting_right(client: Client, database: str, others: Sequence[str]) -> str:
    """The SQL by which the tables of a schema take their values from its own sequences, and not from those of the
    schemas they may have come from."""
    rows = client.rows(
        "SELECT JSON_ARRAY(table_name, column_name, column_default) FROM information_schema.columns"
        f" WHERE table_schema = {literal(database)} AND column_default LIKE '%val(`%'"
    )
    lines = []
    for table, column, default in rows:
        text = decode(moved(encode(default), [one for one in others if one != database], database))
        if text != default:
            where = f"{identifier(database)}.{identifier(table)}"
            lines.append(f"ALTER TABLE {where} ALTER COLUMN {identifier(column)} SET DEFAULT ({text});\n")
    return "SET SESSION system_versioning_alter_history = KEEP;\n" + "".join(lines) if lines else ""
