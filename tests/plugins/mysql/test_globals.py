"""Accounts, roles and privileges of a MariaDB server, from one server to a fresh one; compared by SHOW."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mysql.globals.plugin import MysqlGlobals
from dysnomia_plugins.types.mysql.plugin import MysqlDatabase
from dysnomia_store.model import Reason
from dysnomia_tui.engine.component import activities
from tests.plugins.globals_site import SiteDriver
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = pytest.mark.server
Servers = tuple[MariadbServer, MariadbServer]
SECRET = "correct horse battery staple"
SEED = f"""
CREATE ROLE staff;
CREATE ROLE boss WITH ADMIN staff;
CREATE USER 'a''b'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('{SECRET}') OR unix_socket REQUIRE SSL
  WITH MAX_QUERIES_PER_HOUR 5 MAX_STATEMENT_TIME 2.5 ACCOUNT LOCK;
CREATE USER app@localhost IDENTIFIED BY 'hunter2hunter2' REQUIRE ISSUER '/CN=it''s' AND SUBJECT '/CN=x'
  PASSWORD EXPIRE INTERVAL 7 DAY;
CREATE USER old@'10.0.%' IDENTIFIED BY 'p' PASSWORD EXPIRE;
CREATE USER ''@'10.1.2.3' IDENTIFIED BY 'p';
CREATE DATABASE shop;
CREATE TABLE shop.goods(id int PRIMARY KEY, name text);
INSERT INTO shop.goods VALUES (1, 'one');
CREATE DEFINER=app@localhost VIEW shop.v AS SELECT id FROM shop.goods;
CREATE DEFINER=app@localhost FUNCTION shop.f() RETURNS int RETURN 1;
GRANT RELOAD, BINLOG MONITOR ON *.* TO staff;
GRANT SELECT ON shop.* TO staff WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (name) ON shop.goods TO boss;
GRANT EXECUTE ON FUNCTION shop.f TO staff;
GRANT ALL ON *.* TO 'a''b'@'%' WITH GRANT OPTION;
GRANT ALL ON `sh\\_op%`.* TO app@localhost;
GRANT INSERT, SELECT ON shop.goods TO app@localhost WITH GRANT OPTION;
GRANT PROXY ON 'root'@'localhost' TO app@localhost WITH GRANT OPTION;
GRANT staff TO app@localhost;
GRANT boss TO app@localhost WITH ADMIN OPTION;
SET DEFAULT ROLE staff FOR app@localhost;
GRANT USAGE ON *.* TO PUBLIC;
"""


@pytest.fixture
def servers() -> Iterator[Servers]:
    with MariadbServer() as one, MariadbServer() as two:
        yield one, two


def shown(server: MariadbServer) -> list[str]:
    """What the server says of every account and role."""
    names = server.sql("SELECT User, Host, JSON_VALUE(Priv, '$.is_role') FROM mysql.global_priv ORDER BY 1, 2").split(
        "\n"
    )
    lines = []
    for user, host, role in (name.split("\t") for name in names):
        if user in ("mariadb.sys", "PUBLIC") or (user == "root" and host != "localhost"):
            continue
        quoted = "'" + user.replace("'", "''") + "'" + (f"@'{host}'" if role == "NULL" else "")
        asked = f"SHOW GRANTS FOR {quoted};" + (f"SHOW CREATE USER {quoted};" if role == "NULL" else "")
        lines += server.sql(asked).split("\n")
    return sorted(lines)


def of_accounts(lines: list[str]) -> list[str]:
    """Without what is granted on tables and routines, which come with their databases."""
    return [line for line in lines if "`shop`.`" not in line]


def drivers(server: MariadbServer, tmp_path: Path) -> tuple[SiteDriver, SiteDriver]:
    return (
        SiteDriver(MysqlGlobals(), "globals", {**server.properties, "type": "mysql-globals"}, tmp_path / "globals"),
        SiteDriver(MysqlDatabase(), "shop", server.properties, tmp_path / "shop"),
    )


def test_a_fresh_server_gets_all_of_it_back(servers: Servers, tmp_path: Path) -> None:
    one, two = servers
    one.sql(SEED)
    globals_, shop = drivers(one, tmp_path)
    of_globals, of_shop = globals_.snapshot().generation.number, shop.snapshot().generation.number
    wanted = shown(one)
    one.stop()
    for driver in (globals_, shop):
        driver.site.moved(two.properties)

    said = " ".join(found.text for found in shop.preflight(of_shop).findings)
    assert "mysql-globals" in said
    plan = globals_.preflight(of_globals)
    said = "\n".join([*plan.changes, *(found.text for found in plan.findings)])
    for secret in (SECRET, "hunter2", *(line[-42:-2] for line in wanted if "PASSWORD '*" in line)):
        assert secret not in said
    assert "create role staff" in plan.changes
    assert "there is no table shop.goods" in said

    globals_.restore(of_globals)
    assert of_accounts(shown(two)) == of_accounts(wanted)
    shop.restore(of_shop)
    globals_.restore(of_globals)
    assert shown(two) == wanted
    assert globals_.preflight(of_globals).changes == ("nothing would change: live has all of it",)
    assert two.sql("SELECT id FROM shop.v") == "1"
    assert not two.sql("SHOW TABLES FROM mysql LIKE 'dysnomia\\_%'"), "nothing of the jobs is left"


def test_live_is_altered_and_what_it_has_more_stays(servers: Servers, tmp_path: Path) -> None:
    one, _ = servers
    one.sql(SEED)
    driver, _ = drivers(one, tmp_path)
    number = driver.snapshot().generation.number
    wanted = shown(one)
    one.sql(
        "ALTER USER app@localhost IDENTIFIED BY 'other' REQUIRE NONE PASSWORD EXPIRE NEVER;"
        "ALTER USER 'a''b'@'%' WITH MAX_QUERIES_PER_HOUR 9 ACCOUNT UNLOCK; REVOKE RELOAD ON *.* FROM staff;"
        "REVOKE ADMIN OPTION FOR boss FROM app@localhost; SET DEFAULT ROLE NONE FOR app@localhost;"
        "REVOKE UPDATE (name) ON shop.goods FROM boss; REVOKE GRANT OPTION ON shop.* FROM staff"
    )
    changed = shown(one)
    bench = driver.bench()
    (altered,) = (line for line in driver.preflight(number).changes if line.startswith("alter account app@localhost"))
    assert "password differs" in altered
    assert "tls NONE -> " in altered
    assert "[" not in altered
    restored = activities.restore(bench, number)
    assert shown(one) == wanted
    assert restored.whole
    driver.undo(bench.job)
    assert shown(one) == changed
    one.sql("CREATE USER newcomer IDENTIFIED BY 'x'; GRANT staff TO newcomer; GRANT SELECT ON shop.* TO newcomer")
    warned = [found.text for found in driver.preflight(number).findings]
    assert "live has accounts that the snapshot has not, and they stay: newcomer@%" in warned
    assert "live has memberships that the snapshot has not, and they stay: newcomer@% in staff" in warned
    assert "live has privileges that the snapshot has not, and they stay: SELECT on shop.* to newcomer@%" in warned
    driver.restore(number)
    assert [line for line in shown(one) if "newcomer" not in line] == wanted
    assert [line for line in shown(one) if "newcomer" in line]


def test_an_undo_drops_only_what_the_restore_made_and_nothing_rests_on(servers: Servers, tmp_path: Path) -> None:
    one, two = servers
    one.sql(SEED)
    driver, _ = drivers(one, tmp_path)
    number = driver.snapshot().generation.number
    driver.site.moved(two.properties)
    two.sql("CREATE USER earlier IDENTIFIED BY 'x'")
    empty = shown(two)
    bench, undo = driver.bench(), driver.bench()
    activities.restore(bench, number)
    full = shown(two)
    activities.undo(undo, driver.left(bench.job))
    assert shown(two) == empty
    driver.undo(undo.job)
    assert shown(two) == full
    two.sql("CREATE DATABASE mine; CREATE DEFINER=app@localhost VIEW mine.v AS SELECT 1 AS one")
    guard = next(one for one in driver.generations() if one.job == bench.job and one.reason is Reason.GUARD)
    warned = [found.text for found in driver.preflight(guard.number).findings]
    assert "account app@localhost stays, though the restore made it: it is the definer of views in mine" in warned


def test_what_a_server_refuses_is_taken_back(servers: Servers, tmp_path: Path) -> None:
    """It has a plugin less than the other: the account is refused in the middle of all."""
    one, two = servers
    one.sql(SEED)
    one.sql("UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'not_here') WHERE User = 'old'")
    driver, _ = drivers(one, tmp_path)
    number = driver.snapshot().generation.number
    driver.site.moved(two.properties)
    empty = shown(two)
    bench = driver.bench()
    with pytest.raises(PluginError, match="not_here") as refused:
        activities.restore(bench, number)
    assert "PASSWORD" not in str(refused.value)
    assert "*" not in getattr(refused.value, "stderr", "")
    assert shown(two) == empty
    assert driver.left_behind(bench.job) == []


def test_an_account_that_may_not_read_the_others_is_refused(mariadb: MariadbServer, tmp_path: Path) -> None:
    mariadb.sql("CREATE USER poor@localhost IDENTIFIED BY 'x'; GRANT CREATE USER ON *.* TO poor@localhost")
    try:
        properties = {**mariadb.properties, "mysqlUsername": "poor", "mysqlPassword": "x"}
        driver = SiteDriver(MysqlGlobals(), "globals", properties, tmp_path / "globals")
        with pytest.raises(PluginError, match="may not read the accounts"):
            driver.snapshot()
        assert driver.generations() == ()
    finally:
        mariadb.sql("DROP USER poor@localhost")
