"""Talking to a server: psql and pg_dump of its own major version, SQL by stdin, answers as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from dysnomia_plugins.base import Context, Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed, ToolMissing
from dysnomia_plugins.toolkit.servers import explained
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.postgresql.contained import resolved
from dysnomia_plugins.types.postgresql.names import MAX_BYTES, identifier, literal
from dysnomia_plugins.types.postgresql.server import CONNECT_TIMEOUT, NoDatabase, Server, explain
from dysnomia_plugins.types.postgresql.sessions import ASSUMED, TEMPORARY, WATCHES, Session, options
from dysnomia_plugins.types.postgresql.tools import Tool, any_tool, fitting_tool, tool_inside

MAINTENANCE = ("postgres", "template1")


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
        """``avoid`` is a database that may be renamed or dropped, so that we do not stand on it.

        Raises PluginError for a server in a container that cannot be reached."""
        self.server = resolved(server, runner)
        self._maintenance_names = [name for name in MAINTENANCE if name != avoid]
        self.application = application
        reached = self.server.reached
        self._runner: Runner = runner if reached is None else reached.runner(runner)
        self._connect_timeout = connect_timeout
        self._maintenance = ""
        self._version = 0
        self._superuser: bool | None = None
        self._assumed = ASSUMED
        self._watches = True

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

    def note(self, version: int, superuser: bool | None = None) -> None:
        """Some query told the server's version by the way, and whether our role is a superuser."""
        self._version = version
        self._superuser = superuser if superuser is not None else self._superuser

    @property
    def major(self) -> int:
        return self.version // 10000

    @cached_property
    def psql(self) -> Tool:
        """psql, as near to the server's major version as there is one."""
        if self.server.inside:
            return tool_inside("psql", self.server.bin_folder, self._runner)
        return fitting_tool("psql", self.major, self._runner, self.server.bin_folder)

    @property
    def _any_psql(self) -> str:
        """Some psql, before the server's version is known."""
        return self.psql.path if self.server.inside else any_tool("psql", self.server.bin_folder)

    @cached_property
    def pg_dump(self) -> Tool:
        """pg_dump, as near to the server's major version as there is one. Raises ToolMissing where it is too old."""
        if self.server.inside:
            return tool_inside("pg_dump", self.server.bin_folder, self._runner)
        tool = fitting_tool("pg_dump", self.major, self._runner, self.server.bin_folder, minor=False)
        if tool.major < self.major:
            raise ToolMissing(
                f"{tool.path} is of version {tool.major}, and cannot dump a server of version {self.major}",
                f"install postgresql-client-{self.major}, or name the folder of its programs in postgresqlBinDir",
            )
        return tool

    @property
    def tool_warning(self) -> str:
        """Where the client tools are not of the server's major version: that; else ``""``."""
        major = self.pg_dump.major
        return "" if major == self.major else f"pg_dump {major} is used for a server of version {self.major}"

    # Asking.

    def ask(self, sql: str, database: str = "", *, timeout: float | None = None) -> Any:
        """One statement that gives one value of JSON (or a number). None where it gives none.

        Raises ServerDown, WrongCredentials, ProcessFailed."""
        out = self.script(sql + "\n;\n", database, timeout=timeout).decode("utf-8", "surrogateescape")
        return json.loads(out) if out.strip() else None

    def script(
        self, sql: str, database: str = "", *, timeout: float | None = None, session: Session = Session.ASK
    ) -> bytes:
        """Statements one after the other, each in its own transaction unless the script says BEGIN. The first that
        fails ends it. An empty ``database`` means one that is always there."""
        if database or self._maintenance:
            return self._psql(sql, database or self._maintenance, timeout, session)
        for name in self._maintenance_names:
            try:
                out = self._psql(sql, name, timeout, session)
            except PluginError as error:
                if not isinstance(error, NoDatabase) or name == self._maintenance_names[-1]:
                    raise
                continue
            self._maintenance = name
            return out
        raise AssertionError("unreachable")

    def _psql(self, sql: str, database: str, timeout: float | None, session: Session) -> bytes:
        known = self.__dict__.get("psql")
        path = known.path if known is not None else self._any_psql
        argv = [path, "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        while True:
            env = self.environment(database, session) | {"PGCLIENTENCODING": "UTF8"}
            try:
                with self.explained():
                    return self._runner.run(
                        argv, env=env, stdin=encode(sql), user=self.server.os_user, timeout=timeout
                    ).stdout
            except ProcessFailed as error:
                if not self._learns(error.stderr):
                    raise

    def _learns(self, text: str) -> bool:
        """Whether a failure tells what was not known of the server or of our role: then it is asked again."""
        if self._superuser is None and TEMPORARY in text:
            return self.superuser
        if self._watches and WATCHES in text and "unrecognized" not in text:
            self._watches = False
            return True
        before = self._assumed
        if self._version == 0 and before == ASSUMED:
            if re.search(r"unrecognized configuration parameter", text):
                self._assumed = ASSUMED - 1
            elif "transaction timeout" in text or "transaction_timeout" in text:
                self._assumed = 17
        return self._assumed != before

    def environment(self, database: str, session: Session = Session.ASK) -> dict[str, str]:
        """libpq's variables of a session on ``database``."""
        major = self._version // 10000 or self._assumed
        variables = self.server.environment(database, self.application, self._connect_timeout)
        return variables | {
            "PGOPTIONS": options(session, major, superuser=bool(self._superuser), watches=self._watches)
        }

    def explained(self) -> AbstractContextManager[None]:
        """Turn the failure of a client program into what it means."""
        return explained(lambda error: explain(error, self.server))

    @property
    def superuser(self) -> bool:
        """Whether our role is one."""
        if self._superuser is None:
            self._superuser = bool(self.ask("SELECT to_json(rolsuper) FROM pg_roles WHERE rolname = current_user"))
        return self._superuser

    # Databases.

    def exists(self, database: str) -> bool:
        return bool(self.ask(f"SELECT count(*) FROM pg_database WHERE datname = {literal(database)}"))

    def name_of(self, oid: int) -> str | None:
        name = self.ask(f"SELECT to_json(datname::text) FROM pg_database WHERE oid = {oid:d}")
        return None if name is None else str(name)

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
        numbers: list[int | None] = self.ask(
            "SELECT json_agg(d.oid::bigint ORDER BY v.n)"
            f" FROM (VALUES {names}) v(n, name) LEFT JOIN pg_database d ON d.datname = v.name"
        )
        return numbers

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
        self.note(facts["version"])
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
