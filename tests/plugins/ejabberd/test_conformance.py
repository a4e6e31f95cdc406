"""ejabberd through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World
from tests.plugins.ejabberd.world import EjabberdWorld


@pytest.mark.server
@pytest.mark.timeout(1800)
@pytest.mark.worlds
class TestEjabberd(Conformance):
    column = "ejabberd-dump"
    server = ("dpkg-query", "-W", "-f", "ejabberd ${Version}\n", "ejabberd")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with EjabberdWorld(tmp_path / "world") as world:
            yield world

    @pytest.mark.worlds
    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        """Four minutes, of which most is Erlang printing and reading terms."""
        super().test_memory_is_bounded(world, driver)
