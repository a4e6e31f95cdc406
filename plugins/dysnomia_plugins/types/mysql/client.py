"""Talking to a server: the mariadb client (or MySQL's own) with SQL by stdin, answers as lines of JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, BinaryIO

from dysnomia_plugins.base import Context, Runner
from dysnomia_plugins.errors import NotSafe, ToolMissing
from dysnomia_plugins.toolkit.servers import explained
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql import defaults, session
from dysnomia_plugins.types.mysql.contained import resolved
from dysnomia_plugins.types.mysql.names import KEPT, identifier, literal
from dysnomia_plugins.types.mysql.server import CONNECT_TIMEOUT, Given, Server, explain

CLIENTS = ("mariadb", "mysql")
DUMPERS = ("mariadb-dump", "mysqldump")
UNKNOWN_THREAD = 1094
GONE_SECONDS = 60
_ADDRESS = ("user", "host", "port", "socket")
PINNED_SINCE = (10, 11)
"""The first mariadb-dump whose session takes our settings (by a connection string)."""
_VERSION = re.compile(r"(?:Distrib|from|Ver) (\d+)\.(\d+)\.(\d+)(-MariaDB)?")


def program(names: Sequence[str], path: str | None = None) -> str:
    """The path of the first of these programs that is installed. Raises ToolMissing."""
    for name in names:
        if program := shutil.which(name, path=path):
            return program
    raise ToolMissing(f"none of {', '.join(names)} is installed", "apt-get install mariadb-client")


class Client:
    """One server as one activity talks to it."""

    def __init__(
        self,
        server: Server,
        runner: Runner,
        *,
        tag: str = "",
        connect_timeout: int = CONNECT_TIMEOUT,
        path: str | None = None,
    ) -> None:
        """``tag`` names the job: its connections hold a lock of that name, so that a sweep finds them.

        Raises PluginError for a server in a container that cannot be reached."""
        self.server = resolved(server, runner)
        self.tag = tag
        reached = self.server.reached
        self.runner: Runner = runner if reached is None else reached.runner(runner)
        self._connect_timeout = connect_timeout
        self.path = path
        self._version = ""

    @classmethod
    def of(cls, ctx: Context) -> Client:
        """The client of an activity."""
        return cls(Server.of(ctx.component), ctx.runner, tag=ctx.tag, path=ctx.tool_path)

    # Tools.

    @cached_property
    def program(self) -> str:
        """The path of the client program."""
        return self._program(CLIENTS)

    @cached_property
    def dumper(self) -> str:
        """The path of the dump program."""
        return self._program(DUMPERS)

    def _program(self, names: Sequence[str]) -> str:
        """The first of these programs that is installed where it would run. Raises ToolMissing."""
        if not self.server.inside:
            return program(names, self.path)
        for name in names:
            try:
                self.runner.run([name, "--version"], timeout=10)
            except ToolMissing:
                continue
            return name
        raise ToolMissing(f"none of {', '.join(names)} is in the {self.server}", "apt-get install mariadb-client")

    @cached_property
    def dumper_said(self) -> str:
        """What the dump program says of its version."""
        return self.runner.run([self.dumper, "--version"], timeout=30).stdout.decode("utf-8", "replace")

    @cached_property
    def dumper_version(self) -> str:
        """What the dump program says it is of."""
        output = self.dumper_said
        match = _VERSION.search(output)
        return f"{match[1]}.{match[2]}.{match[3]}" if match else output.strip()

    @cached_property
    def client_options(self) -> str:
        """The client program's own help: which options it has."""
        return self.runner.run([self.program, "--help"], timeout=30).stdout.decode("utf-8", "replace")

    @cached_property
    def dumper_options(self) -> str:
        return self.runner.run([self.dumper, "--help"], timeout=30).stdout.decode("utf-8", "replace")

    # Asking.

    @property
    def version_text(self) -> str:
        """The server's version as it says. Raises ServerDown, WrongCredentials."""
        if not self._version:
            self.note_version(self.ask("SELECT JSON_ARRAY(VERSION())")[0])
        return self._version

    def note_version(self, version: str) -> None:
        """Some query told the server's version by the way."""
        self._version = version

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        numbers = re.findall(r"\d+", self.version_text)
        return int(numbers[0]), int(numbers[1])

    @property
    def mariadb(self) -> bool:
        """Whether the server is MariaDB, and not MySQL."""
        return "mariadb" in self.version_text.lower()

    @cached_property
    def account(self) -> tuple[str, str]:
        """The account (user, host) the server takes us for."""
        user, _, host = str(self.ask("SELECT JSON_ARRAY(CURRENT_USER())")[0]).rpartition("@")
        return user, host

    def rows(self, sql: str, database: str = "", *, timeout: float | None = None) -> list[list[Any]]:
        """What a statement gives that selects one ``JSON_ARRAY``."""
        out = self.script(sql + "\n;\n", database, timeout=timeout)
        return [json.loads(line.decode("utf-8", "surrogateescape")) for line in out.splitlines() if line]

    def ask(self, sql: str, *, timeout: float | None = None) -> list[Any]:
        """The first such row; an empty list where there is none."""
        rows = self.rows(sql, timeout=timeout)
        return rows[0] if rows else []

    def several(self, **selects: str) -> dict[str, list[list[Any]]]:
        """What several such statements give, by the names they are given here."""
        answers: dict[str, list[list[Any]]] = {name: [] for name in selects}
        named = (sql.replace("JSON_ARRAY(", f"JSON_ARRAY({literal(name)}, ", 1) for name, sql in selects.items())
        for name, *values in self.rows(";\n".join(named)):
            answers[name].append(values)
        return answers

    def script(
        self, sql: str | bytes, database: str = "", *, timeout: float | None = None, held: bool = False
    ) -> bytes:
        """Statements one after the other; the first that fails ends it. ``held``: a sweep must be able to find the
        connection, whatever it is at. Raises ServerDown, WrongCredentials, ProcessFailed."""
        text = encode(sql) if isinstance(sql, str) else sql
        prefix = session.script(session.OURS) + (f"DO GET_LOCK({literal(self.lock_name)}, 30);\n" if held else "")
        with self.option_file() as given:
            argv = [self.program, *given.words, "--batch", "--raw", "--skip-column-names", "--binary-mode"]
            argv += ["--default-character-set=utf8mb4", *([f"--database={database}"] if database else [])]
            with self.explained():
                return self.runner.run(
                    argv, stdin=encode(prefix) + text, user=self.server.os_user, timeout=timeout, pass_fds=given.fds,
                    env={"HOME": "/nonexistent", **given.env},
                ).stdout  # fmt: skip

    @contextmanager
    def option_file(self, dumping: str | None = None) -> Iterator[Given]:
        """A descriptor with our options, and the argument that names it. ``dumping`` is the connection string of the
        dump program, for which they are (``""`` where it takes none)."""
        if self.server.inside:
            yield self.server.options_inside(self._connect_timeout, dumping)
            return
        named = self._named_for_client if dumping is None else self._named_for_dumper
        with self.server.option_file(self._connect_timeout, dumping or "", named) as descriptor:
            yield Given([descriptor], [f"--defaults-file=/dev/fd/{descriptor}"], {})

    @contextmanager
    def loading(self, database: str, on_stdout: Callable[[bytes], Any]) -> Iterator[BinaryIO]:
        """A client that takes a dump on its standard input. Its own commands are switched off: what is in a dump
        never runs a program on this machine."""
        with self.option_file() as given:
            argv = [self.program, *given.words, "--batch", "--raw", "--skip-column-names", "--binary-mode",
                    "--unbuffered"]  # fmt: skip
            argv += ["--sandbox"] if re.search(r"^\s+--sandbox\b", self.client_options, re.MULTILINE) else []
            argv += ["--default-character-set=utf8mb4", f"--database={database}"]
            with (
                self.explained(),
                self.runner.writing(
                    argv, user=self.server.os_user, pass_fds=given.fds, on_stdout=on_stdout,
                    env={"HOME": "/nonexistent", **given.env},
                ) as stdin,
            ):  # fmt: skip
                yield stdin

    @contextmanager
    def dumping(self, database: str, options: Sequence[str]) -> Iterator[BinaryIO]:
        """A dump of a schema, as a stream. Raises NotSafe where the server's settings would shorten it."""
        string, env = self._dump_session()
        with self.option_file(string) as given:
            argv = [
                self.dumper,
                *given.words,
                "--skip-dump-date",
                "--hex-blob",
                "--default-character-set=utf8mb4",
                *options,
            ]
            if "column-statistics" in self.dumper_options:
                argv.append("--skip-column-statistics")
            argv += ["--", database]
            with (
                self.explained(),
                self.runner.reading(
                    argv,
                    user=self.server.os_user,
                    pass_fds=given.fds,
                    env={"HOME": "/nonexistent", **given.env, **env},
                ) as stream,
            ):
                yield stream

    def _dump_session(self) -> tuple[str, dict[str, str]]:
        """The connection string that sets what matters in the dump program's session, and its environment (the
        password). Both are empty for a program that knows no such string: then the server's defaults must do."""
        version = tuple(int(number) for number in re.findall(r"\d+", self.dumper_version)[:2])
        if "mariadb" not in self.dumper_said.lower() or version < PINNED_SINCE:
            self._refuse_cut()
            return "", {}
        values = {"user": self.server.user, **self.server.address}
        password = self.server.password
        if self.server.defaults_file:
            named = {name: value for name, value in self._named_for_dumper if value is not None}
            password = password or named.get("password", "")
            ours = {name: value for name, value in values.items() if value}
            values = {name: named[name] for name in _ADDRESS if name in named} | ours
        values.pop("protocol", None)  # the dump program takes that from the option file
        string = session.connection_string(values, session.DUMPING)
        return string, {"MYSQL_PWD": password} if password else {}

    @cached_property
    def _named_for_client(self) -> defaults.Options:
        return self._named(defaults.CLIENT_GROUPS)

    @cached_property
    def _named_for_dumper(self) -> defaults.Options:
        return self._named(defaults.DUMPER_GROUPS)

    def _named(self, groups: tuple[str, ...]) -> defaults.Options:
        """What the operator's own option file says of the server. Raises NotSafe."""
        file = self.server.defaults_file
        if not file:
            return ()
        return defaults.connection_options(self.runner, program(("my_print_defaults",), self.path), file, groups)

    def _refuse_cut(self) -> None:
        """Raises NotSafe where a session with the server's defaults would not see all rows."""
        if not self.ask("SELECT JSON_ARRAY(@@GLOBAL.sql_select_limit > 4294967295)")[0]:
            raise NotSafe(
                f"sql_select_limit is set on the server, and {self.dumper_version} of the dump program would obey it",
                "SET GLOBAL sql_select_limit = DEFAULT, or install mariadb-client 10.11 or later",
            )

    def explained(self) -> AbstractContextManager[None]:
        """Turn the failure of a client program into what it means."""
        return explained(lambda error: explain(error, self.server))

    # Schemas.

    def exists(self, database: str) -> bool:
        return bool(self.existing(database))

    def existing(self, *databases: str) -> set[str]:
        """Which of these are there."""
        names = ", ".join(map(literal, databases))
        sql = f"SELECT JSON_ARRAY(schema_name) FROM information_schema.schemata WHERE schema_name IN ({names})"
        return {str(name) for (name,) in self.rows(sql)}

    def tables(self, database: str) -> dict[str, str]:
        """Names and kinds (``BASE TABLE``, ``SEQUENCE``, ``SYSTEM VERSIONED``, ``VIEW``) but our own table's."""
        sql = (
            "SELECT JSON_ARRAY(table_name, table_type) FROM information_schema.tables"
            f" WHERE table_schema = {literal(database)} AND table_name <> {literal(KEPT)}"
        )
        return {str(name): str(kind) for name, kind in self.rows(sql)}

    def drop_database(self, database: str, first: str = "") -> None:
        """Drop it if it is there, with whoever is connected, and what a dead worker of this job left running. ``first``
        is SQL to be run before."""
        who = f"db = {literal(database)} OR {self._own}"
        drop = f"SET SESSION lock_wait_timeout = 60;\nDROP DATABASE IF EXISTS {identifier(database)};\n"
        self.script(killing(who) + first + drop)

    # Sessions.

    @property
    def lock_name(self) -> str:
        return f"dysnomia_{self.tag}"[:64]

    @property
    def _own(self) -> str:
        return f"id = IS_USED_LOCK({literal(self.lock_name)})"

    def end_own(self) -> None:
        """End what a dead worker of this very job left running on the server, and wait until it is gone."""
        self.script(killing(self._own))


def killing(which: str) -> str:
    """The SQL that ends all sessions that a condition on the process list holds for, and waits until none is left.
    (MySQL, on which nothing is replaced, takes it for a comment.)"""
    return f"""DELIMITER //
/*M!100400 BEGIN NOT ATOMIC
  DECLARE deadline datetime DEFAULT NOW() + INTERVAL {GONE_SECONDS:d} SECOND;
  DECLARE found int;
  DECLARE CONTINUE HANDLER FOR {UNKNOWN_THREAD:d} BEGIN END;
  REPEAT
    SET found = 0;
    FOR one IN (SELECT id FROM information_schema.processlist
        WHERE id <> CONNECTION_ID() AND command <> 'Binlog Dump' AND command <> 'Daemon' AND ({which})) DO
      KILL CONNECTION one.id;
      SET found = found + 1;
    END FOR;
    IF found AND NOW() > deadline THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'connections to be ended do not end: see SHOW PROCESSLIST';
    END IF;
    DO SLEEP(IF(found, 0.01, 0));
  UNTIL found = 0 END REPEAT;
END */ //
DELIMITER ;
"""
