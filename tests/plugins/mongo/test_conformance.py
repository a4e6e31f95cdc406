"""MongoDB through the conformance suite, on a double."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.mongo.world import MongoWorld


@pytest.mark.server
class TestMongo(SlowConformance):
    column = "mongo-database"
    single_changes: ClassVar[int] = 40

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with MongoWorld(tmp_path / "world") as world:
            yield world
