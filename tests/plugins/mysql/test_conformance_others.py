"""MariaDB through the conformance suite, in worlds that are not as ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.world import World
from tests.plugins.mysql.world_others import LeastPrivilegeWorld, OtherOwnerWorld, UpdatedWorld, WideWorld
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = [pytest.mark.server, pytest.mark.worlds]


class TestLeastPrivilege(WorldConformance):
    column = "mysql-database, least privilege"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with LeastPrivilegeWorld(mariadb, tmp_path / "world") as world:
            yield world


class TestOtherOwner(WorldConformance):
    column = "mysql-database, other owner"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with OtherOwnerWorld(mariadb, tmp_path / "world") as world:
            yield world


class TestWide(WorldConformance):
    column = "mysql-database, wide"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with WideWorld(mariadb, tmp_path / "world") as world:
            yield world


class TestAfterAnUpdate(WorldConformance):
    column = "mysql-database, after an update"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with UpdatedWorld(mariadb, tmp_path / "world") as world:
            yield world
