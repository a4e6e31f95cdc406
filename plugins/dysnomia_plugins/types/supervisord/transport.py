"""XML-RPC to supervisord, by a socket in the file system or a port: who answers there, how much and for how long.

A socket in ``/tmp`` (where supervisord's own sample has it) and a port above 1024 can be anybody's while supervisord is
down: nothing is sent to a process of another user, and no answer is waited for or kept without an end.
"""

from __future__ import annotations

import http.client
import os
import pwd
import socket
import struct
import xmlrpc.client
from contextlib import suppress
from typing import Any

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.bounded_http import BoundedConnection
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.listeners import users_listening
from dysnomia_plugins.types.supervisord.address import Address

MOST = 1 << 24
"""Bytes of an answer: what is told of a process are some hundreds."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UCRED = "3i"
_PIECE = 1 << 16


def proxy(address: Address, timeout: float) -> xmlrpc.client.ServerProxy:
    """Each answer has to be whole within ``timeout``."""
    return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(address, timeout))


class _Connection(BoundedConnection):
    """To a socket in the file system, or to a port."""

    def __init__(self, address: Address, timeout: float) -> None:
        super().__init__(address.host or "localhost", address.port or None, timeout)
        self._address = address

    def connect(self) -> None:
        """Raises NotSafe where a process of another user listens."""
        if self._address.path:
            self._connect_to_socket()
            return
        super().connect()
        if self._address.host in _LOOPBACK:
            self._require(users_listening(self._address.port))

    def _connect_to_socket(self) -> None:
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.settimeout(self.seconds)
            connected.connect(self._address.path)
            size = struct.calcsize(_UCRED)
            _, uid, _ = struct.unpack(_UCRED, connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            self._require({uid})
        except BaseException:
            connected.close()
            raise
        self.take(connected)

    def _require(self, users: frozenset[int] | set[int]) -> None:
        others = users - {0, os.geteuid(), *_user(self._address.user)}
        if others:
            raise NotSafe(
                f"at {self._address.shown} listens a process of {user_in_words(min(others))}, which need not be"
                " supervisord: nothing was sent to it",
                "end it, and start supervisord; one that is run by another user has that user= in its [supervisord]",
            )


class _Transport(xmlrpc.client.Transport):
    def __init__(self, address: Address, timeout: float) -> None:
        super().__init__(headers=address.headers)
        self._address = address
        self._timeout = timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = self._connection[1] or _Connection(self._address, self._timeout)
        self._connection = host, connection
        return connection

    def single_request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """As its own, which reads an answer whole, however long it is. Raises ProtocolError."""
        try:
            connection = self.make_connection(host)
            if isinstance(connection, _Connection):
                connection.begin()
            answer = self.send_request(host, handler, request_body, verbose).getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise xmlrpc.client.ProtocolError(handler, answer.status, answer.reason, {})
            return self.parse_response(answer)
        except BaseException:
            self.close()
            raise

    def parse_response(self, response: Any) -> Any:
        """Raises ResponseError for one that is too long."""
        parser, target = self.getparser()
        size = 0
        while piece := response.read(_PIECE):
            size += len(piece)
            if size > MOST:
                raise xmlrpc.client.ResponseError("an answer without an end")
            parser.feed(piece)
        parser.close()
        return target.close()


def _user(name: str) -> set[int]:
    """The user that supervisord's configuration has it run as (name or number)."""
    if name.isascii() and name.isdigit():
        return {int(name)}
    with suppress(KeyError):
        return {pwd.getpwnam(name).pw_uid}
    return set()
