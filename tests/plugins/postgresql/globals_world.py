"""The conformance world of a PostgreSQL server's globals: roles of its own on a shared server.

A restore of globals is additive. So "exactly" means: what the snapshot has is as it was, in every detail; what came
since stays (``test_globals.py``). Each change here alters what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.postgresql.globals.plugin import PostgresqlGlobals
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.servers.postgresql import PostgresServer

SEED = """
CREATE ROLE conf_staff NOLOGIN;
CREATE ROLE conf_app LOGIN PASSWORD 'first secret' VALID UNTIL '2040-05-06 00:00:00+00';
CREATE ROLE "conf 'odd"" \\ name" LOGIN;
COMMENT ON ROLE conf_staff IS 'all of them';
GRANT conf_staff TO conf_app;
GRANT pg_monitor TO conf_staff;
ALTER ROLE conf_app SET work_mem TO '5MB';
ALTER ROLE conf_app IN DATABASE postgres SET work_mem TO '6MB';
ALTER ROLE conf_staff SET search_path TO "$user", 'odd, name', public;
GRANT SET ON PARAMETER log_statement TO conf_staff;
"""
_FLAGS = ("superuser", "createdb", "createrole", "replication", "bypassrls")
_QUESTION = """SELECT json_build_object(
  'roles', (SELECT json_agg(json_build_array(rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
      rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil AT TIME ZONE 'UTC', rolpassword,
      shobj_description(oid, 'pg_authid')) ORDER BY rolname COLLATE "C") FROM pg_authid WHERE rolname LIKE 'conf%'
      AND rolname NOT LIKE 'conf_w_%'),
  'memberships', (SELECT json_agg(json_build_array(pg_get_userbyid(roleid), pg_get_userbyid(member), admin_option)
      ORDER BY 1::text) FROM (SELECT * FROM pg_auth_members
      WHERE pg_get_userbyid(member) LIKE 'conf%' ORDER BY roleid, member) m),
  'settings', (SELECT json_agg(json_build_array(pg_get_userbyid(setrole), setdatabase <> 0, c))
      FROM (SELECT * FROM pg_db_role_setting ORDER BY setrole, setdatabase) s, unnest(setconfig) c),
  'grants', (SELECT json_agg(json_build_array(parname, paracl::text)) FROM pg_parameter_acl))"""
WRITER = r"""
n=0
while :; do
  while :; do
    printf 'CREATE ROLE conf_w_%d;\n\\echo %d\n' $n $n
    n=$((n+1))
    [ $((n % 10)) -eq 0 ] && break
  done | "$1" -X -q -A -t -v ON_ERROR_STOP=1 -f - 2>/dev/null >>"$2"
  n=$(( (n / 10 + 1) * 10 ))
done
"""


class PostgresqlGlobalsWorld(World):
    """Roles called ``conf…`` on a server that others share."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.plugin = PostgresqlGlobals()
        self.server = server
        folder.mkdir(parents=True)
        self.component = Component(ComponentKey.of("pg", "globals"), folder, dict(server.properties))

    def close(self) -> None:
        for name in self.server.databases() - {"postgres"}:
            self.server.drop(name)
        self.server.sql(
            "DO $$ DECLARE r text; BEGIN FOR r IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'conf%' LOOP"
            " EXECUTE format('DROP OWNED BY %I', r); EXECUTE format('DROP ROLE %I', r); END LOOP; END $$"
        )

    def seed(self) -> None:
        self.server.sql(SEED)

    def whole(self, place: Place | None = None) -> object:
        """Of live, what the catalogs say; of a copy, the lines that stand in it."""
        if place is not None:
            return self._lines(place)
        found = json.loads(self.server.sql(_QUESTION))
        return found if found["roles"] else None

    def _lines(self, place: Place) -> object:
        """As the catalogs have it."""
        if place.name not in self.server.databases():
            return None
        facts: dict[str, list[list[Any]]] = {}
        for kind, *cells in map(json.loads, self.server.sql("SELECT line FROM document", place.name).split("\n")):
            facts.setdefault(kind, []).append(cells)
        return {
            "roles": [_role(cells) for cells in facts["roles"] if _ours(cells[0])],
            "memberships": self._like("memberships", [[a, b, c == "yes"] for a, b, _, c, *_ in facts["memberships"]]),
            "settings": self._like("settings", [[a, b is not None, f"{c}={d}"] for a, b, c, d in facts["settings"]]),
            "grants": [
                [name, "{postgres=sA/postgres,conf_staff=s" + "*" * (option == "yes") + "/postgres}"]
                for _, name, _, grantee, _, option in facts["grants"] if grantee == "conf_staff"
            ],
        }  # fmt: skip

    def _like(self, what: str, rows: list[list[Any]]) -> list[list[Any]]:
        """In the order in which the catalogs have them."""
        now = [row[:2] for row in json.loads(self.server.sql(_QUESTION))[what] or ()]
        return sorted(rows, key=lambda row: now.index(row[:2]) if row[:2] in now else 99)

    def changes(self) -> Sequence[str]:
        names = ("password", "limit", "until", "comment", "setting", "setting in a database", "admin option")
        return (*names, "list setting", "grant option", "login", "inherit", *_FLAGS)

    def change(self, name: str, random: Random) -> str:
        sql = self._change(name, str(random.randrange(1 << 30)))
        self.server.sql(sql)
        return f"{name}: {sql}"

    def _change(self, name: str, value: str) -> str:
        if name in (*_FLAGS, "login", "inherit"):
            column = {"login": "rolcanlogin", "superuser": "rolsuper"}.get(name, f"rol{name}")
            on = self.server.sql(f"SELECT {column} FROM pg_roles WHERE rolname = 'conf_app'") == "t"
            return f"ALTER ROLE conf_app {'NO' if on else ''}{name.upper()}"
        if name == "admin option":
            on = self.server.sql("SELECT bool_or(admin_option) FROM pg_auth_members WHERE roleid::regrole::text ="
                                 " 'conf_staff'") == "t"  # fmt: skip
            taken = "REVOKE ADMIN OPTION FOR conf_staff FROM conf_app"
            return taken if on else "GRANT conf_staff TO conf_app WITH ADMIN OPTION"
        if name == "grant option":
            on = "s*" in self.server.sql("SELECT paracl FROM pg_parameter_acl")
            taken = "REVOKE GRANT OPTION FOR SET ON PARAMETER log_statement FROM conf_staff"
            return taken if on else "GRANT SET ON PARAMETER log_statement TO conf_staff WITH GRANT OPTION"
        number = int(value)
        in_database = f"ALTER ROLE conf_app IN DATABASE postgres SET work_mem TO '{64 + number % 10000}kB'"
        return {
            "password": f"ALTER ROLE conf_app PASSWORD 'other {value}'",
            "limit": f"ALTER ROLE conf_app CONNECTION LIMIT {value}",
            "until": f"ALTER ROLE conf_app VALID UNTIL '{2000 + number % 7000}-0{1 + number % 9}-05 01:02:03+03'",
            "comment": f"COMMENT ON ROLE conf_staff IS 'it''s {value}'",
            "setting": f"ALTER ROLE conf_app SET work_mem TO '{64 + number % 100000}kB'",
            "setting in a database": in_database,
            "list setting": f"ALTER ROLE conf_staff SET search_path TO 'x {value}', \"$user\"",
        }[name]

    def touch(self) -> str:
        self.server.sql("CREATE TABLE conf_touched(id int); ANALYZE pg_authid; DROP TABLE conf_touched")
        return "a table came and went, statistics"

    def grow(self, size: int) -> None:
        """Never that big."""

    def some_sections(self) -> tuple[str, ...]:
        return ("globals:roles",)

    def part(self, place: Place | None = None) -> object:
        whole: Any = self.whole(place) if place is None else None
        if whole is not None:
            return whole["roles"]
        assert place is not None
        lines = map(json.loads, self.server.sql("SELECT line FROM document", place.name).split("\n"))
        return [_role(cells) for kind, *cells in lines if kind == "roles" and _ours(cells[0])]

    def spoil(self, place: Place) -> None:
        other = """UPDATE document SET line = replace(line, '"-1"', '"3"') WHERE line LIKE '%"conf_staff","no"%'"""
        self.server.sql(other, place.name)

    def writer(self, log: Path) -> Writer:
        argv = ["bash", "-c", WRITER, "writer", str(self.server.bin / "psql"), str(log)]
        return ProgramWriter(log, argv, env=self.server.client_environment())

    def written(self, place: Place | None = None) -> set[int]:
        sql = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'conf\\_w\\_%'"
        if place is not None:
            sql = 'SELECT line::json ->> 1 FROM document WHERE line LIKE \'["roles","conf\\_w\\_%\''
        names = self.server.sql(sql, place.name if place else "postgres").split("\n")
        return {int(name.rpartition("_")[2]) for name in names if name}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()


def _role(cells: list[Any]) -> list[Any]:
    name, *flags, limit, until, password, comment = cells
    at = until.removesuffix("+00").replace(" ", "T") if until else None
    return [name, *(flag == "yes" for flag in flags), int(limit), at, password, comment]


def _ours(name: str) -> bool:
    return name.startswith("conf") and not name.startswith("conf_w_")
