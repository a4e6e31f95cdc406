"""Redis's protocol (RESP2), as far as it is needed: commands and their replies over one connection."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from dysnomia_plugins.base import CancelToken
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.process import NeverCancelled
from dysnomia_plugins.types.redis.server import Server

CHUNK = 1 << 18
POLL = 0.2
"""Seconds between two looks at the cancel token."""
CONNECT_SECONDS = 15.0
"""Within which a server must let us in: one that is stopped (SIGSTOP) takes connections and never answers."""
Reply = bytes | int | None | list["Reply"]


class Refused(PluginError):
    """The server answers a command with an error. ``code`` is its first word: NOPERM, READONLY, ERR…"""

    def __init__(self, command: str, text: str) -> None:
        self.code = text.split(" ", 1)[0]
        self.lacking = text.startswith("ERR unknown command")
        """It has no such command: ``rename-command`` in its configuration took it away, or gave it another name."""
        if self.lacking:
            super().__init__(f"the server has no command {command} (see rename-command in its configuration)")
        else:
            super().__init__(f"the server refuses {command}: {text.rstrip()}")


class Connection:
    """One connection. A context manager; ``limit`` is how many seconds a reply may take.

    Raises ServerDown where there is no server or it says nothing, Refused, Cancelled.
    """

    def __init__(self, connected: socket.socket, name: str, cancel: CancelToken | None = None) -> None:
        self.name = name
        self.limit = CONNECT_SECONDS
        self._socket = connected
        self._cancel: CancelToken = cancel or NeverCancelled()
        self._buffer = b""

    @classmethod
    def open(cls, server: Server, cancel: CancelToken | None = None, *, limit: float = CONNECT_SECONDS) -> Self:
        """Connect and log in. Raises ServerDown, WrongCredentials, PluginError (the password's file)."""
        name = str(server)
        if server.container is not None:
            from dysnomia_plugins.types.redis.contained import resolved

            server = resolved(server)
        secret = server.secret()
        try:
            if server.socket:
                connected = connect_socket(Path(server.socket), limit)
            else:
                connected = socket.create_connection((server.host, server.port), limit)
        except OSError as error:
            raise ServerDown(
                f"the Redis server at {server} does not answer ({error.strerror or error})",
                "start it, or correct redisSocket, redisHost and redisPort",
            ) from None
        return cls(connected, name, cancel)._begin(server.user, secret, limit)

    @classmethod
    def private(cls, folder: Folder, run_as: str | None, secret: str) -> Self:
        """To a server of our own, by the socket in its folder. Raises OSError where it is not up yet.

        Its user owns the folder and could put another socket there: nothing is said to anybody else's server.

        Raises NotSafe for a socket of somebody else's."""
        connected = connect_socket(Path(folder.inside("s")), POLL)
        peer = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if peer != (os.geteuid() if run_as is None else pwd.getpwnam(run_as).pw_uid):
            connected.close()
            raise NotSafe(f"the socket in {folder.path} is not that of our server", "nothing was sent to it")
        return cls(connected, folder.path)._begin("", secret, CONNECT_SECONDS)

    def _begin(self, user: str, secret: str, limit: float) -> Self:
        self.limit = limit
        try:
            if secret or user:
                self._log_in(user, secret)
            self._check_access()
        except BaseException:
            self.close()
            raise
        return self

    def _log_in(self, user: str, secret: str) -> None:
        try:
            self.call("AUTH", *([user] if user else []), secret)
        except Refused as error:
            if error.code == "LOADING":
                return
            who = f"user {user!r}" if user else "the password"
            raise WrongCredentials(
                f"the Redis server at {self.name} refuses the login ({who}: {error.code})",
                "correct redisUsername and redisPassword",
            ) from None

    def _check_access(self) -> None:
        try:
            self.call("PING")
        except Refused as error:
            if error.code == "NOAUTH":
                raise WrongCredentials(
                    f"the Redis server at {self.name} asks for a password", "set redisPassword"
                ) from None

    # Talking.

    @property
    def local_address(self) -> str:
        """Our own end, where it is TCP: the address by which the server's machine knows us."""
        return str(self._socket.getsockname()[0]) if self._socket.family != socket.AF_UNIX else ""

    def call(self, *words: str | bytes | int, limit: float | None = None) -> Reply:
        """Send a command and wait for its reply."""
        self.send(*words)
        return self.reply(str(words[0]), limit)

    def send(self, *words: str | bytes | int) -> None:
        """Send a command. Raises ServerDown where the connection is lost."""
        encoded = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape") for word in words]
        data = b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
        try:
            self._socket.settimeout(self.limit)
            self._socket.sendall(data)
        except OSError as error:
            raise self._gone(error) from None

    def reply(self, command: str, limit: float | None = None) -> Reply:
        deadline = time.monotonic() + (self.limit if limit is None else limit)
        return self._parse(command, deadline)

    def _parse(self, command: str, deadline: float) -> Reply:
        line = self.line(deadline)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise Refused(command, rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.exactly(size + 2, deadline)[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self._parse(command, deadline) for _ in range(int(rest))]
        raise PluginError(f"{self.name} does not answer in Redis's protocol", "check that a Redis server listens there")

    def line(self, deadline: float) -> bytes:
        """A line without its end."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._buffer += self._receive(deadline)
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def line_or_newline(self, deadline: float) -> bytes:
        """A line, or nothing where a mere newline comes: a sign of life of a server that is getting ready."""
        while not self._buffer:
            self._buffer += self._receive(deadline)
        if self._buffer[:1] == b"\n":
            self._buffer = self._buffer[1:]
            return b""
        return self.line(deadline)

    def exactly(self, size: int, deadline: float) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self._receive(deadline))
            have += len(parts[-1])
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def some(self, deadline: float) -> bytes:
        """Whatever comes next: at least a byte."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self._receive(deadline)

    def _receive(self, deadline: float) -> bytes:
        while True:
            self._cancel.check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise ServerDown(f"the Redis server at {self.name} is not answering")
            try:
                self._socket.settimeout(min(left, POLL))
                data = self._socket.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError as error:
                raise self._gone(error) from None
            if not data:
                raise ServerDown(f"the Redis server at {self.name} closed the connection")
            return data

    def _gone(self, error: OSError) -> ServerDown:
        return ServerDown(f"the connection to the Redis server at {self.name} is lost ({error.strerror or error})")

    # Small questions.

    def info(self, section: str = "everything") -> Mapping[str, str]:
        """INFO's fields."""
        answer = self.call("INFO", section)
        assert isinstance(answer, bytes)
        pairs = (line.split(":", 1) for line in answer.decode("utf-8", "replace").splitlines() if ":" in line)
        return dict(pairs)

    def config(self, name: str) -> str | None:
        """A setting; None where this server has none of that name."""
        answer = self.call("CONFIG", "GET", name)
        if isinstance(answer, list) and len(answer) >= 2 and isinstance(answer[1], bytes):
            return answer[1].decode("utf-8", "surrogateescape")
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect_socket(path: Path, limit: float) -> socket.socket:
    """Connect to a Unix socket, however long its path is. Raises OSError."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(limit)
        if len(bytes(path)) <= 100:
            connected.connect(str(path))
        else:  # by way of its folder's descriptor: an address holds 107 bytes
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                connected.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
    except BaseException:
        connected.close()
        raise
    return connected
