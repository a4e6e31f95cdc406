"""Docker and Podman, asked by their own client programs: Podman has no service that must run.

Who may talk to Docker is as mighty as root on this machine. Only what a container *is* gets asked here, and programs
are run inside of one (``exec``); nothing is started, stopped or made.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from dysnomia_plugins.base import PropertyValue, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, WrongCredentials
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.containers.facts import Facts

SOCKET = "/var/run/docker.sock"
ASK_SECONDS = 5.0
CONTAINER_PROPERTIES = ("dockerContainer", "podmanContainer", "containerClient", "dockerSocket")
"""Of a type whose server may run in one."""
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)
"""What Docker and Podman let a container be called: never an option, nor a path."""
_NONE = re.compile(r"no such (container|object)", re.IGNORECASE)
_DENIED = re.compile(r"permission denied while trying to connect", re.IGNORECASE)
_AWAY = re.compile(r"cannot connect to the docker daemon|is the docker daemon running", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker at a socket, or the Podman of the user who asks."""

    program: str
    """``docker`` or ``podman``."""
    socket: str = ""

    @property
    def title(self) -> str:
        return self.program.capitalize()

    @property
    def argv(self) -> list[str]:
        """How its client begins. Neither a context nor a variable leads it to another machine's."""
        return ["docker", "--host", f"unix://{self.socket or SOCKET}"] if self.program == "docker" else ["podman"]

    @property
    def environment(self) -> dict[str, str]:
        """What its client needs to know: Docker's nothing, Podman's whose containers are meant."""
        if self.program == "docker":
            return {"HOME": "/nonexistent"}
        uid = os.geteuid()
        try:
            home = pwd.getpwuid(uid).pw_dir
        except KeyError:
            home = "/nonexistent"
        return {"HOME": home} | ({"XDG_RUNTIME_DIR": f"/run/user/{uid}"} if uid else {})

    @property
    def by_root(self) -> bool:
        """Whether root runs it: then the addresses of its containers are on networks of this machine. Those of another
        user's are on a network of their own, and may be somebody else's here."""
        if self.program == "podman":
            return os.geteuid() == 0
        try:
            return os.stat(self.socket or SOCKET).st_uid == 0  # noqa: PTH116
        except OSError:
            return False

    @property
    def properties(self) -> dict[str, PropertyValue]:
        """What a container's file says besides the name."""
        return {"dockerSocket": self.socket} if self.socket and self.socket != SOCKET else {}

    def running(self, runner: Runner) -> list[Facts]:
        """All containers that run. Raises PluginError."""
        try:
            return self._running(runner)
        except ServerDown:  # one has ended between the two questions
            return self._running(runner)

    def _running(self, runner: Runner) -> list[Facts]:
        ids = self._ask(runner, "ps", "--quiet", "--no-trunc").decode("ascii", "replace").split()
        return self._inspect(runner, ids) if ids else []

    def look(self, runner: Runner, name: str) -> Facts:
        """The container of exactly this name, or id, as it is now.

        Raises ServerDown where it does not run, WrongCredentials, PluginError."""
        facts = self._inspect(runner, [name])[0]
        if name not in (facts.name, facts.id):  # what begins with it is another's id
            raise self._none(name)
        if facts.state != "running":
            raise ServerDown(
                f"the {self.title} container {name} does not run (it is {facts.state})",
                f"{self.program} {'unpause' if facts.state == 'paused' else 'start'} {name}",
            )
        return facts

    def _inspect(self, runner: Runner, names: Sequence[str]) -> list[Facts]:
        answer = self._ask(runner, "inspect", "--type", "container", *names)
        try:
            return [Facts.of(one) for one, _ in zip(json.loads(answer), names, strict=True)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PluginError(
                f"{self.program} inspect gave an answer that is not understood ({type(error).__name__})"
            ) from error

    def _ask(self, runner: Runner, *words: str) -> bytes:
        try:
            return runner.run([*self.argv, *words], env=self.environment, timeout=ASK_SECONDS).stdout
        except ProcessFailed as error:
            if type(error) is not ProcessFailed:
                raise
            raise self.explained(error, words[-1]) from error

    def explained(self, error: ProcessFailed, name: str) -> PluginError:
        """What a failure of its client means; the error itself where it says it best."""
        if _NONE.search(error.stderr):
            return self._none(name)
        return self.unreachable(error)

    def unreachable(self, error: ProcessFailed) -> PluginError:
        """That it does not answer, or may not be asked, where its client failed of that; else the error itself."""
        if self.program == "docker" and _DENIED.search(error.stderr):
            return WrongCredentials(f"{self} may not be asked by this user", "root and members of the group docker may")
        if self.program == "docker" and _AWAY.search(error.stderr):
            return ServerDown(f"{self} does not answer", "start it (systemctl start docker)")
        return error

    def __str__(self) -> str:
        return f"Docker at {self.socket or SOCKET}" if self.program == "docker" else self.title

    def _none(self, name: str) -> ServerDown:
        return ServerDown(f"there is no {self.title} container {name}", f"{self.program} ps --all shows what there is")


def engines() -> Iterator[Engine]:
    """Those that this user may have on this machine. Whether their clients are installed is not looked at."""
    for socket in (SOCKET, f"/run/user/{os.geteuid()}/docker.sock"):
        try:
            if stat.S_ISSOCK(os.stat(socket).st_mode):  # noqa: PTH116
                yield Engine("docker", socket)
        except OSError:
            continue
    yield Engine("podman")


@dataclass(frozen=True, slots=True)
class Reference:
    """The container that a component's server runs in, by its name: its address is looked up each time."""

    engine: Engine
    name: str
    client: str = ""
    """Whose client programs are used: ``host``, ``inside``; ``""`` for the host's, where they reach the server."""
    id: str = field(default="", compare=False)
    """Of the one that was looked up."""

    @classmethod
    def of(cls, properties: Mapping[str, PropertyValue]) -> Self | None:
        """As ``dockerContainer`` or ``podmanContainer`` says; None without either. Raises PluginError."""
        docker, podman = single(properties, "dockerContainer"), single(properties, "podmanContainer")
        name, client = docker or podman, single(properties, "containerClient")
        if not name:
            return None
        if docker and podman:
            raise PluginError("dockerContainer and podmanContainer are both set", "take one of them out")
        if _NAME.fullmatch(name) is None:
            raise NotSafe(f"{name!r} cannot be the name of a container", "see docker ps")
        if client not in ("", "host", "inside"):
            raise PluginError(f"containerClient must be host or inside, not {client!r}", "correct it in the container")
        socket = single(properties, "dockerSocket")
        if socket and not socket.startswith("/"):
            raise PluginError(f"dockerSocket must be an absolute path, not {socket!r}", "correct it in the container")
        return cls(Engine("docker", socket) if docker else Engine("podman"), name, client)

    @property
    def exact(self) -> str:
        """What its engine is to be asked by: once it was looked up, the id. A name would lead to another container that
        was made in its place, or whose id begins so."""
        return self.id or self.name

    def in_terminal(
        self, runner: Runner, words: Sequence[str], env: Mapping[str, str]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """How a program is run inside for whoever sits at a terminal: words, and the client's environment, from which
        ``env`` is passed on by its names. Raises PluginError where the container does not run."""
        names = [word for name in env for word in ("--env", name)]
        start = [*self.engine.argv, "exec", "--interactive", "--tty", *names, self.engine.look(runner, self.name).id]
        return [*start, *words], {**env, **self.engine.environment}

    @property
    def location(self) -> tuple[str, ...]:
        """The same for every way to write it down."""
        socket = os.path.realpath(self.engine.socket or SOCKET) if self.engine.program == "docker" else ""
        return (self.engine.program, socket, self.name)

    def __str__(self) -> str:
        return f"{self.engine.title} container {self.name}"
