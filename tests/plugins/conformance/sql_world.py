"""What the conformance worlds of SQL servers share: the database ``orders`` on a server of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dysnomia_plugins.base import Place
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

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self._sql_server.stop()
        try:
            yield
        finally:
            self._sql_server.start()
