"""etcd through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.etcd.world import EtcdWorld


@pytest.mark.server
class TestEtcd(SlowConformance):
    column = "etcd-database"
    server = ("etcd", "--version")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with EtcdWorld(tmp_path / "world") as world:
            yield world
