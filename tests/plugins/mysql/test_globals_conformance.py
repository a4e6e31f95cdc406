"""A MariaDB server's globals through the conformance suite, as far as it holds for what is restored additively."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.world import World
from tests.plugins.globals_cases import AdditiveConformance
from tests.plugins.mysql.globals_world import MysqlGlobalsWorld
from tests.plugins.servers.mariadb import MariadbServer


@pytest.mark.server
class TestMysqlGlobals(AdditiveConformance):
    column = "mysql-globals"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with MysqlGlobalsWorld(mariadb, tmp_path / "world") as world:
            yield world
