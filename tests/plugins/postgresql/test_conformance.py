"""PostgreSQL through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.postgresql import PostgresServer


@pytest.mark.server
class TestPostgresql(SlowConformance):
    column = "postgresql-database"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with PostgresqlWorld(postgres, tmp_path / "world") as world:
            yield world
