"""One server for all tests of the type, in each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.servers.rabbitmq import RabbitServer


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A test leaves it as it found it, but for virtual hosts and users of its own."""
    with RabbitServer("rabbitmq_federation", "rabbitmq_shovel") as server:
        yield server
