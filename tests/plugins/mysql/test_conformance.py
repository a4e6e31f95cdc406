"""MariaDB through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.servers.mariadb import CALM, HOSTILE, HOSTILE_GLOBALS, MariadbServer


@pytest.mark.server
class TestMariadb(SlowConformance):
    column = "mysql-database"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with MariadbWorld(mariadb, tmp_path / "world") as world:
            yield world


@pytest.fixture(scope="module")
def hostile() -> Iterator[MariadbServer]:
    """A server on which every setting that shapes a session has a value that hurts."""
    with MariadbServer(settings=HOSTILE, globals_=HOSTILE_GLOBALS, calm=CALM) as server:
        yield server


@pytest.mark.worlds
@pytest.mark.server
class TestMariadbHostileSettings(WorldConformance):
    column = "mysql-database, hostile settings"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, hostile: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with MariadbWorld(hostile, tmp_path / "world") as world:
            yield world
