"""etcd's API in JSON, which every etcd from 3.4 on serves beside gRPC: one connection, kept, with the account's token.

Source: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/, and rpc.proto of etcd 3.4. Keys and values are base64,
numbers of 64 bits are texts, what is zero or empty is left out. What a request does is said by its path.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.bounded_http import BoundedConnection
from dysnomia_plugins.types.etcd.server import Endpoint, Server

PATIENCE = 15.0
"""Seconds for which a cluster that chooses a leader, or a member that is started anew, is waited for."""
_TIMEOUT = 60.0
_POLL = 0.25
_PIECE = 1 << 16
_MOST = 512 << 20
"""Bytes of any answer: one key can hold no more."""
SMALL = 1 << 20
"""Bytes of one that says something of the server."""
_BUSY = (
    "timed out", "leader changed", "no leader", "too many requests", "server stopped", "not ready to serve",
    "not capable", "connection refused", "transport is closing", "connection closing", "unhealthy cluster",
)  # fmt: skip
Answer = Mapping[str, Any]


class TooMuch(PluginError):
    """An answer is larger than was wanted."""


class Refused(PluginError):
    """The server answers and does not do it; ``text`` is what it says."""

    def __init__(self, server: Server, text: str, hint: str = "") -> None:
        super().__init__(f"etcd on {server} refuses: {text}", hint)
        self.text = text


class Compacted(Refused):
    """The revision that is read is no longer kept."""


class Session:
    """A connection to the first member that answers."""

    def __init__(self, server: Server, timeout: float = _TIMEOUT, patience: float = PATIENCE) -> None:
        """Args: patience: seconds for which a request that can be made again is tried, once the server has answered."""
        self.server = server
        self._timeout, self._patience = timeout, patience
        self._tls = server.tls() if any(one.tls for one in server.endpoints) else None
        self._connection: http.client.HTTPConnection | None = None
        self._endpoint = 0
        self._has_answered = False
        self._token: str | None = None
        """``""`` where none is asked for, None where that is not known yet."""

    def close(self) -> None:
        """Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, path: str, body: Answer, *, most: int = _MOST, again: bool = True) -> Answer:
        """The answer to a request.

        Args:
            most: bytes of it that are wanted. Raises TooMuch.
            again: whether it may be made twice: a read, or a change that has no effect the second time.

        Raises Refused, ServerDown, WrongCredentials, PluginError."""
        deadline = time.monotonic() + self._patience
        tries = len(self.server.endpoints)
        while True:
            try:
                answer = self._with_token(path, body, most)
            except ServerDown:
                self.close()
                self._endpoint = (self._endpoint + 1) % len(self.server.endpoints)
                tries -= 1
                over = time.monotonic() + _POLL > deadline if self._has_answered else tries <= 0
                if not again or over:
                    raise
            else:
                self._has_answered = True
                return answer
            if self._has_answered:
                time.sleep(_POLL)

    def _with_token(self, path: str, body: Answer, most: int) -> Answer:
        if self.server.user and self._token is None:
            self._authenticate()
        try:
            return self._asked(path, body, most)
        except _TokenSpent:
            self._authenticate()
        try:
            return self._asked(path, body, most)
        except _TokenSpent as error:
            raise WrongCredentials(f"etcd on {self.server} refuses the token of {self.server.user!r}") from error

    def _authenticate(self) -> None:
        """Raises WrongCredentials. A server that asks for no account gives no token."""
        self._token = ""
        body = {"name": self.server.user, "password": self.server.secret()}
        try:
            self._token = str(self._asked("auth/authenticate", body, SMALL).get("token", ""))
        except Refused as error:
            if "authentication is not enabled" in error.text:
                return
            raise WrongCredentials(
                f"etcd on {self.server} refuses the login of {self.server.user!r}", "check etcdUser and etcdPassword"
            ) from None

    def _asked(self, path: str, body: Answer, most: int) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        status, data = self._exchange("POST", f"/v3/{path}", json.dumps(body).encode(), headers, most)
        try:
            answer: Any = json.loads(data)
        except ValueError:
            answer = None
        if status == http.client.OK and isinstance(answer, dict):
            return answer
        text = str(answer.get("message") or answer.get("error")) if isinstance(answer, dict) else ""
        raise self._in_words(status, text)

    def text(self, path: str) -> str:
        """What a page of the server's says; ``""`` where there is none. Raises ServerDown."""
        status, data = self._exchange("GET", path, None, {}, 1 << 22)
        return data.decode("utf-8", "replace") if status == http.client.OK else ""

    # One request.

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], most: int
    ) -> tuple[int, bytes]:
        endpoint = self.server.endpoints[self._endpoint]
        try:
            if self._connection is None:
                self._connection = self._opened(endpoint)
            self._connection.request(method, path, body, dict(headers))
            self._begin()
            with self._connection.getresponse() as response:
                pieces, size = [], 0
                while piece := response.read(_PIECE):
                    size += len(piece)
                    if size > most:
                        raise TooMuch(
                            f"etcd on {endpoint} answers with more than {most:,} bytes", "check etcdEndpoints"
                        )
                    pieces.append(piece)
                return response.status, b"".join(pieces)
        except TooMuch:
            self.close()
            raise
        except ssl.SSLError as error:
            self.close()
            raise self._no_tls(endpoint, error) from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ServerDown(
                f"etcd on {endpoint} does not answer ({reason})", "start it, or check etcdEndpoints"
            ) from None

    def _opened(self, endpoint: Endpoint) -> http.client.HTTPConnection:
        if endpoint.tls:
            return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=self._timeout, context=self._tls)
        return BoundedConnection(endpoint.host, endpoint.port, self._timeout)

    def _begin(self) -> None:
        """The time for an answer, however slowly it comes. Who answers over TLS has shown who it is: it has none."""
        if isinstance(self._connection, BoundedConnection):
            self._connection.begin()

    def _no_tls(self, endpoint: Endpoint, error: ssl.SSLError) -> PluginError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return NotSafe(
                f"the certificate of etcd on {endpoint} is not trusted ({error.verify_message})", "set etcdCaFile"
            )
        reason = error.reason or "no TLS"
        hint = "it may want a certificate: set etcdCertFile and etcdKeyFile"
        return WrongCredentials(f"etcd on {endpoint} ends the TLS connection ({reason})", hint)

    def _in_words(self, status: int, text: str) -> PluginError:
        words = " ".join(text.removeprefix("etcdserver: ").split())[:300]
        if status == http.client.NOT_FOUND or not words:
            return PluginError(
                f"{self.server} does not serve etcd's API in JSON (status {status})",
                "etcd 3.4 or newer is needed, with --enable-grpc-gateway",
            )
        if "invalid auth token" in words or "revision of auth store is old" in words:
            return _TokenSpent(self.server, words)
        if "user name is empty" in words:
            return WrongCredentials(f"etcd on {self.server} asks for an account", "set etcdUser and etcdPassword")
        if "permission denied" in words:
            return Refused(
                self.server, f"{words} (user {self.server.user!r})", "grant it all keys with the component's prefix"
            )
        if "larger than max" in words:
            words = f"request is too large ({words})"
        if "compacted" in words:
            return Compacted(self.server, words)
        if "learner" in words:
            return Refused(self.server, words, "name a member that votes in etcdEndpoints")
        if "space exceeded" in words:
            return Refused(self.server, words, "compact, defragment, and disarm the alarm NOSPACE (etcdctl)")
        if any(word in words.lower() for word in _BUSY):
            return ServerDown(
                f"etcd on {self.server} cannot answer ({words})",
                "most of its members must be up and reach each other: etcdctl endpoint status",
            )
        hint = "have it take larger ones (--max-request-bytes)" if "too large" in words else ""
        return Refused(self.server, words, hint)


class _TokenSpent(Refused):
    pass


@contextmanager
def session(server: Server, **options: float) -> Iterator[Session]:
    """One that is closed at the end. Raises PluginError, NotSafe."""
    made = Session(server, **options)
    try:
        yield made
    finally:
        made.close()
