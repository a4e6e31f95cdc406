"""A MariaDB server's globals through the conformance suite, as far as it holds for what is restored additively."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.globals_cases import AdditiveConformance
from tests.plugins.mysql.globals_world import MysqlGlobalsWorld
from tests.plugins.servers.mariadb import MariadbServer


@pytest.mark.server
@pytest.mark.worlds
class TestMysqlGlobals(SlowConformance, AdditiveConformance):
    column = "mysql-globals"
    server = ("mariadbd", "--version")

    def test_any_generation_is_restored_exactly(self, world: World, driver: Driver) -> None:
        """But for privileges that live has more."""
        assert isinstance(world, MysqlGlobalsWorld)
        world.only_altering = True
        super().test_any_generation_is_restored_exactly(world, driver)

    def test_undo_brings_back_what_was_live_and_is_itself_guarded(self, world: World, driver: Driver) -> None:
        """But for privileges that live had more: they stay, too."""
        assert isinstance(world, MysqlGlobalsWorld)
        world.only_altering = True
        super().test_undo_brings_back_what_was_live_and_is_itself_guarded(world, driver)

    @pytest.fixture
    def world(self, mariadb: MariadbServer, tmp_path: Path) -> Iterator[World]:
        with MysqlGlobalsWorld(mariadb, tmp_path / "world") as world:
            yield world
