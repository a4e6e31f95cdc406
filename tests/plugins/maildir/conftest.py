"""One Dovecot for all tests of the type."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.servers.dovecot import Dovecot


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot() as server:
        yield server
