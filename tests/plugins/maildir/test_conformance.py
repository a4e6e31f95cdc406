"""Maildir through the conformance suite, on a real Dovecot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.dovecot import Dovecot


@pytest.mark.server
class TestMaildir(SlowConformance):
    column = "maildir"
    server = ("/usr/sbin/dovecot", "--version")

    @pytest.fixture
    def world(self, dovecot: Dovecot, tmp_path: Path) -> Iterator[World]:
        with MaildirWorld(dovecot, tmp_path / "world") as world:
            yield world
