"""RabbitMQ through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.driver import Driver, in_child, memory_now, peak_memory
from tests.plugins.conformance.load import ROOM
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.rabbitmq.world import RabbitWorld
from tests.plugins.servers.rabbitmq import RabbitServer

MANY = 20_000


@pytest.mark.server
@pytest.mark.xdist_group("rabbitmq")
class TestRabbitmq(SlowConformance):
    column = "rabbitmq-definitions"
    server = ("dpkg-query", "-W", "-f", "rabbitmq-server ${Version}\n", "rabbitmq-server")

    @pytest.fixture
    def world(self, tmp_path: Path, rabbitmq: RabbitServer) -> Iterator[World]:
        with RabbitWorld(tmp_path / "world", rabbitmq) as world:
            yield world

    @pytest.mark.worlds
    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        """Definitions are held in memory, here as in the server: more than 256 MB are refused. What is measured
        is a virtual host that is far larger than what servers are made for."""
        assert isinstance(world, RabbitWorld)
        world.seed()
        world.many_bindings(MANY)

        def work() -> None:
            base = memory_now()
            number = driver.snapshot().generation.number
            world.made.no_queue("q1")
            driver.restore(number)
            grown = peak_memory() - base
            assert grown <= ROOM, f"it took {grown >> 20} MB"

        assert in_child(work) == 0
        whole = world.made.whole()
        assert whole is not None
        assert len(whole["bindings"]) > MANY
