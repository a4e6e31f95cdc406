"""Redis through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.redis.world import RedisWorld


@pytest.mark.server
class TestRedis(SlowConformance):
    column = "redis-database"
    server = ("redis-server", "--version")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with RedisWorld(tmp_path / "world") as world:
            yield world
