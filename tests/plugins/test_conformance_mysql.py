"""MariaDB through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance import World
from tests.plugins.conformance_cases import Conformance
from tests.plugins.services_mariadb import MariadbServer
from tests.plugins.worlds_mariadb import MariadbWorld


@pytest.mark.server
class TestMariadb(Conformance):
    column = "mysql-database"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with MariadbWorld(mariadb, tmp_path / "world") as world:
            yield world
