"""Servers that tests share: one a session (and a worker)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.services_mariadb import MariadbServer
from tests.plugins.services_postgresql import PostgresServer
from tests.plugins.systemd_machine import SystemdMachine


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
