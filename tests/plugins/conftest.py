"""What tests share: servers, one a session (and a worker), and the world that a module names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World
from tests.plugins.servers.contained import machine_image as make_image
from tests.plugins.servers.docker import DockerServer
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.servers.redis import NEWEST_REDIS, VALKEY, newest
from tests.plugins.systemd.machine import SystemdMachine


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. A test leaves it as it found it, but for databases and roles of its own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def systemd() -> Iterator[SystemdMachine]:
    """A machine with a systemd of its own. A test leaves it as it found it, but for files of its own."""
    with SystemdMachine() as machine:
        yield machine


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB server. A test leaves it as it found it, but for schemas and accounts of its own."""
    with MariadbServer() as server:
        yield server


@pytest.fixture(scope="session")
def dockerd() -> Iterator[DockerServer]:
    """A dockerd with the image ``tiny:1``. A test leaves it as it found it, but for containers, volumes and images of
    its own names."""
    with DockerServer() as server:
        server.busybox()
        yield server


@pytest.fixture(scope="session")
def machine_image(dockerd: DockerServer) -> DockerServer:
    """The same, with an image in which this machine's programs run."""
    make_image(dockerd)
    return dockerd


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """What the test's module calls ``WORLD``, one for each test."""
    with request.module.WORLD(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: World, tmp_path: Path) -> Driver:
    """An empty store for that world."""
    return Driver(world, tmp_path / "store")


@pytest.fixture(scope="session")
def newest_redis() -> Iterator[Path]:
    """The program of the newest Redis there is."""
    yield from _program(NEWEST_REDIS)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Path]:
    """The program of the newest Valkey there is."""
    yield from _program(VALKEY)


def _program(what: tuple[str, str]) -> Iterator[Path]:
    program = newest(*what)
    yield program
    shutil.rmtree(program.parent)
