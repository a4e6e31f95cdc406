"""One server for all tests of the type, in each worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.rabbitmq.site import Site
from tests.plugins.servers.rabbitmq import RabbitServer


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A test leaves it as it found it, but for virtual hosts and users of its own."""
    with RabbitServer("rabbitmq_federation", "rabbitmq_shovel") as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, rabbitmq: RabbitServer) -> Iterator[Site]:
    """An empty virtual host, in which the account ``guest`` may do anything."""
    rabbitmq.clear()
    site = Site(tmp_path / "site", rabbitmq)
    site.made.make()
    site.made.permit("guest")
    yield site
    rabbitmq.clear()
