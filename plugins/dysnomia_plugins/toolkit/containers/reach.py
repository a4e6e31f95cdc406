"""How a server in a container is reached: by this machine's client at the container's own address, else by its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, Unpack

import psutil

from dysnomia_plugins.base import Finished, Runner
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.interface.context import Argv
from dysnomia_plugins.toolkit.containers.engine import Reference
from dysnomia_plugins.toolkit.containers.facts import Facts
from dysnomia_plugins.toolkit.containers.inside import SECRET_HINT, InsideRunner, readable, variable
from dysnomia_plugins.toolkit.processes import PROC
from dysnomia_plugins.toolkit.servers import namesake

if TYPE_CHECKING:
    from dysnomia_plugins.interface.options import FollowOptions, ReadOptions, RunOptions, WriteOptions

CONNECT_SECONDS = 0.4
"""Within which a port of this machine or of a network of its own answers."""
CLIENT_USER = "nobody"
_HIDDEN = "*******"
"""What Podman (5.3 and newer) shows in place of a variable that is one of its secrets (``--secret …,type=env``)."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A container that runs, and the way to the server in it."""

    container: Reference
    facts: Facts = field(repr=False)
    host: str = ""
    """``""`` where its own client is to be run inside."""
    port: str = ""
    port_inside: int = 0
    """Where the server listens in the container."""

    def secret(self, runner: Runner, *names: str) -> str:
        """The first of these variables of the container that is set, or is in the file that ``<name>_FILE`` says, as
        entrypoints of images read it. Empty is not set, as for them.

        Raises PluginError where such a file has no absolute path, or cannot be read. What is not a path is not shown:
        it may be the secret, under the wrong name."""
        for name in names:
            if value := self.facts.environment.get(name, ""):
                is_hidden = value == _HIDDEN and self.container.engine.program == "podman"
                return variable(runner, self.container, name) if is_hidden else value
            if path := self.facts.environment.get(f"{name}_FILE", ""):
                if not path.startswith("/"):
                    raise PluginError(f"{name}_FILE of the {self.container} is not an absolute path", SECRET_HINT)
                return readable(runner, self.container, path).decode("utf-8", "surrogateescape").rstrip("\n")
        return ""

    def runner(self, runner: Runner) -> Runner:
        """How client programs are run for the server, where ``runner`` runs this machine's."""
        if isinstance(runner, (InsideRunner, BesideRunner)):
            return runner
        return BesideRunner(runner, self) if self.host else InsideRunner(runner, self.container)

    def confirm(self, runner: Runner) -> None:
        """Look again whether the container has the address that it was reached at: one that is started again, or made
        anew, may have another, and somebody else this one.

        Raises ServerDown where it has not, or does not run; PluginError."""
        facts = self.container.engine.look(runner, self.container.exact)
        if (self.host, int(self.port)) not in addresses(self.container, facts, runner, self.port_inside):
            raise ServerDown(
                f"the {self.container} is no longer reached at {self.host}:{self.port}: it was started again, or its"
                " networks were changed",
                "try again",
            )


class BesideRunner:
    """A ``Runner`` of this machine's client programs for a server in a container, which is looked at before each."""

    def __init__(self, runner: Runner, reached: Reached) -> None:
        self._runner = runner
        self._reached = reached

    def _confirm(self) -> None:
        self._reached.confirm(self._runner)

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        """As ``Runner.run``; raises ServerDown too."""
        self._confirm()
        return self._runner.run(argv, **options)

    def reading(self, argv: Argv, **options: Unpack[ReadOptions]) -> AbstractContextManager[BinaryIO]:
        """As ``Runner.reading``; raises ServerDown too."""
        self._confirm()
        return self._runner.reading(argv, **options)

    def follow(self, argv: Argv, **options: Unpack[FollowOptions]) -> None:
        """As ``Runner.follow``; raises ServerDown too."""
        self._confirm()
        self._runner.follow(argv, **options)

    def writing(self, argv: Argv, **options: Unpack[WriteOptions]) -> AbstractContextManager[BinaryIO]:
        """As ``Runner.writing``; raises ServerDown too."""
        self._confirm()
        return self._runner.writing(argv, **options)


def reach(container: Reference, runner: Runner, port: int, *, client: Callable[[Facts], bool]) -> Reached:
    """Look a container up, and find the way to the server in it.

    Args:
        port: where the server listens inside.
        client: whether this machine has a client that is fit for the server in a container.

    Raises ServerDown where the container does not run, or its port must answer and does not; PluginError."""
    facts = container.engine.look(runner, container.name)
    container = replace(container, id=facts.id)
    if container.client == "inside" or (container.client != "host" and not client(facts)):
        return Reached(container, facts)
    tried = []
    for host, number in addresses(container, facts, runner, port):
        if _answers(host, number):
            return Reached(container, facts, host, str(number), port)
        tried.append(f"{host}:{number}")
    if container.client == "host":
        where = f"at {' or '.join(tried)}" if tried else "by any address of this machine or the container's networks"
        raise ServerDown(
            f"the server in the {container} does not answer {where}",
            "is it started? Else take containerClient=host out of the container's file: then its own client is used",
        )
    return Reached(container, facts)


def port_inside(text: str, usual: int, setting: str) -> int:
    """The port that a container's file says, or the usual one. Raises PluginError."""
    try:
        return int(text or usual)
    except ValueError:
        raise PluginError(f"{setting} must be a number, not {text!r}", "correct it in its file") from None


def addresses(container: Reference, facts: Facts, runner: Runner, port: int) -> Iterator[tuple[str, int]]:
    """Where a port of a container is to be reached from this machine: at its own addresses, where nobody else can
    listen. At those of this machine only where ``containerClient=host`` asks for it: there any local user may listen in
    the server's place, and would be told the password."""
    if facts.network.startswith("container:"):
        other = container.engine.look(runner, facts.network.removeprefix("container:"))
        if not other.network.startswith("container:"):
            yield from addresses(container, other, runner, port)
    elif facts.network != "host" and container.engine.by_root:
        own = _own_addresses()
        yield from ((one.host, port) for one in dict.fromkeys(facts.addresses) if one.is_beside(own))
    if container.client == "host":
        yield from [("127.0.0.1", port)] if facts.network == "host" else facts.published.get(f"{port}/tcp", ())


def _own_addresses() -> frozenset[str]:
    """Of this machine's interfaces."""
    families = (socket.AF_INET, socket.AF_INET6)
    every = (one for some in psutil.net_if_addrs().values() for one in some if one.family in families)
    return frozenset(one.address.partition("%")[0] for one in every)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False


def client_user() -> str:
    """Whom a client of this machine runs as that talks to a server in a container, where we are root: nobody that has
    anything."""
    return namesake(CLIENT_USER) or "" if os.geteuid() == 0 else ""


def is_contained(pid: int) -> bool:
    """Whether a process is in a container, as its namespaces say (proc(5), ``NSpid``): its paths and addresses are not
    this machine's. False where that cannot be told."""
    try:
        lines = (PROC / str(pid) / "status").read_bytes().splitlines()
    except OSError:
        return False
    return any(len(line.split()) > 2 for line in lines if line.startswith(b"NSpid:"))
