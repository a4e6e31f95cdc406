"""What the conformance worlds of SQL servers share: the database ``orders`` on a server of the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Protocol

from dysnomia_plugins.base import Place
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import World

DATABASE = "orders"


class SqlServer(Protocol):
    """Takes statements, and can be stopped and started."""

    def sql(self, text: str, database: str) -> str: ...

    def start(self) -> object: ...

    def stop(self) -> None: ...


class SqlWorld(World):
    """One database on a server that others share, with the tables ``customers`` and ``log`` in it."""

    def __init__(self, server: SqlServer) -> None:
        self._sql_server = server

    def spoil(self, place: Place) -> None:
        self._sql_server.sql("UPDATE customers SET credit = credit + 1 WHERE id = 7", place.name)

    def written(self, place: Place | None = None) -> set[int]:
        found = self._sql_server.sql("SELECT n FROM log", place.name if place else DATABASE)
        return {int(line) for line in found.split("\n") if line}

    def _lose_prices(self, *sections: str) -> Sequence[RowsAsked]:
        """Rows of the partitioned table, whose key is of two columns: some gone, some changed, one that came."""
        self._sql_server.sql(
            "DELETE FROM prices WHERE item = 'item 1'; UPDATE prices SET price = price + 1 WHERE item = 'item 2';"
            " INSERT INTO prices VALUES ('new', '2026-05-05', 7)",
            DATABASE,
        )
        days = [(date(2026, 1, 1) + timedelta(days=n), f"item {n % 7}") for n in range(1, 41) if n % 7 in (1, 2)]
        old = tuple((str(day), item) for day, item in days if day < date(2026, 1, 20))
        new = (*((str(day), item) for day, item in days if day >= date(2026, 1, 20)), ("2026-05-05", "new"))
        if len(sections) == 1:
            return [RowsAsked(sections[0], old + new)]
        return [RowsAsked(name, keys) for name, keys in zip(sections, (old, new), strict=True)]

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self._sql_server.stop()
        try:
            yield
        finally:
            self._sql_server.start()
