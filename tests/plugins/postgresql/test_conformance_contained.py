"""PostgreSQL in a container of Docker, by its own client programs, through the conformance suite.

The container has no network: there is no other way than ``exec``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.world import World
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.contained import ContainedPostgres
from tests.plugins.servers.docker import DockerServer


@pytest.fixture(scope="module")
def contained(machine_image: DockerServer) -> Iterator[ContainedPostgres]:
    with ContainedPostgres(machine_image, "shop-db-1") as server:
        yield server


@pytest.mark.server
@pytest.mark.worlds
@pytest.mark.timeout(1800)
class TestInAContainer(Conformance):
    """Each call of a client program takes some 150 ms longer than beside the server."""

    column = "postgresql-database, in a container"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, contained: ContainedPostgres, tmp_path: Path) -> Iterator[World]:
        with PostgresqlWorld(contained, tmp_path / "world") as world:
            yield world
