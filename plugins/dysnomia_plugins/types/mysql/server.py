"""Which server a component is on, and how we come to it: from the container's properties.

Properties (the first three are Dysnomia's): ``mysqlUsername`` (root), ``mysqlPassword``, ``mysqlSocket``, ``mysqlHost``
(a host name: TCP instead of the socket), ``mysqlPort`` (TCP too, where no socket is named), ``mysqlDefaultsFile`` (an
option file of the operator's own, read first: TLS, say, or the password); ``dockerContainer``, ``podmanContainer``: see
``contained``. Client programs read nothing else: what we
give them is an option file on a descriptor, so no secret is ever an argument.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, WrongCredentials
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.containers.engine import CONTAINER_PROPERTIES, Reference
from dysnomia_plugins.toolkit.servers import namesake
from dysnomia_plugins.types.mysql.defaults import Options

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.containers.reach import Reached

CONNECT_TIMEOUT = 15
"""Seconds in which a server must let us in; one that is stopped (SIGSTOP) takes connections and never answers."""
SOCKET = "/run/mysqld/mysqld.sock"
"""Where Debian's server and clients have it."""
_PACKET = "1G"
"""The largest a client takes: a row of blobs must pass (the server has its own limit)."""
PROPERTIES = (
    "mysqlUsername",
    "mysqlPassword",
    "mysqlSocket",
    "mysqlHost",
    "mysqlPort",
    "mysqlDefaultsFile",
    *CONTAINER_PROPERTIES,
)


@dataclass(frozen=True, slots=True)
class Given:
    """What a client program is given so that it comes to the server."""

    fds: Sequence[int]
    """Descriptors that it inherits."""
    words: Sequence[str]
    """They must be its first arguments."""
    env: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """One server and the account we are on it."""

    user: str = "root"
    password: str = field(default="", repr=False)
    socket: str = ""
    host: str = ""
    port: str = ""
    defaults_file: str = ""
    container: Reference | None = None
    """The container of Docker or Podman that it runs in."""
    reached: Reached | None = field(default=None, repr=False, compare=False)
    """How a server in a container is reached, once it was looked up."""

    @classmethod
    def of(cls, component: Component) -> Self:
        """As the component's container says."""
        return cls.from_properties(component.properties)

    @classmethod
    def from_properties(cls, properties: Mapping[str, PropertyValue]) -> Self:
        one = partial(single, properties)
        container = Reference.of(properties)
        return cls(
            user=one("mysqlUsername", "" if container or one("mysqlDefaultsFile") else "root"),
            password=one("mysqlPassword"),
            socket=one("mysqlSocket"),
            host=one("mysqlHost"),
            port=one("mysqlPort"),
            defaults_file=one("mysqlDefaultsFile"),
            container=container,
        )

    @property
    def inside(self) -> bool:
        """Whether client programs run inside its container."""
        return self.reached is not None and not self.reached.host

    @property
    def os_user(self) -> str | None:
        """Whom the client tools run as when we are root: the account's namesake, where the socket itself is the proof.

        Not where a password or an option file is named: neither needs it, and the file must be readable."""
        if self.container is not None:
            from dysnomia_plugins.toolkit.containers.reach import client_user

            return None if self.inside or self.defaults_file else client_user() or None
        if self.host or self.password or self.defaults_file or self.user in ("", "root"):
            return None
        return namesake(self.user)

    @property
    def tcp(self) -> bool:
        """Whether it is reached by TCP. A socket that is named comes before a port, as in Dysnomia."""
        return bool(self.host or (self.port and not self.socket))

    @property
    def location(self) -> tuple[str, ...]:
        """Host and port, or the socket: the same for every way to write them down."""
        if self.container is not None:
            return (*self.container.location, self.port or "3306")
        if self.tcp:
            return self.host or "localhost", self.port or "3306"
        return "", os.path.realpath(self.socket or SOCKET)

    @property
    def address(self) -> dict[str, str]:
        """Where it is, as an option file has it."""
        if self.tcp:
            return {"host": self.host, "port": self.port, "protocol": "tcp"}
        return {"socket": self.socket, "protocol": "socket"} if self.socket else {}

    def options(self, connect_timeout: int = CONNECT_TIMEOUT, dumping: str = "", named: Options = ()) -> str:
        """The option file; ``dumping`` is the connection string of the dump program, ``named`` what the operator's own
        file says of the connection. Raises NotSafe where a value cannot stand in one."""
        lines = ["[client]", *(name if value is None else f"{name}={_quoted(value)}" for name, value in named)]
        values = {"user": self.user, "password": self.password, **self.address}
        lines += [f"{name}={_quoted(value)}" for name, value in values.items() if value]
        # No server is to ask the client for a file of this machine.
        lines += [f"[mysql]\nconnect-timeout={connect_timeout:d}\nmax-allowed-packet={_PACKET}\nlocal-infile=0"]
        lines += [f"[mysqldump]\nmax-allowed-packet={_PACKET}"]
        lines += [f"host={_quoted(dumping)}"] if dumping else []
        return "\n".join(lines) + "\n"

    def options_inside(self, connect_timeout: int = CONNECT_TIMEOUT, dumping: str | None = None) -> Given:
        """The same for a program inside a container, which no descriptor can be passed to: no secret is a word."""
        words = ["--no-defaults", *(f"--{name}={value}" for name, value in self.address.items())]
        words += [f"--user={self.user}", f"--max-allowed-packet={_PACKET}"]
        if dumping is None:
            words += [f"--connect-timeout={connect_timeout:d}", "--local-infile=0"]
        elif dumping:
            words.append(f"--host={dumping}")
        return Given([], words, {"MYSQL_PWD": self.password} if self.password else {})

    @contextmanager
    def option_file(
        self, connect_timeout: int = CONNECT_TIMEOUT, dumping: str = "", named: Options = ()
    ) -> Iterator[int]:
        """A descriptor of the option file, to be passed to a client program. It is in memory, and nobody else's."""
        descriptor = os.memfd_create("options")
        try:
            os.fchmod(descriptor, 0o400)
            if self.os_user:
                os.fchown(descriptor, pwd.getpwnam(self.os_user).pw_uid, -1)
            os.write(descriptor, self.options(connect_timeout, dumping, named).encode("utf-8", "surrogateescape"))
            yield descriptor
        finally:
            os.close(descriptor)

    def __str__(self) -> str:
        if self.container is not None:
            return str(self.container)
        if self.tcp:
            return f"{self.host or 'localhost'}:{self.port or '3306'}"
        return self.socket or "the usual socket"


def _line(value: str) -> str:
    if any(char in value for char in "\n\r\0"):
        raise NotSafe("a property holds a line break, and an option file cannot", "write it without one")
    return value


def _quoted(value: str) -> str:
    return '"' + _line(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- what an error means ---------------------------------------------------------------------------------------------

_ERROR = re.compile(r"ERROR (\d+)(?: \(\w+\))?(?: at line \d+)?: (.*)")
_BY_TRANSACTIONS = re.compile(r"Cannot use --dump-history for table `(.+)` with transaction-precise history")
_GOT_ERROR = re.compile(r"Got error: (\d+): (.*)")
_ESCAPED_NAME = re.compile(r"""Unknown database '.*\\['"\\].*'" when selecting the database""")
"""mariadb-dump (10.11) asks for such a one by its name as a literal where the database has events."""
_FULL = {1040, 1226}
"""Too many connections, or an account at one of its limits."""
_DOWN = {1053, 2002, 2003, 2005, 2006, 2012, 2013, 2026, 4031}
_KEPT_OUT = {1044, 1045, 1129, 1130, 1251, 1524, 1698, 1862, 2059, 4151}


def explain(error: ProcessFailed, server: Server) -> PluginError:
    """What a client program's failure means for the operator; the error itself where it says it best."""
    if by_transactions := _BY_TRANSACTIONS.search(error.stderr):
        return NotSafe(
            f"table {by_transactions[1]} keeps its history by transactions (ROW START and END are BIGINT), and"
            f" {error.program} cannot dump that",
            "keep it by time (TIMESTAMP(6)), or the table in another database",
        )
    match = _ERROR.search(error.stderr) or _GOT_ERROR.search(error.stderr)
    if match is None:
        return error
    code, reason = int(match[1]), match[2].strip()
    if (code in (2012, 2013) and "handshake" in reason) or "reading initial communication" in reason:
        return ServerDown(f"the server at {server} is not answering", "is it stopped, or overloaded?")
    if code in _FULL:
        return ServerDown(
            f"the server at {server} takes no more now ({reason})", "wait, or raise the limit of the server or account"
        )
    if code in _DOWN:
        return ServerDown(f"the server at {server} is not there, or went away ({reason})", "is it running?")
    if code in _KEPT_OUT:
        hint = f"it asks for {server.user!r}: see mysqlUsername and mysqlPassword"
        return WrongCredentials(f"the server at {server} refuses the login ({reason})", hint)
    if code == 1049 and _ESCAPED_NAME.search(reason):
        return PluginError(
            f"{error.program} cannot dump the events of a database whose name holds a quote or a backslash",
            "rename the database, or drop its events",
        )
    if code == 1049:
        return PluginError(reason, "activate the component first")
    return ProcessFailed(error.program, error.status, f"{error.stderr}\n{reason}", error.hint)


def error_code(error: PluginError) -> int:
    """The server's error number in a client's failure; 0 where it has none."""
    match = isinstance(error, ProcessFailed) and (_ERROR.search(error.stderr) or _GOT_ERROR.search(error.stderr))
    return int(match[1]) if match else 0
