"""A change of a MariaDB server's globals that fails, or breaks off: what is said of it, and what it leaves."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.globals import swap
from dysnomia_plugins.types.mysql.globals.keeper import MysqlKeeper
from dysnomia_plugins.types.mysql.globals.plugin import MysqlGlobals
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Reporter
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
    words += [one.stderr for one in (error, error.__cause__) if isinstance(one, ProcessFailed)]
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


SNAPSHOT = """
CREATE USER app IDENTIFIED BY 'one' WITH MAX_QUERIES_PER_HOUR 1 MAX_UPDATES_PER_HOUR 1;
CREATE USER other IDENTIFIED BY 'one';
CREATE ROLE staff;
CREATE USER gone IDENTIFIED BY 'one' PASSWORD EXPIRE; GRANT staff TO gone; SET DEFAULT ROLE staff FOR gone;
CREATE USER taken IDENTIFIED BY 'one';
GRANT RELOAD ON *.* TO app;
"""
BEFORE = """
ALTER USER app IDENTIFIED BY 'two' WITH MAX_QUERIES_PER_HOUR 2 MAX_UPDATES_PER_HOUR 2;
REVOKE RELOAD ON *.* FROM app;
DROP USER gone, taken; DROP ROLE staff;
"""
BY_OTHERS = """
ALTER USER other IDENTIFIED BY 'three';
ALTER USER app WITH MAX_QUERIES_PER_HOUR 9;
ALTER USER taken IDENTIFIED BY 'three';
GRANT PROCESS ON *.* TO other, app;
CREATE USER newcomer IDENTIFIED BY 'three';
"""


def test_what_breaks_off_is_taken_back_and_what_others_did_meanwhile_stays(
    server: MariadbServer, ctx: Context, keeper: MysqlKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql(SNAPSHOT)
    keeper.keep(BESIDE, Held(keeper.live()))
    server.sql(BEFORE)
    before = {user: hash_of(server, user) for user in ("app", "other")}

    def fails(*_: object) -> list[str]:
        server.sql(BY_OTHERS)
        return ["it fails after all was changed"]

    with monkeypatch.context() as patched:
        patched.setattr(swap, "missing_after", fails)
        with pytest.raises(PluginError, match="after all was changed"):
            swap.swap(ctx, keeper, BESIDE, ASIDE)
    three = hash_of(server, "newcomer")
    assert hash_of(server, "app") != before["app"]
    for _ in range(2):
        assert not swap.recover(ctx, keeper)
        accounts = set(server.sql("SELECT User FROM mysql.global_priv").split("\n"))
        assert accounts & {"app", "other", "gone", "taken", "newcomer", "staff"} == {
            "app",
            "other",
            "taken",
            "newcomer",
        }
        assert hash_of(server, "app") == before["app"]
        assert hash_of(server, "other") == hash_of(server, "taken") == three
        limits = "JSON_VALUE(Priv, '$.max_questions'), JSON_VALUE(Priv, '$.max_updates')"
        assert server.sql(f"SELECT {limits} FROM mysql.global_priv WHERE User = 'app'") == "9\t2"
        granted = server.sql("SHOW GRANTS FOR app") + server.sql("SHOW GRANTS FOR other")
        assert "RELOAD" not in granted
        assert granted.count("GRANT PROCESS ON") == 2
        assert not server.sql("SELECT * FROM mysql.roles_mapping")
    assert isinstance(ctx.progress, Reporter)
    said = "\n".join(ctx.progress.lines)
    assert "accounts app %: queries was set by somebody else since, and that stays so" in said
    assert "accounts taken %: changed by somebody else since, and it stays so" in said
    assert three not in said
    keeper.drop(BESIDE)
    assert not swap.recover(ctx, keeper)


def test_a_password_that_must_be_changed_need_not_after_a_restore_and_must_after_its_undo(
    server: MariadbServer, tmp_path: Path
) -> None:
    properties = {**server.properties, "type": "mysql-globals"}
    driver = SiteDriver(MysqlGlobals(), "globals", properties, tmp_path / "globals")
    server.sql("CREATE USER app IDENTIFIED BY 'one'; CREATE USER local IDENTIFIED VIA unix_socket")
    number = driver.snapshot().generation.number
    server.sql("ALTER USER app PASSWORD EXPIRE; ALTER USER local PASSWORD EXPIRE")
    bench = driver.bench()
    activities.restore(bench, number)
    changed = "JSON_VALUE(Priv, '$.password_last_changed')"
    expired = f"SELECT COUNT(*) FROM mysql.global_priv WHERE User IN ('app', 'local') AND {changed} = '0'"
    assert server.sql(expired) == "0"
    driver.undo(bench.job)
    assert server.sql(expired) == "2"
    number = driver.snapshot().generation.number
    old = hash_of(server, "app")
    server.sql("ALTER USER app IDENTIFIED BY 'two'; ALTER USER app PASSWORD EXPIRE")
    driver.restore(number)
    assert (hash_of(server, "app"), server.sql(expired)) == (old, "2"), "a new password ends that it must be changed"
