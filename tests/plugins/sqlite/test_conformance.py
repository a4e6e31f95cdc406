"""SQLite through the conformance suite: in WAL mode, and with a rollback journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.world import World
from tests.plugins.sqlite.world import SERVER, SqliteWorld


class TestWal(Conformance):
    column = "sqlite-database, WAL"
    server = SERVER

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with SqliteWorld(tmp_path / "world", "wal") as world:
            yield world


@pytest.mark.worlds
class TestRollbackJournal(Conformance):
    column = "sqlite-database, rollback journal"
    server = SERVER

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with SqliteWorld(tmp_path / "world", "delete") as world:
            yield world
