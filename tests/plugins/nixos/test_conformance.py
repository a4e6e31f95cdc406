"""NixOS systems through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.nixos.world import NixosWorld


@pytest.mark.server
@pytest.mark.timeout(1800)
@pytest.mark.worlds
class TestNixos(SlowConformance):
    column = "nixos-configuration"
    server = ("nix-env", "--version")

    single_changes: ClassVar[int] = 24
    """Each is a snapshot of two components by commands of our own: the types' own suites make the others."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with NixosWorld(tmp_path / "world") as world:
            yield world

    def test_deactivate_keeps_the_state_and_collect_garbage_deletes_it(self, world: World, driver: Driver) -> None:
        """With the system its configuration goes, so that it is activated before it is restored."""
        driver.activity("activate")
        initial = world.whole()
        number = driver.snapshot().generation.number
        driver.activity("deactivate")
        assert world.whole() == initial
        driver.activity("collect-garbage")
        assert world.whole() is None
        driver.activity("collect-garbage")
        driver.activity("activate")
        driver.restore(number)
        assert world.whole() == initial
