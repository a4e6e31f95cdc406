"""Rows too large to be held: their canonical bytes, cell by cell and in pieces.

The same bytes as ``encode_row`` gives, for ordinary tables whose rowid can be named. A cell is read with SQLite's
incremental I/O; where a text holds a NUL, SQLite tells its length only up to there, and it is read whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from dysnomia_plugins.types.sqlite.cells import Value, encode_row, quoted

LARGE = 8 << 20
"""Bytes from which a row is worth the trouble."""
PIECE = 1 << 20


def has_large_rows(db: sqlite3.Connection, table: str) -> bool:
    """Whether any row of a table is large; reads its pages once, and none of a small database.

    False as well where this SQLite cannot tell (built without dbstat)."""
    size = db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    if size < LARGE:
        return False
    try:
        largest = db.execute(
            "SELECT max(mx_payload) FROM dbstat WHERE name = ? AND aggregate = TRUE", (table,)
        ).fetchone()
    except sqlite3.OperationalError:
        return False
    return int(largest[0] or 0) >= LARGE


def width(columns: Sequence[str]) -> int:
    """How many columns ``stream`` asks for."""
    return 1 + 2 * len(columns)


def stream(
    db: sqlite3.Connection, table: str, rowid: str, columns: Sequence[str], *, shown: bool
) -> Iterator[tuple[int, bytes]]:
    """(rows that ended with it, canonical bytes) of a table in the order of its rowid.

    Args:
        table, columns: their names.
        rowid: the name under which the rowid is read.
        shown: whether the rowid is the first cell.
    """
    names = [quoted(column) for column in columns]
    long = [f"(typeof({one}) IN ('text', 'blob') AND length({one}) > {PIECE})" for one in names]
    cells = [f"CASE WHEN {test} THEN typeof({one}) ELSE {one} END" for one, test in zip(names, long, strict=True)]
    count = len(columns)
    wanted = ", ".join([rowid, *cells, *long])
    for row in db.execute(f"SELECT {wanted} FROM {quoted(table)} NOT INDEXED ORDER BY {rowid}"):
        number, values, tests = row[0], row[1 : 1 + count], row[1 + count :]
        if shown:
            yield 0, encode_row([number])
        for name, value, is_long in zip(columns, values, tests, strict=True):
            if is_long:
                yield from _pieces(db, table, name, number, value)
            else:
                yield 0, encode_row([value])
        yield 1, b""


def _pieces(db: sqlite3.Connection, table: str, column: str, rowid: int, kind: Value) -> Iterator[tuple[int, bytes]]:
    with db.blobopen(table, column, rowid, readonly=True) as blob:
        size = len(blob)
        yield 0, b"%b%d:" % (b"t" if kind == b"text" else b"b", size)
        while piece := blob.read(PIECE):
            yield 0, piece
