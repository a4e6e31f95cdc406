"""InfluxDB through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.influx.world import InfluxWorld


@pytest.mark.server
class TestInflux(SlowConformance):
    column = "influx-database"
    server = ("influxd", "version")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with InfluxWorld(tmp_path / "world") as world:
            yield world
