"""RabbitMQ through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.rabbitmq.world import RabbitWorld
from tests.plugins.servers.rabbitmq import RabbitServer


@pytest.mark.server
@pytest.mark.xdist_group("rabbitmq")
class TestRabbitmq(SlowConformance):
    column = "rabbitmq-definitions"
    server = ("dpkg-query", "-W", "-f", "rabbitmq-server ${Version}\n", "rabbitmq-server")

    @pytest.fixture
    def world(self, tmp_path: Path, rabbitmq: RabbitServer) -> Iterator[World]:
        with RabbitWorld(tmp_path / "world", rabbitmq) as world:
            yield world

    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        """A server holds definitions in its own memory: a file of more than 256 MB is refused instead."""
