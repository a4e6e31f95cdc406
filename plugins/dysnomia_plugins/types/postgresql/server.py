"""Which server a component is on, and how we come to it: from the container's properties.

Properties (the first three are Dysnomia's): ``postgresqlUsername`` (postgres), ``postgresqlPort``,
``postgresqlRuntimeDir`` (/var/run/postgresql, the folder of the socket), ``postgresqlHost`` (a host name: TCP instead
of the socket), ``postgresqlPassword``, ``postgresqlPassFile`` (in the format of ``.pgpass``; without it libpq reads
that of the user it runs as). ``dockerContainer``, ``podmanContainer``: see ``contained``. Secrets go by environment
only.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, WrongCredentials
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.containers.engine import CONTAINER_PROPERTIES, Reference
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.guarded.named_file import reader_of
from dysnomia_plugins.toolkit.servers import namesake

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.containers.reach import Reached

RUNTIME_DIR = "/var/run/postgresql"
DEFAULT_PORT = "5432"
TRUST_OWNERS = "postgresqlTrustOwners"
CONNECT_TIMEOUT = 15
"""Seconds in which a server must let us in; one that is stopped (SIGSTOP) takes connections and never answers."""
PROPERTIES = (
    "postgresqlUsername",
    "postgresqlPort",
    "postgresqlRuntimeDir",
    "postgresqlHost",
    "postgresqlPassword",
    "postgresqlPassFile",
    "postgresqlBinDir",
    "postgresqlTrustOwners",
    *CONTAINER_PROPERTIES,
)


@dataclass(frozen=True, slots=True)
class Server:
    """One PostgreSQL server and the role we are on it."""

    user: str = "postgres"
    port: str = ""
    folder: str = RUNTIME_DIR
    host: str = ""
    password: str = field(default="", repr=False)
    passfile: str = ""
    bin_folder: str = ""
    trusts_owners: bool = False
    """Whether code of the database's owners may run as the superuser who loads it."""
    run_as: str = ""
    """Whom the client tools run as when we are root, where it is another than the role's namesake."""
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
            user=one("postgresqlUsername", "" if container else "postgres"),
            port=one("postgresqlPort"),
            folder=one("postgresqlRuntimeDir", RUNTIME_DIR),
            host=one("postgresqlHost"),
            password=one("postgresqlPassword"),
            passfile=one("postgresqlPassFile"),
            bin_folder=one("postgresqlBinDir"),
            trusts_owners=_yes(one(TRUST_OWNERS)),
            container=container,
        )

    @property
    def inside(self) -> bool:
        """Whether client programs run inside its container."""
        return self.reached is not None and not self.reached.host

    @property
    def os_user(self) -> str | None:
        """Whom the client tools run as when we are root: the role's namesake, where peer authentication wants it.

        Where a password file is named: whom it belongs to, so that libpq, which follows links, reads no other's.
        Raises NotSafe, PluginError for a file that may not or cannot be read."""
        if self.inside:
            return None
        if self.run_as:
            return self.run_as
        if self.passfile:
            reader = reader_of(self.passfile, "postgresqlPassFile")
            return None if reader is None else _name_of(reader)
        if self.host:
            return None
        return namesake(self.user)

    @property
    def location(self) -> tuple[str, ...]:
        """Host or folder, and port: the same for every way to write them down."""
        if self.container is not None:
            return (*self.container.location, self.port or DEFAULT_PORT)
        return (self.host or os.path.realpath(self.folder), self.port or DEFAULT_PORT)

    def environment(
        self, database: str, application: str = "dysnomia", connect_timeout: int = CONNECT_TIMEOUT
    ) -> dict[str, str]:
        """libpq's variables for ``database``. In the environment no name is taken for a connection string.

        Always whole: nothing is taken from our own environment."""
        env = {
            "PGUSER": self.user,
            "PGDATABASE": database,
            "PGAPPNAME": application,
            "PGCONNECT_TIMEOUT": str(connect_timeout),
            "HOME": _home(self.os_user),
        }
        if self.host or not self.inside or self.folder != RUNTIME_DIR:
            env["PGHOST"] = self.host or self.folder
        if self.port:
            env["PGPORT"] = self.port
        if self.password:
            env["PGPASSWORD"] = self.password
        if self.passfile:
            env["PGPASSFILE"] = self.passfile
        return env

    def __str__(self) -> str:
        if self.container is not None:
            return str(self.container)
        port = f":{self.port}" if self.port else ""
        return f"{self.host}{port}" if self.host else f"{self.folder}{port}"


def _yes(word: str) -> bool:
    if word not in ("", "no", "yes"):
        raise PluginError(f"{TRUST_OWNERS} must be yes or no, not {word!r}", "correct it in the container")
    return word == "yes"


def _name_of(reader: Actor) -> str:
    try:
        return pwd.getpwuid(reader.uid).pw_name
    except KeyError:
        raise NotSafe(
            f"the owner {reader} of the file in postgresqlPassFile does not exist on this machine", "give it to root"
        ) from None


def _home(user: str | None) -> str:
    try:
        return pwd.getpwnam(user).pw_dir if user else pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/nonexistent"


# --- what an error means ---------------------------------------------------------------------------------------------

_DOWN = (
    "No such file or directory",
    "Connection refused",
    "timeout expired",
    "server closed the connection unexpectedly",
    "could not translate host name",
    "No route to host",
    "Network is unreachable",
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "terminating connection due to unexpected postmaster exit",
    "terminating connection because of crash of another server process",
    "sorry, too many clients already",
    "remaining connection slots are reserved",
)
_POOLER = ("unsupported startup parameter", "pgbouncer cannot connect to server", "no such database: ")
"""What pgbouncer and its like say to what they do not pass on."""
_OPEN_PASSFILE = "has group or world access"
_KEPT_OUT = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|role \".*\" does not exist"
    r"|role \".*\" is not permitted to log in|Permission denied|pg_hba\.conf rejects",
    re.DOTALL,
)
_CONNECTING = re.compile(r"connection to server|could not connect|FATAL:")


class NoDatabase(PluginError):
    """The server has no database of that name."""


def explain(error: ProcessFailed, server: Server) -> PluginError:
    """What a client program's failure means for the operator; the error itself where it says it best."""
    text = error.stderr
    reason = _reason(text)
    if _CONNECTING.search(text):
        if any(sign in text for sign in _POOLER):
            return PluginError(
                f"{server} is a connection pooler, not a PostgreSQL server ({reason})",
                "name the server's own socket or port (postgresqlRuntimeDir, postgresqlHost, postgresqlPort): the"
                " settings of a dump's session do not get through a pooler",
            )
        if _KEPT_OUT.search(text):
            hint = f"it asks for {server.user!r}: see postgresqlUsername, postgresqlPassword and pg_hba.conf"
            if _OPEN_PASSFILE in text:
                file = server.passfile or "~/.pgpass"
                hint = f"the password file {file} was ignored, as group or others may read it: chmod 0600 {file}"
            return WrongCredentials(f"the server at {server} refuses the login ({reason})", hint)
        if "timeout expired" in text:
            return ServerDown(f"the server at {server} is not answering", "is it stopped, or overloaded?")
        if "could not access file" in text:
            return PluginError(
                f"the server at {server} lets nobody in ({reason})",
                "local_preload_libraries or session_preload_libraries of the database, the role or the server names a"
                " library that is not there",
            )
        if any(sign in text for sign in _DOWN):
            return ServerDown(f"the server at {server} is not there ({reason})", "is it running?")
        if re.search(r"database \".*\" does not exist", text, re.DOTALL):
            return NoDatabase(reason, "activate the component first")
        if "cannot connect to invalid database" in text:
            return PluginError(reason, "an interrupted DROP DATABASE left it: drop it, then restore a generation")
        if "is not currently accepting connections" in text:
            return PluginError(reason, "ALTER DATABASE … ALLOW_CONNECTIONS true; CONNECTION LIMIT 0 keeps clients out")
    if any(sign in text for sign in _DOWN[3:4]):
        return ServerDown(f"the server at {server} went away ({reason})", "look at its log")
    return ProcessFailed(error.program, error.status, f"{text}\n{reason}", error.hint)


def _reason(text: str) -> str:
    """The line of a client's stderr that says why; and in which function, where it was in one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if match := re.search(r"(?:FATAL|ERROR|PANIC):\s+(.*)", line):
            return match[1] + _where(lines[number + 1 :])
    for line in lines:
        if match := re.search(r"failed: (.*)|error: (.*)", line):
            return next(group for group in match.groups() if group)
    return lines[0] if lines else "no reason given"


def _where(lines: list[str]) -> str:
    for line in lines:
        if match := re.match(r"CONTEXT:\s+((?:PL/\S+|SQL) function .*|COPY .*)", line):
            return f" (in {match[1]})"
    return ""
