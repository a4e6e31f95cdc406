"""Talking to a server: psql and pg_dump of its own major version, SQL by stdin, answers as JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context, Runner
from dysnomia_plugins.errors import PluginError, ToolMissing
from dysnomia_plugins.pg.names import MAX_BYTES, identifier, literal
from dysnomia_plugins.pg.server import CONNECT_TIMEOUT, Server, explain
from dysnomia_plugins.servers import explained
from dysnomia_plugins.sqldump.names import encode

TOOL_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql-")
MAINTENANCE = ("postgres", "template1")

_FIXED_RESTRICT = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""From which minor release on psql has \\restrict (14 August 2025)."""
_FIXED_UNRESTRICT = {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}
"""From which minor release on a dump cannot leave it (CVE-2026-18408)."""
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Tool:
    """A client program and its version."""

    path: str
    major: int
    minor: int

    @property
    def restricts(self) -> bool:
        """Whether psql knows ``\\restrict``."""
        return self.major >= 18 or self.minor >= _FIXED_RESTRICT.get(self.major, 1 << 30)

    @property
    def warning(self) -> str:
        """What is wrong with loading untrusted dumps by this psql, or ``""``."""
        fixed = _FIXED_UNRESTRICT.get(self.major)
        if self.major > 18 or (fixed is not None and self.minor >= fixed):
            return ""
        return f"psql {self.major}.{self.minor} has known holes for hostile dumps" + (
            f" (fixed in {self.major}.{fixed})" if fixed else ""
        )


def application_name(tag: str) -> str:
    """What connections of a job are called on the server, so that a sweep finds them."""
    return f"dysnomia-{tag}".encode("ascii", "replace").decode()[:MAX_BYTES]


class Client:
    """One server as one activity talks to it."""

    def __init__(
        self,
        server: Server,
        runner: Runner,
        *,
        application: str = "dysnomia",
        connect_timeout: int = CONNECT_TIMEOUT,
        avoid: str = "",
    ) -> None:
        """``avoid`` is a database that may be renamed or dropped, so that we do not stand on it."""
        self.server = server
        self._maintenance_names = [name for name in MAINTENANCE if name != avoid]
        self.application = application
        self._runner = runner
        self._connect_timeout = connect_timeout
        self._maintenance = ""
        self._version = 0

    @classmethod
    def of(cls, ctx: Context) -> Client:
        """The client of an activity; its connections carry the job's tag."""
        return cls(
            Server.of(ctx.component),
            ctx.runner,
            application=application_name(ctx.tag),
            avoid=ctx.component.key.component,
        )

    @property
    def runner(self) -> Runner:
        return self._runner

    # Tools.

    @property
    def version(self) -> int:
        """The server's ``server_version_num``. Raises ServerDown, WrongCredentials."""
        if not self._version:
            self._version = int(self.ask("SELECT current_setting('server_version_num')::int"))
        return self._version

    def note_version(self, version: int) -> None:
        """Some query told the server's version by the way."""
        self._version = version

    @property
    def major(self) -> int:
        return self.version // 10000

    @cached_property
    def psql(self) -> Tool:
        """psql of the server's major version, else the one on the PATH."""
        return self._tool("psql")

    @cached_property
    def pg_dump(self) -> str:
        """The path of pg_dump of the server's major version, else of the one on the PATH."""
        return tool_path("pg_dump", self.major)

    @cached_property
    def tool_warning(self) -> str:
        """Where the client tools are not of the server's major version: that; else ``""``."""
        if f"{self.major}/bin/" in self.pg_dump:
            return ""
        major = self._tool("pg_dump").major
        return "" if major == self.major else f"pg_dump {major} is used for a server of version {self.major}"

    def _tool(self, name: str) -> Tool:
        path = tool_path(name, self.major)
        done = self._runner.run([path, "--version"], timeout=30)
        match = _VERSION.search(done.stdout.decode("utf-8", "replace"))
        if match is None:
            raise ToolMissing(f"{path} does not say which version of PostgreSQL it is of")
        return Tool(path, int(match[1]), int(match[2] or 0))

    # Asking.

    def ask(self, sql: str, database: str = "", *, timeout: float | None = None) -> Any:
        """One statement that gives one value of JSON (or a number). None where it gives none.

        Raises ServerDown, WrongCredentials, ProcessFailed."""
        out = self.script(sql + "\n;\n", database, timeout=timeout).decode("utf-8", "surrogateescape")
        return json.loads(out) if out.strip() else None

    def script(self, sql: str, database: str = "", *, timeout: float | None = None) -> bytes:
        """Statements one after the other, each in its own transaction unless the script says BEGIN. The first that
        fails ends it. An empty ``database`` means one that is always there."""
        if database:
            return self._psql(sql, database, timeout)
        if self._maintenance:
            return self._psql(sql, self._maintenance, timeout)
        for name in self._maintenance_names:
            try:
                out = self._psql(sql, name, timeout)
            except PluginError as error:
                if f'database "{name}" does not exist' not in str(error) or name == self._maintenance_names[-1]:
                    raise
                continue
            self._maintenance = name
            return out
        raise AssertionError("unreachable")

    def _psql(self, sql: str, database: str, timeout: float | None) -> bytes:
        path = self.__dict__["psql"].path if "psql" in self.__dict__ else tool_path("psql", None)
        argv = [path, "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        env = self.environment(database) | {"PGCLIENTENCODING": "UTF8"}
        with self.explained():
            return self._runner.run(argv, env=env, stdin=encode(sql), user=self.server.os_user, timeout=timeout).stdout

    def environment(self, database: str) -> dict[str, str]:
        return self.server.environment(database, self.application, self._connect_timeout)

    def explained(self) -> AbstractContextManager[None]:
        """Turn the failure of a client program into what it means."""
        return explained(lambda error: explain(error, self.server))

    @cached_property
    def superuser(self) -> bool:
        """Whether our role is one."""
        return bool(self.ask("SELECT to_json(rolsuper) FROM pg_roles WHERE rolname = current_user"))

    # Databases.

    def exists(self, database: str) -> bool:
        return bool(self.ask(f"SELECT count(*) FROM pg_database WHERE datname = {literal(database)}"))

    def name_of(self, oid: int) -> str | None:
        found = self.ask(f"SELECT to_json(datname::text) FROM pg_database WHERE oid = {oid:d}")
        return None if found is None else str(found)

    def end_backends(self) -> None:
        """End what a dead worker of this very job left running on the server, and wait until it is gone."""
        self.script(
            f"""DO $do$ DECLARE deadline timestamptz := clock_timestamp() + interval '60 s'; BEGIN
              LOOP
                PERFORM pg_stat_clear_snapshot();
                PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE application_name = {literal(self.application)} AND pid <> pg_backend_pid();
                EXIT WHEN NOT FOUND;
                IF clock_timestamp() > deadline THEN RAISE EXCEPTION 'connections of the job before do not end'; END IF;
                PERFORM pg_sleep(0.02);
              END LOOP;
            END $do$;"""
        )

    def oids(self, *databases: str) -> list[int | None]:
        """The oids of several databases; None for each that is not there."""
        names = ", ".join(f"({n}, {literal(name)})" for n, name in enumerate(databases))
        found: list[int | None] = self.ask(
            "SELECT json_agg(d.oid::bigint ORDER BY v.n)"
            f" FROM (VALUES {names}) v(n, name) LEFT JOIN pg_database d ON d.datname = v.name"
        )
        return found

    def drop_database(self, database: str) -> None:
        """Drop it if it is there, with whoever is connected. Subscriptions in it are forgotten, not their slots."""
        facts = self.ask(
            f"""SELECT json_build_object('version', current_setting('server_version_num')::int,
              'template', d.datistemplate,
              'subscriptions', (SELECT json_agg(s.subname::text) FROM pg_subscription s WHERE s.subdbid = d.oid))
            FROM pg_database d WHERE d.datname = {literal(database)}"""
        )
        if facts is None:
            return
        self.note_version(facts["version"])
        name = identifier(database)
        self._forget_subscriptions(database, facts["subscriptions"] or ())
        if facts["template"]:
            self.script(f"ALTER DATABASE {name} WITH IS_TEMPLATE false;")
        if self.version >= 130000:
            self.script(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
            return
        self.script(
            f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false;\n"
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal(database)};\n"
            f"DROP DATABASE IF EXISTS {name};"
        )

    def _forget_subscriptions(self, database: str, subscriptions: Sequence[str]) -> None:
        for subscription in subscriptions:
            name = identifier(subscription)
            self.script(
                f"ALTER SUBSCRIPTION {name} DISABLE;\nALTER SUBSCRIPTION {name} SET (slot_name = NONE);\n"
                f"DROP SUBSCRIPTION {name};",
                database,
            )


def tool_path(name: str, major: int | None) -> str:
    """Where a client program of a major version is; the newest there is for None; else its bare name for the PATH."""
    if major is not None:
        for folder in TOOL_FOLDERS:
            candidate = Path(f"{folder}{'' if folder.endswith('-') else '/'}{major}/bin/{name}")
            if candidate.is_file():
                return str(candidate)
        return name
    found = [
        (int(match[1]), path)
        for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin")
        for path in Path("/usr").glob(f"{pattern}/{name}")
        if (match := re.search(r"(\d+)/bin/", str(path)))
    ]
    if found:
        return str(max(found)[1])
    return shutil.which(name) or name
