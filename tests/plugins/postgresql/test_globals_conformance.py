"""A PostgreSQL server's globals through the conformance suite, as far as it holds for what is restored additively."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.globals_cases import AdditiveConformance
from tests.plugins.postgresql.globals_world import PostgresqlGlobalsWorld
from tests.plugins.servers.postgresql import PostgresServer


@pytest.mark.server
@pytest.mark.worlds
class TestPostgresqlGlobals(SlowConformance, AdditiveConformance):
    column = "postgresql-globals"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with PostgresqlGlobalsWorld(postgres, tmp_path / "world") as world:
            yield world
