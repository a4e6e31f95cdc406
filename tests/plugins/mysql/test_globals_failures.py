"""A change of a MariaDB server's globals that fails, or breaks off: what is said of it, and what it leaves."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.globals.keeper import MysqlKeeper
from dysnomia_plugins.types.mysql.globals.plugin import MysqlGlobals
from tests.plugins.globals_site import SiteDriver
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = pytest.mark.server
BESIDE, ASIDE = Place("dysnomia_0123abcd_beside"), Place("dysnomia_0123abcd_aside")


@pytest.fixture
def server() -> Iterator[MariadbServer]:
    with MariadbServer() as server:
        yield server


@pytest.fixture
def ctx(server: MariadbServer, tmp_path: Path) -> Iterator[Context]:
    properties = {**server.properties, "type": "mysql-globals"}
    with SiteDriver(MysqlGlobals(), "globals", properties, tmp_path / "globals").context() as ctx:
        yield ctx


@pytest.fixture
def keeper(ctx: Context) -> MysqlKeeper:
    return MysqlGlobals().keeper(ctx)


def hash_of(server: MariadbServer, user: str) -> str:
    """The password of an account as the server keeps it."""
    secret = "JSON_VALUE(Priv, '$.authentication_string')"
    return server.sql(f"SELECT {secret} FROM mysql.global_priv WHERE User = '{user}'")


def told(error: BaseException) -> str:
    """All that a log could have of it."""
    words = ["".join(traceback.format_exception(error)), str(error)]
    words += [one.stderr for one in (error, error.__cause__) if hasattr(one, "stderr")]
    return "\n".join(words)


def test_a_line_that_the_server_does_not_take_is_not_repeated(
    server: MariadbServer, keeper: MysqlKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql("CREATE USER app IDENTIFIED BY 'hunter2hunter2'")
    held = Held(keeper.live())
    names = iter(["mysql.is_not_there", "mysql.is_made"])
    monkeypatch.setattr(keeper, "table", lambda _: next(names))
    with pytest.raises(PluginError, match="is_not_there") as refused:
        keeper.keep(ASIDE, held)
    assert hash_of(server, "app")[1:] not in told(refused.value)
    assert "INSERT" not in told(refused.value)
