"""Subversion through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.subversion.world import SubversionWorld


@pytest.mark.server
class TestSubversion(SlowConformance):
    column = "subversion-repository"
    server = ("svnadmin", "--version", "--quiet")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with SubversionWorld(tmp_path / "world") as world:
            yield world
