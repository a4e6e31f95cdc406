"""MariaDB in a container of Docker, by its own client programs, through the conformance suite.

The container has no network: there is no other way than ``exec``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.world import World
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.servers.contained import ContainedMariadb
from tests.plugins.servers.docker import DockerServer


@pytest.fixture(scope="module")
def contained(machine_image: DockerServer) -> Iterator[ContainedMariadb]:
    with ContainedMariadb(machine_image, "blog-db-1") as server:
        yield server


@pytest.mark.server
@pytest.mark.worlds
@pytest.mark.timeout(1800)
class TestInAContainer(Conformance):
    """Each call of a client program takes some 150 ms longer than beside the server."""

    column = "mysql-database, in a container"
    server = ("mariadbd", "--version")

    @pytest.fixture
    def world(self, contained: ContainedMariadb, tmp_path: Path) -> Iterator[World]:
        with MariadbWorld(contained, tmp_path / "world") as world:
            yield world
