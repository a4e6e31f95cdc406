"""One InfluxDB server and how we come to it: HTTP, from the container's properties.

Properties: ``influxdbHttpPort`` (Dysnomia's; 8086), ``influxdbHttpHost`` (127.0.0.1), and where the server asks for an
account, ``influxdbUser`` and ``influxdbPassword``: an administrator. Dysnomia's ``influxdbUsername`` is the user of the
machine that its module becomes; nothing here needs it. A password goes in a header, never in an address.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.bounded_http import BoundedConnection
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.listeners import users_listening

HOST, PORT = "127.0.0.1", "8086"
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT = 600.0
_MOST_OF_ANSWER = 1 << 16
_MOST_OF_CHUNK = 1 << 29
"""Bytes of a chunk of rows, which has to be whole before it can be read."""
_ROWS = 10_000
_WHERE = re.compile(r" at line \d+, char \d+")
Series = Mapping[str, Any]
"""One series of an answer: ``name``, ``tags``, ``columns``, ``values``."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the account we are on it."""

    host: str = HOST
    port: int = int(PORT)
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = _TIMEOUT
    token: str = field(default="", repr=False)
    owner: int | None = None
    """The user who runs it, where that is known: nobody else but root is told the password there."""

    @classmethod
    def of(cls, component: Component, timeout: float = _TIMEOUT) -> Server:
        """Raises PluginError for a port that is none."""
        port = component.prop("influxdbHttpPort", PORT) or PORT
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise PluginError(f"influxdbHttpPort is {port!r}, which is not a port", "set it to the port of [http]")
        return cls(
            component.prop("influxdbHttpHost", HOST) or HOST,
            int(port),
            component.prop("influxdbUser"),
            component.prop("influxdbPassword"),
            timeout,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    # Requests.

    def version(self) -> str:
        """What the server says it is: it is not told the password for that. Raises ServerDown."""
        with closing(self._connection()) as connection:
            answer = self._asked(connection, "GET", "/ping", None, known=False)
            answer.read(_MOST_OF_ANSWER)
            return answer.headers.get("X-Influxdb-Version", "")

    def query(self, statement: str, database: str = "") -> list[Series]:
        """The series that a statement answers with, all of them. Raises PluginError."""
        return list(self._streamed(statement, database, _ROWS, json.JSONDecoder()))

    def chunks(self, statement: str, database: str, rows: int) -> Iterator[Series]:
        """The same as it comes, at most ``rows`` rows at a time, with all numbers as the server wrote them (text).

        Raises PluginError."""
        return self._streamed(statement, database, rows, json.JSONDecoder(parse_float=str, parse_int=str))

    def _streamed(self, statement: str, database: str, rows: int, decoder: json.JSONDecoder) -> Iterator[Series]:
        """Always in chunks: an answer in one piece would be cut without a word where the server limits its rows."""
        words = {"q": statement, "db": database, "epoch": "ns", "chunked": "true", "chunk_size": str(rows)}
        with closing(self._connection()) as connection:
            answer = self._query(connection, words)
            last = True
            try:
                while line := _line(connection, answer):
                    if not line.strip():
                        continue
                    chunk = decoder.decode(line.decode("utf-8"))
                    yield from _series(chunk, statement)
                    last = not any(one.get("partial") for one in chunk.get("results", ()))
            except (OSError, HTTPException, ValueError) as error:
                raise ServerDown(f"InfluxDB on {self} ended its answer half-way ({type(error).__name__})") from error
            if not last:
                raise ServerDown(f"InfluxDB on {self} ended its answer half-way")

    def write(self, points: Sequence[bytes], database: str, policy: str = "") -> None:
        """Points in line protocol, in order: in halves where they are more than the server takes at once
        (``max-body-size``). Raises PluginError."""
        if self._is_written(b"".join(points), database, policy):
            return
        if len(points) < 2:
            raise PluginError(
                f"InfluxDB on {self} takes no point of {len(points[0])} bytes (413)",
                "raise max-body-size in [http] of its configuration",
            )
        middle = len(points) // 2
        self.write(points[:middle], database, policy)
        self.write(points[middle:], database, policy)

    def _is_written(self, lines: bytes, database: str, policy: str) -> bool:
        """False where the server takes less at once; it looks at the size alone, and took nothing of it then."""
        words = {"db": database, "precision": "ns", **({"rp": policy} if policy else {})}
        with closing(self._connection()) as connection:
            answer = self._asked(connection, "POST", f"/write?{urlencode(words, quote_via=quote)}", lines)
            if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return False
            if answer.status != HTTPStatus.NO_CONTENT:
                self._refused(answer, "the points")
            answer.read(_MOST_OF_ANSWER)
            return True

    def _connection(self) -> BoundedConnection:
        return BoundedConnection(self.host, self.port, self.timeout)

    def _query(self, connection: BoundedConnection, words: Mapping[str, str]) -> HTTPResponse:
        answer = self._asked(
            connection, "POST", "/query", urlencode(words).encode(), "application/x-www-form-urlencoded"
        )
        if answer.status != 200:
            self._refused(answer, f"a query ({_named(words['q'])})", words["q"])
        return answer

    def _asked(
        self,
        connection: BoundedConnection,
        method: str,
        path: str,
        body: bytes | None,
        kind: str = "text/plain",
        *,
        known: bool = True,
    ) -> HTTPResponse:
        """``known``: whether the account is sent along."""
        headers = {"Content-Type": kind, **(self._account() if known else {})}
        try:
            if known and self.owner is not None:
                self._require_owner(self.owner)  # also before the connection: it may be accepted and the port left
                connection.connect()
                self._require_owner(self.owner)
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all of it
                connection.request(method, path, body, headers)
            connection.begin()
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ServerDown(
                f"InfluxDB on {self} is not answering ({why})", "start it, or correct influxdbHttpHost and -Port"
            ) from error

    def _account(self) -> Mapping[str, str]:
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if self.user:
            word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {word}"}
        return {}

    def _require_owner(self, owner: int) -> None:
        """Raises NotSafe where somebody else listens there, ConnectionRefusedError where nobody does."""
        users = users_listening(self.port)
        if not users:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        others = users - {0, owner}
        if others:
            raise NotSafe(
                f"port {self.port}, where InfluxDB was, is in use by a process of {user_in_words(min(others))}",
                "end that process, and start InfluxDB",
            )

    def _refused(self, answer: HTTPResponse, what: str, statement: str = "") -> NoReturn:
        text = answer.read(_MOST_OF_ANSWER).decode("utf-8", "replace")
        try:
            text = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            pass
        if answer.status in (401, 403):
            raise WrongCredentials(
                f"InfluxDB on {self} does not let {self.user or 'us'} in: {_said(text, statement)}",
                "set influxdbUser and influxdbPassword to an administrator of it",
            )
        raise PluginError(f"InfluxDB on {self} refuses {what} ({answer.status}): {_said(text, statement)}")


def _line(connection: BoundedConnection, answer: HTTPResponse) -> bytes:
    """The next chunk of rows; nothing at the end. Raises OSError, HTTPException, ValueError for one without an end."""
    connection.begin()
    line = answer.readline(_MOST_OF_CHUNK)
    if len(line) == _MOST_OF_CHUNK:
        raise ValueError("a line without an end")
    return line


def _series(answer: Mapping[str, Any], statement: str) -> Iterator[Series]:
    """Raises PluginError for what the server says is wrong."""
    error = answer.get("error")
    for result in answer.get("results", ()):
        error = error or result.get("error")
        if not error:
            yield from result.get("series", ())
    if error:
        raise PluginError(f"InfluxDB: {_said(str(error), statement)} ({_named(statement)})")


def _named(statement: str) -> str:
    """What a statement is, by its first two words: those after them may be a password."""
    return " ".join(statement.split(None, 2)[:2])[:60]


def _said(text: str, statement: str) -> str:
    """What the server says of a statement: it repeats words, so of one with a password only where the error is."""
    if "password" not in statement.lower():
        return text[:500]
    where = _WHERE.search(text)
    return f"it refuses a statement with a password{where[0] if where else ''}"
