"""Servers that tests share: one a session (and a worker)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.services import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. A test leaves it as it found it, but for databases and roles of its own."""
    with PostgresServer() as server:
        yield server
