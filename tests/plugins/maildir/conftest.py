"""One Dovecot for all tests of the type, and an account of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.dovecot import Dovecot


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot() as server:
        yield server


@pytest.fixture
def world(dovecot: Dovecot, tmp_path: Path) -> Iterator[MaildirWorld]:
    """An account with mail in it."""
    with MaildirWorld(dovecot, tmp_path / "world") as world:
        world.seed()
        yield world
