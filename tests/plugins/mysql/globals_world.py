"""The conformance world of a MariaDB server's globals: accounts of its own on a shared server.

A restore of globals is additive. So "exactly" means: what the snapshot has is as it was, in every detail; what came
since stays (``test_globals.py``). Each change here alters what is there, or takes something away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.mysql.globals.plugin import MysqlGlobals
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.servers.mariadb import MariadbServer

APP = "'conf ''app'@'%'"
SEED = f"""
CREATE ROLE conf_staff;
CREATE USER {APP} IDENTIFIED BY 'first secret';
CREATE USER conf_other@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('x');
CREATE DATABASE conf_shop;
CREATE TABLE conf_shop.goods(id int, name text);
GRANT RELOAD ON *.* TO conf_staff;
GRANT SELECT ON conf_shop.* TO {APP};
GRANT INSERT (id) ON conf_shop.goods TO conf_staff;
GRANT conf_staff TO {APP};
SET DEFAULT ROLE conf_staff FOR {APP};
"""
_LIMITS = {
    "queries": ("MAX_QUERIES_PER_HOUR", "max_questions", 6),
    "updates": ("MAX_UPDATES_PER_HOUR", "max_updates", 7),
    "connections": ("MAX_CONNECTIONS_PER_HOUR", "max_connections", 8),
    "at once": ("MAX_USER_CONNECTIONS", "max_user_connections", 9),
}
WRITER = r"""
n=0
while :; do
  while :; do
    printf "CREATE USER conf_w_%d; SELECT %d;\n" $n $n
    n=$((n+1))
    [ $((n % 10)) -eq 0 ] && break
  done | "${@:2}" --unbuffered 2>/dev/null >>"$1"
  n=$(( (n / 10 + 1) * 10 ))
done
"""


class MysqlGlobalsWorld(World):
    """Accounts called ``conf…`` on a server that others share."""

    only_altering = False
    """Whether a privilege more or less is none of the changes: one that live has more stays."""

    def __init__(self, server: MariadbServer, folder: Path) -> None:
        self.plugin = MysqlGlobals()
        self.server = server
        folder.mkdir(parents=True)
        self.component = Component(ComponentKey.of("my", "globals"), folder, dict(server.properties))

    def close(self) -> None:
        self.server.drop("conf_shop")
        for name in self.server.sql(
            "SHOW TABLES FROM mysql WHERE Tables_in_mysql RLIKE 'dysnomia_|earlier|part'"
        ).split():
            self.server.sql(f"DROP TABLE mysql.{name}")
        for name in self.server.sql(
            "SELECT CONCAT(IF(JSON_VALUE(Priv, '$.is_role'), 'ROLE ', 'USER '), QUOTE(User), IF(JSON_VALUE(Priv,"
            " '$.is_role'), '', CONCAT('@', QUOTE(Host)))) FROM mysql.global_priv WHERE User LIKE 'conf%'"
        ).split("\n"):
            if name:
                self.server.sql(f"DROP {name}")

    def seed(self) -> None:
        self.server.sql(SEED)

    def _rows(self, sql: str) -> list[list[str]]:
        return [line.split("\t") for line in self.server.sql(sql).split("\n") if line]

    def whole(self, place: Place | None = None) -> object:
        """Of live, what its tables and SHOW say; of a copy, the lines that stand in it, told in the same way."""
        if place is not None:
            return self._lines(place)
        privs = {
            user: json.loads(priv)
            for user, priv in self._rows("SELECT User, Priv FROM mysql.global_priv WHERE User LIKE 'conf%'")
            if not user.startswith("conf_w_")
        }
        if not privs:
            return None
        told = [
            one for one in self._rows("SELECT Role, User, Admin_option FROM mysql.roles_mapping") if one[0] != "boss"
        ]
        return {
            "accounts": {user: _account(priv) for user, priv in privs.items() if "is_role" not in priv},
            "members": sorted([role, user, admin == "Y"] for role, user, admin in told),
            "reload": privs["conf_staff"]["access"] & 64 != 0,
            "select": sorted(self._rows("SELECT User, Select_priv, Grant_priv FROM mysql.db WHERE Db = 'conf_shop'")),
            "columns": sorted(self._rows("SELECT User, Column_name, Column_priv FROM mysql.columns_priv")),
        }

    def _lines(self, place: Place) -> object:
        if not self.server.sql(f"SHOW TABLES FROM mysql WHERE Tables_in_mysql = '{place.name}'"):
            return None
        facts: dict[str, list[list[Any]]] = {"accounts": [], "memberships": [], "privileges": []}
        for line in self.server.sql(f"SELECT line FROM mysql.`{place.name}` WHERE what = 'document' ORDER BY n").split(
            "\n"
        ):
            if line:
                kind, *cells = json.loads(line)
                facts.setdefault(kind, []).append(cells)
        ours = [one for one in facts["accounts"] if one[0].startswith("conf") and not one[0].startswith("conf_w_")]
        privileges = facts["privileges"]
        schema = {one[4] for one in privileges if one[:2] == ["database", "conf_shop"]}
        given = {(one[4], one[6]) for one in privileges if one[:2] == ["database", "conf_shop"]}
        columns = [[one[4], one[3], one[6].capitalize()] for one in privileges if one[0] == "column"]
        return {
            "accounts": {one[0]: _told(one) for one in ours},
            "members": sorted([role, user, admin == "yes"] for role, user, _, admin in facts["memberships"]),
            "reload": any(one[0] == "server" and one[4] == "conf_staff" and one[6] == "RELOAD" for one in privileges),
            "select": sorted(
                [user, "NY"[(user, "SELECT") in given], "NY"[(user, "GRANT OPTION") in given]] for user in schema
            ),
            "columns": sorted(columns),
        }

    def changes(self) -> Sequence[str]:
        names = ("password", "lifetime", "lock", "tls", "seconds", "default role", "admin option", "ways", *_LIMITS)
        return names if self.only_altering else (*names, "grant option", "server privilege", "column privilege")

    def change(self, name: str, random: Random) -> str:
        sql = self._change(name, random.randrange(1, 1 << 30))
        self.server.sql(sql)
        return f"{name}: {sql}"

    def _change(self, name: str, value: int) -> str:
        whole: Any = self.whole()
        app = whole["accounts"]["conf 'app"]
        if name in _LIMITS:
            word = _LIMITS[name][0]
            return f"ALTER USER {APP} WITH {word} {value % 100000 + 1 + int(app[_LIMITS[name][2]])}"
        if name == "admin option":
            on = ["conf_staff", "conf 'app", True] in whole["members"]
            return (
                f"REVOKE ADMIN OPTION FOR conf_staff FROM {APP}"
                if on
                else f"GRANT conf_staff TO {APP} WITH ADMIN OPTION"
            )
        if name == "grant option":
            on = ["conf 'app", "Y", "Y"] in whole["select"]
            word, end = ("REVOKE GRANT OPTION", "FROM") if on else ("GRANT SELECT", "TO")
            return f"{word} ON conf_shop.* {end} {APP}" + ("" if on else " WITH GRANT OPTION")
        if name == "server privilege":
            return "REVOKE RELOAD ON *.* FROM conf_staff" if whole["reload"] else "GRANT RELOAD ON *.* TO conf_staff"
        if name == "column privilege":
            word, end = ("REVOKE", "FROM") if whole["columns"] else ("GRANT", "TO")
            return f"{word} INSERT (id) ON conf_shop.goods {end} conf_staff"
        if name == "ways":
            ways = f"unix_socket OR mysql_native_password USING PASSWORD('{value}')"
            return f"ALTER USER conf_other@localhost IDENTIFIED VIA {ways}"
        return {
            "password": f"ALTER USER {APP} IDENTIFIED BY 'other {value}'",
            "lifetime": f"ALTER USER {APP} PASSWORD EXPIRE INTERVAL {value % 9000 + 1} DAY",
            "lock": f"ALTER USER {APP} ACCOUNT {'UNLOCK' if app[4] else 'LOCK'}",
            "tls": f"ALTER USER {APP} REQUIRE SUBJECT '/CN=it''s {value}'",
            "seconds": f"ALTER USER {APP} WITH MAX_STATEMENT_TIME {value % 1000 + 1}.5",
            "default role": f"SET DEFAULT ROLE {'NONE' if app[10] else 'conf_staff'} FOR {APP}",
        }[name]

    def touch(self) -> str:
        self.server.sql("CREATE TABLE conf_shop.touched(id int); DROP TABLE conf_shop.touched; FLUSH PRIVILEGES")
        return "a table came and went, privileges were read again"

    def grow(self, size: int) -> None:
        """Never that big."""

    def some_sections(self) -> tuple[str, ...]:
        return ("globals:accounts",)

    def part(self, place: Place | None = None) -> object:
        whole: Any = self.whole(place)
        return whole["accounts"]

    def spoil(self, place: Place) -> None:
        other = "REPLACE(line, '\"no\"', '\"yes\"') WHERE line LIKE '%conf_other%'"
        self.server.sql(f"UPDATE mysql.`{place.name}` SET line = {other}")

    def writer(self, log: Path) -> Writer:
        return ProgramWriter(log, ["bash", "-c", WRITER, "writer", str(log), *self.server.argv()])

    def written(self, place: Place | None = None) -> set[int]:
        sql = "SELECT User FROM mysql.global_priv WHERE User LIKE 'conf\\_w\\_%'"
        if place is not None:
            line = f'mysql.`{place.name}` WHERE line LIKE \'["accounts","conf\\_w\\_%\''
            sql = f"SELECT JSON_VALUE(line, '$[1]') FROM {line}"
        return {int(name.rpartition("_")[2]) for (name,) in self._rows(sql)}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()


def _account(priv: dict[str, Any]) -> list[Any]:
    """As ``_told``: plugins, secrets, kind of TLS, its subject, locked, days, four limits, default role, seconds."""
    ways = [one or priv for one in priv.get("auth_or") or [priv]]
    days = priv.get("password_lifetime", -1)
    limits = [str(priv.get(key, 0)) for _, key, _ in _LIMITS.values()]
    return [
        [one["plugin"] for one in ways], [one.get("authentication_string", "") for one in ways],
        priv.get("ssl_type", 0) > 0, priv.get("x509_subject", ""), bool(priv.get("account_locked")),
        days if days >= 0 else None, *limits, priv.get("default_role", ""), float(priv.get("max_statement_time", 0)),
    ]  # fmt: skip


def _told(cells: list[Any]) -> list[Any]:
    _, _, plugins, secrets, tls, *limits, seconds, locked, days, _, role = cells
    kind, _, _, subject = json.loads(tls)
    return [
        plugins.split(" or "), json.loads(secrets), kind != "NONE", subject, locked == "yes",
        None if days is None else int(days), *limits, role, float(seconds),
    ]  # fmt: skip
