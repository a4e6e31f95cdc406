"""The rows of a table that have a key, found by SQLite itself instead of by parsing every row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from dysnomia_plugins.types.sqlite.cells import quoted
from dysnomia_plugins.types.sqlite.reader import Reader, Table

_OTHER = re.compile(r"\\x|-?inf$|-?nan$|[^\ud800-\udfff]*[\ud800-\udfff]", re.IGNORECASE)
"""Cells that are shown in other words than their value (bytes, numbers that are none), or that no text can be."""


def rows_of_key(reader: Reader, table: Table, key: Sequence[str]) -> Iterator[list[bytes]]:
    """At least the rows whose key cells show as ``key``.

    A cell that reads ``4711`` may be a number or a text: each is asked for, and the caller compares what comes.
    No index is used but the table's own, by rowid: one that is damaged, or in the order of a collation that only the
    application knows, would hide a row."""
    if len(key) != len(table.key) or not key or reader.wide or any(map(_OTHER.match, key)):
        yield from reader.batches(table)
        return
    tests: list[str] = []
    values: list[str | int | float] = []
    for name, cell in zip(table.key, key, strict=True):
        values_of_cell = candidates(cell)
        if table.key_is_rowid:  # beside the float that equals it, SQLite 3.40 does not find the smallest integer
            values_of_cell = [one for one in values_of_cell if isinstance(one, int)] or values_of_cell
        column = table.ordered if table.key_is_rowid else f"+{quoted(name)}"
        tests.append(f"{column} IN ({', '.join('?' * len(values_of_cell))})")
        values.extend(values_of_cell)
    yield from reader.batches(table, where=" AND ".join(tests), values=values)


def candidates(cell: str) -> list[str | int | float]:
    """The values that are shown as this cell."""
    values: list[str | int | float] = [cell]
    if len(cell) > 1 and cell[0] == cell[-1] == "'":
        values.append(cell[1:-1])
    with suppress(ValueError):
        number = int(cell)
        if -(1 << 63) <= number < 1 << 63:
            values.append(number)
    with suppress(ValueError):
        values.append(float(cell))
    return values
