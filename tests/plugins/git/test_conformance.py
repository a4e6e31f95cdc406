"""git through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.git.world import GitWorld


@pytest.mark.server
class TestGit(SlowConformance):
    column = "git-repository"
    server = ("git", "--version")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with GitWorld(tmp_path / "world") as world:
            yield world
