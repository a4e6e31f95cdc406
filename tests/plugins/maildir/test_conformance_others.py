"""Maildir through the conformance suite, with mail that is not kept as ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.maildir.worlds import HostileWorld, LeastWorld, UpdatedWorld, WideWorld, hostile_server
from tests.plugins.other_user import needs_root
from tests.plugins.servers.dovecot import Dovecot

pytestmark = pytest.mark.server
SERVER = ("/usr/sbin/dovecot", "--version")


@pytest.fixture(scope="module")
def hostile() -> Iterator[Dovecot]:
    with hostile_server() as server:
        yield server


TestHostile = other_world(__name__, "maildir, hostile settings", HostileWorld, server=SERVER, needs=("hostile",))
TestWide = other_world(__name__, "maildir, wide", WideWorld, server=SERVER, needs=("dovecot",))
TestAfterAnUpdate = other_world(__name__, "maildir, after an update", UpdatedWorld, server=SERVER, needs=("dovecot",))
TestOtherOwner = needs_root(
    other_world(__name__, "maildir, other owner", LeastWorld, server=SERVER, needs=("dovecot",))
)
