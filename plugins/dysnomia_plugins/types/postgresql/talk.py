"""One session of psql, asked and told as the answers go, for a transaction of ours."""

from __future__ import annotations

import json
import queue
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.conversation import Conversation
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.contents import python_codec
from dysnomia_plugins.types.postgresql.names import literal
from dysnomia_plugins.types.postgresql.rows import unescaped
from dysnomia_plugins.types.postgresql.sessions import Session, printed

_BEGIN = """\\set VERBOSITY verbose
SELECT pg_catalog.set_config('dysnomia.search_path', pg_catalog.concat_ws(', ', 'pg_catalog',
  nullif(pg_catalog.current_setting('search_path'), ''), 'pg_temp'), false),
  pg_catalog.set_config('dysnomia.timezone', pg_catalog.current_setting('TimeZone'), false);
"""
_VIEWS = """SELECT pg_catalog.set_config(name, '%s', false) FROM pg_catalog.pg_settings
  WHERE name OPERATOR(pg_catalog.=) 'restrict_nonsystem_relation_kind';
"""
"""Whether what is a view by now is read (a server knows it since 2024): its owner could have made one of a table."""
OWN = f"""{_VIEWS % ""}SELECT
  pg_catalog.set_config('search_path', pg_catalog.current_setting('dysnomia.search_path'), false),
  pg_catalog.set_config('TimeZone', pg_catalog.current_setting('dysnomia.timezone'), false);
"""
"""Before what runs functions of the database: checks, defaults, generated columns."""
_OURS = f"""SET search_path = pg_catalog, pg_temp;
SET row_security = off;
SET constraint_exclusion = off;
{_VIEWS % "view, foreign-table"}"""


@dataclass
class Talk:
    """Asks. Every text is in the encoding of the snapshot's rows, which the server is told."""

    codec: str
    encoding: str
    """The same, as PostgreSQL calls it."""
    _conversation: Conversation

    def ask(self, sql: str) -> list[bytes]:
        """Run statements; the lines that they print. Leaves with BrokenPipeError where one fails, which ends psql."""
        end = secrets.token_hex(16)
        statements = f"{sql}\nCOPY (SELECT {literal(end)}) TO STDOUT;\n".encode(self.codec, "surrogateescape")
        return self._conversation.ask(statements, end.encode())

    def rows(self, query: str) -> list[list[bytes]]:
        """What a query gives, as the fields of COPY."""
        return [line.split(b"\t") for line in self.ask(f"COPY ({query}) TO STDOUT;")]

    def value(self, query: str) -> Any:
        """One value of JSON; None where there is none."""
        lines = self.ask(f"COPY ({query}) TO STDOUT;")
        if not lines or lines[0] == b"\\N":
            return None
        return json.loads(unescaped(lines[0]).decode(self.codec, "surrogateescape"))

    @property
    def ours(self) -> str:
        """After what ran functions of the database, which may have set anything: the session as it began."""
        return f"SET client_encoding = {literal(self.encoding)};\n{_OURS}{printed()}"

    def text(self, raw: bytes) -> str:
        """Of bytes of the dump, so that they come to the server as they are. Raises NotSafe where they would not."""
        text = raw.decode(self.codec, "surrogateescape")
        if text.encode(self.codec, "surrogateescape") != raw:
            raise NotSafe(
                f"the snapshot holds bytes that are not valid {self.codec}", "restore a copy beside what is live"
            )
        return text


@contextmanager
def talking(client: Client, database: str, encoding: str) -> Iterator[Talk]:
    """A session on ``database``, in no transaction yet. Raises ProcessFailed, ServerDown, WrongCredentials, Cancelled.

    Args:
        encoding: of the snapshot's rows, as PostgreSQL calls it; ``""`` where it is UTF-8, or none.
    """
    superuser, psql = client.superuser, client.psql.path
    assert superuser in (True, False)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    env = client.environment(database, Session.LOAD) | {"PGCLIENTENCODING": encoding or "UTF8"}
    argv = [psql, "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    with (
        client.explained(),
        client.runner.writing(argv, env=env, user=client.server.os_user, on_stdout=lines.put) as stdin,
    ):
        talk = Talk(python_codec(encoding or "UTF8"), encoding or "UTF8", Conversation(stdin, lines))
        talk.ask(_BEGIN + talk.ours)
        if not encoding and talk.value("SELECT to_json(current_setting('server_encoding'))") == "SQL_ASCII":
            talk.encoding = "SQL_ASCII"
            talk.ask(talk.ours)
        yield talk
