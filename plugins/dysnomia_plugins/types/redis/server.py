"""Which server a component is, and how we come to it: from the container's properties.

``redisSocket`` (a Unix socket), else ``redisHost`` (127.0.0.1) and ``redisPort`` (6379); ``redisUsername`` (an ACL
user; without it the default one), ``redisPassword``, or ``redisPasswordFile`` whose first line it is. Where servers of
a job's own and copies stand: ``redisCopiesDir`` (/var/lib/dysnomia-redis for root, ~/.local/state/dysnomia-redis for
others), run by ``redisServerUser`` (redis or valkey, if we are root and there is one). ``redisBinDir``: the folder of
their programs, where it is not on the PATH. ``redisTimeout``: seconds that a takeover may take to begin or to go on
(60). Secrets go over the socket, or by environment to redis-cli.

``dockerContainer`` or ``podmanContainer`` names the container that it runs in (``contained``); ``redisPort`` is the one
inside then.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.containers.engine import Reference
from dysnomia_plugins.toolkit.copies import folder_of_copies
from dysnomia_plugins.toolkit.guarded.named_file import password_in

PORT = 6379
TIMEOUT = 60.0
ROOT_COPIES = "/var/lib/dysnomia-redis"
COPIES = ".local/state/dysnomia-redis"


@dataclass(frozen=True, slots=True)
class Server:
    """One Redis server and the user we are on it."""

    socket: str = ""
    host: str = "127.0.0.1"
    port: int = PORT
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    copies: Path = Path(ROOT_COPIES)
    run_as: str | None = None
    """Whom servers of our own run as; None for ourselves."""
    timeout: float = TIMEOUT
    bin_folder: str = ""
    """Of the programs; ``""`` for those on the PATH."""
    container: Reference | None = None
    """The container of Docker or Podman that it runs in."""

    @classmethod
    def of(cls, component: Component) -> Self:
        """As the component's container says. Raises PluginError where it makes no sense."""
        return cls.from_properties(component.properties)

    @classmethod
    def from_properties(cls, properties: Mapping[str, PropertyValue]) -> Self:
        """Raises PluginError where they make no sense."""
        one = partial(single, properties)
        container = Reference.of(properties)
        if container is not None and (one("redisSocket") or one("redisHost")):
            raise PluginError(
                f"redisSocket or redisHost is set, and the {container} too", "leave one of them: the address is its own"
            )
        return cls(
            socket=one("redisSocket"),
            host=one("redisHost", "127.0.0.1"),
            port=int(_number("redisPort", one("redisPort", str(PORT)), 65535)),
            user=one("redisUsername"),
            password=one("redisPassword"),
            password_file=one("redisPasswordFile"),
            copies=Path(one("redisCopiesDir") or folder_of_copies(ROOT_COPIES, COPIES)),
            run_as=_run_as(one("redisServerUser")),
            timeout=_number("redisTimeout", one("redisTimeout", str(TIMEOUT)), 86400),
            bin_folder=one("redisBinDir"),
            container=container,
        )

    @property
    def location(self) -> tuple[str, ...]:
        """Socket, or address and port: the same for every way to write them down."""
        if self.container is not None:
            return (*self.container.location, str(self.port))
        if self.socket:
            return (os.path.realpath(self.socket),)
        return ("127.0.0.1" if self.host == "localhost" else self.host, str(self.port))

    def secret(self) -> str:
        """The password, ``""`` for none. Raises PluginError where its file cannot be read, NotSafe where it may not."""
        if self.password or not self.password_file:
            return self.password
        return password_in(self.password_file, "redisPasswordFile")

    def arguments(self) -> list[str]:
        """For redis-cli: where it is, and as whom. The password goes by REDISCLI_AUTH."""
        where = ["-s", self.socket] if self.socket else ["-h", self.host, "-p", str(self.port)]
        return [*where, *(["--user", self.user] if self.user else [])]

    def __str__(self) -> str:
        return str(self.container or self.socket or f"{self.host}:{self.port}")


def _number(name: str, text: str, most: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= most:
        raise PluginError(f"{name} must be a number from 1 to {most}, not {text!r}", "correct it in the container")
    return value


def _run_as(named: str) -> str | None:
    """An unprivileged user for servers of our own, where we are root."""
    if os.geteuid() != 0:
        return None
    for name in (named,) if named else ("redis", "valkey", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise PluginError(f"there is no user {named!r} to run a server as", "set redisServerUser in the container")
