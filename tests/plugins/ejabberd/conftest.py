"""A world of ejabberd and jobs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.driver import Driver
from tests.plugins.ejabberd.world import EjabberdWorld
from tests.plugins.servers.ejabberd import EjabberdServer


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EjabberdServer]:
    """For tests that leave its tables as they are: a start takes seconds."""
    server = EjabberdServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EjabberdWorld]:
    with EjabberdWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: EjabberdWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")
