"""Rows of tables that have more columns than a SELECT may give: some at a time, side by side.

A table may have as many columns as a result (2,000 as SQLite is built), and its rowid is one more; in a database of
UTF-16 each column is read as two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from typing import Any


def most_at_once(db: sqlite3.Connection) -> int:
    """How many columns a result may have."""
    return db.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)


@contextmanager
def rows_of(
    db: sqlite3.Connection, names: Sequence[str], select: Callable[[Sequence[str]], str], values: Sequence[Any] = ()
) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows of a statement, whole, however many columns they have.

    Args:
        names: what is selected.
        select: makes the statement that selects these; the order of its rows must not depend on them.
    """
    most = most_at_once(db)
    with ExitStack() as stack:
        parts = [
            stack.enter_context(closing(db.execute(select(names[at : at + most]), tuple(values))))
            for at in range(0, len(names), most)
        ]
        if len(parts) == 1:
            yield iter(parts[0])
        else:
            yield (tuple(chain.from_iterable(row)) for row in zip(*parts, strict=True))
