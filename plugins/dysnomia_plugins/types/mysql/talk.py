"""One session of the mariadb client, asked and told as the answers go, for a transaction of ours."""

from __future__ import annotations

import json
import queue
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.toolkit.sqldump.conversation import Conversation
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql import session
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import literal

LOCK_SECONDS = 10
_SETTINGS = (
    *session.OURS,
    # Neither cascades nor the server's own looks: see ``put_back``.
    f"{session.WRITING}, innodb_lock_wait_timeout = {LOCK_SECONDS} /*M!100201 , check_constraint_checks = 1 */",
)


@dataclass
class Talk:
    """Asks."""

    _conversation: Conversation

    def ask(self, sql: str | bytes) -> list[bytes]:
        """Run statements, each with its semicolon; the lines that they print. Leaves with BrokenPipeError where one
        fails, which ends the client."""
        end = secrets.token_hex(16).encode()
        statements = encode(sql) if isinstance(sql, str) else sql
        return self._conversation.ask(statements + b"\nSELECT '" + end + b"';\n", end)

    def rows(self, sql: str) -> list[list[Any]]:
        """What a statement gives that selects one ``JSON_ARRAY``."""
        return [json.loads(line.decode("utf-8", "surrogateescape")) for line in self.ask(sql + ";")]


@contextmanager
def talking(client: Client, database: str, *, held: bool = False) -> Iterator[Talk]:
    """A session on ``database``, in no transaction yet. ``held``: it changes something, so that a sweep must be able to
    find it. Raises ProcessFailed, ServerDown, WrongCredentials, Cancelled."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with client.option_file() as given:
        argv = [
            client.program,
            *given.words,
            "--batch",
            "--raw",
            "--skip-column-names",
            "--binary-mode",
            "--unbuffered",
        ]
        argv += ["--sandbox"] if re.search(r"^\s+--sandbox\b", client.client_options, re.MULTILINE) else []
        argv += ["--skip-reconnect", "--default-character-set=utf8mb4", f"--database={database}"]
        with (
            client.explained(),
            client.runner.writing(
                argv,
                user=client.server.os_user,
                pass_fds=given.fds,
                on_stdout=lines.put,
                env={"HOME": "/nonexistent", **given.env},
            ) as stdin,
        ):
            talk = Talk(Conversation(stdin, lines))
            talk.ask(session.script(_SETTINGS) + (f"DO GET_LOCK({literal(client.lock_name)}, 30);" if held else ""))
            yield talk
