"""Text with bytes for which its character set knows no character: a dump, which is in UTF-8, has ``?`` for each.

The server takes such bytes from a binary literal, a file, or an older version, and gives them back as long as nobody
asks for another character set. A dump of what was restored has the same ``?``, so that only the server can tell: it is
asked about tables in whose dumped rows there is one.
"""

from __future__ import annotations

from collections.abc import Iterable

from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import identifier, literal

PARTIAL = (
    "ascii", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp932", "dec8", "eucjpms", "euckr", "gb2312", "gbk",
    "geostd8", "greek", "hebrew", "hp8", "sjis", "swe7", "ujis",
)  # fmt: skip
"""Character sets of MariaDB 10.11 in which some bytes are no character. (``latin1`` is none of them.)"""
OF_COLUMN = f"character_set_name IN ({', '.join(map(literal, PARTIAL))})"


def lost(client: Client, database: str, tables: Iterable[str]) -> list[str]:
    """The columns (``table.column``) of these tables that hold such bytes. Raises ProcessFailed."""
    columns: dict[str, list[tuple[str, str]]] = {}
    names = ", ".join(map(literal, tables))
    if not names:
        return []
    for table, column, charset in client.rows(
        "SELECT JSON_ARRAY(table_name, column_name, character_set_name) FROM information_schema.columns"
        f" WHERE table_schema = {literal(database)} AND table_name IN ({names}) AND {OF_COLUMN}"
        " ORDER BY table_name, ordinal_position",
        database,
    ):
        columns.setdefault(str(table), []).append((str(column), str(charset)))
    losing = []
    for table, of_table in columns.items():
        sums = ", ".join(f"COALESCE(SUM({_differs(*one)}), 0) > 0" for one in of_table)
        sql = f"SELECT JSON_ARRAY({sums}) FROM {identifier(database)}.{identifier(table)}"
        answer = client.rows(sql, database)[0]
        losing += [f"{table}.{column}" for (column, _), has in zip(of_table, answer, strict=True) if has]
    return losing


def _differs(column: str, charset: str) -> str:
    """Whether a value is another after it was in UTF-8, and has a ``?`` more."""
    name = identifier(column)
    there_and_back = f"CONVERT(CONVERT({name} USING utf8mb4) USING {charset})"
    return f"CAST({name} AS BINARY) <> CAST({there_and_back} AS BINARY) AND {there_and_back} LIKE '%?%'"
