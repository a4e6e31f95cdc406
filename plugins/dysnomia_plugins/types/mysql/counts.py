"""Whether a dump holds all rows: the server is asked how many there are, by another session than the dump's.

An end marker says that the dump program came to its end, and nothing of what it was shown. The second session sees
another moment, so a table that is written meanwhile may differ by right, and a small one may be twice as large by then:
what counts is a table that is quiet, or one of which most is missing, also of what was there before the dump. Counting
costs: small tables are always counted, a large one where the server's own guess is twice what the dump has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.contents import insert_target
from dysnomia_plugins.types.mysql.names import identifier, literal
from dysnomia_plugins.types.mysql.scanner import Part, Piece
from dysnomia_plugins.types.mysql.surroundings import Looked

SMALL = 20_000
"""Rows of a table that is always counted."""
BUDGET = 200_000
"""Rows of all tables that are always counted."""
MOST = 200
"""Tables that are counted in one go."""


class RowCounter:
    """The rows of each table, counted while the pieces of a dump pass."""

    def __init__(self, suspects: Collection[str] = ()) -> None:
        """``suspects``: tables of which it is to be known whether a ``?`` is in their rows."""
        self.rows: dict[str, int] = {}
        self.with_question_mark: set[str] = set()
        self._suspects = suspects

    def counted(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        table = ""
        for piece in pieces:
            if piece.part is Part.INSERT:
                table = insert_target(piece.data)[0]
            elif piece.part is Part.ROWS:
                self.rows[table] = self.rows.get(table, 0) + piece.rows
                if table in self._suspects and b"?" in piece.data:
                    self.with_question_mark.add(table)
            yield piece


def check(client: Client, database: str, dumped: Mapping[str, int], looked: Looked) -> None:
    """Raises Truncated where the dump lacks rows that the server has; ProcessFailed where they cannot be counted."""
    wanted = _chosen(dumped, looked.estimates)
    counts = _count(client, database, wanted)
    fewer = [table for table in counts if dumped.get(table, 0) < counts[table]]
    if not fewer:
        return
    again = _count(client, database, fewer)
    for table in fewer:
        rows, least = dumped.get(table, 0), min(counts[table], again.get(table, 0))
        quiet = counts[table] == again.get(table) and not _written(client, database, table, looked.now)
        most_missing = rows < min(least, looked.estimates.get(table, 0)) // 2
        if rows < least and (quiet or most_missing):
            raise Truncated(
                f"the dump holds {rows} rows of {database}.{table}, and the server {least}",
                "nothing was kept; look for a limit of the account or of the server",
            )


def _chosen(dumped: Mapping[str, int], estimates: Mapping[str, int]) -> list[str]:
    """The tables to count."""
    small: list[str] = []
    large: list[str] = []
    left = BUDGET
    for table, guess in sorted(estimates.items(), key=lambda one: one[1]):
        rows = max(guess, dumped.get(table, 0), 1)
        if rows <= SMALL and rows <= left and len(small) < MOST:
            left -= rows
            small.append(table)
        elif guess > 2 * dumped.get(table, 0):
            large.append(table)
    return small + large[:MOST]


def _count(client: Client, database: str, tables: list[str]) -> dict[str, int]:
    selects = (
        f"SELECT JSON_ARRAY({literal(table)}, COUNT(*)) FROM {identifier(database)}.{identifier(table)}"
        for table in tables
    )
    sql = " UNION ALL ".join(selects)
    return {str(table): int(rows) for table, rows in client.rows(sql)} if sql else {}


def _written(client: Client, database: str, table: str, since: str) -> bool:
    """Whether it was written since the dump began, as far as the server knows."""
    answer = client.ask(
        f"SELECT JSON_ARRAY(update_time >= {literal(since)} - INTERVAL 1 SECOND) FROM information_schema.tables"
        f" WHERE table_schema = {literal(database)} AND table_name = {literal(table)}"
    )
    return bool(answer and answer[0])
