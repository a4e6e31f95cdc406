"""Docker, or Podman in its place, by its own client program.

Who may talk to Docker can do what root can. So a container's file says nothing but which socket of this machine is
meant: no context and no variable of whoever calls leads the client elsewhere. What is answered is data, never obeyed.

Container properties: ``dockerSocket`` (a path), ``dockerProgram`` (``docker`` or ``podman``).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dysnomia_plugins.base import Component, Runner
from dysnomia_plugins.errors import BadProperties, PluginError, ProcessFailed
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.toolkit.containers.engine import SOCKET, Engine
from dysnomia_plugins.types.docker.containers import Container

TOOLS = ("docker",)
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {"docker": ("podman",)}
PACKAGES: Mapping[str, str] = {"docker": "docker.io"}
SOCKET_SETTING, PROGRAM_SETTING = "dockerSocket", "dockerProgram"
ANSWER = 60.0
"""Seconds for one answer: an image is loaded, and a container stopped, in a time of their own."""
NONE_OF_IT = re.compile(r"no such (container|volume|image|object)|no (container|volume) with name", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Docker:
    """One engine, as the caller may have it."""

    runner: Runner
    program: str
    socket: str
    """Podman has none: it is a program that works by itself."""

    @classmethod
    def of(cls, component: Component, runner: Runner) -> Self:
        """As a container's properties say; Podman where it is installed and Docker's client is not.

        Raises BadProperties."""
        program, socket = component.prop(PROGRAM_SETTING), component.prop(SOCKET_SETTING, SOCKET)
        if program not in ("", "docker", "podman"):
            raise BadProperties(f"{PROGRAM_SETTING} of {component.key} must be docker or podman", "correct it")
        if not socket.startswith("/"):
            raise BadProperties(f"{SOCKET_SETTING} of {component.key} is not an absolute path", "correct it")
        if not program:
            program = "podman" if shutil.which("docker") is None and shutil.which("podman") else "docker"
        return cls(runner, program, socket if program == "docker" else "")

    @property
    def title(self) -> str:
        return str(self.engine)

    @property
    def engine(self) -> Engine:
        return Engine(self.program, self.socket)

    @property
    def environment(self) -> dict[str, str]:
        """What the client needs to know (see ``Engine``)."""
        return self.engine.environment

    def command(self, *words: str) -> list[str]:
        """The client with these words."""
        return [*self.engine.argv, *words]

    def run(
        self,
        *words: str,
        timeout: float | None = ANSWER,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> str:
        """What one call prints. Raises ServerDown, WrongCredentials, ProcessFailed, ToolMissing, Cancelled."""
        return self.both(*words, timeout=timeout, env=env, stdin=stdin)[0]

    def both(
        self,
        *words: str,
        timeout: float | None = ANSWER,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> tuple[str, str]:
        """The same, and what it prints on its standard error. ``env``: variables besides the client's own.

        Raises as ``run`` does."""
        try:
            done = self.runner.run(
                self.command(*words), env={**(env or {}), **self.environment}, timeout=timeout, umask=SERVICE_UMASK,
                stdin=stdin,
            )  # fmt: skip
        except ProcessFailed as error:
            raise self.engine.unreachable(error) from error
        return done.stdout.decode("utf-8", "replace"), done.stderr

    def version(self, timeout: float | None = None) -> str:
        """Of the engine. Raises as ``run`` does."""
        server = "{{.Server.Version}}" if self.socket else "{{.Client.Version}}"
        return self.run("version", "--format", server, timeout=timeout).strip()

    def inspect(self, kind: str, *names: str, timeout: float | None = ANSWER) -> list[Mapping[str, Any]]:
        """What it says of containers, images or volumes. Raises PluginError, ``Nothing`` where one is not there."""
        words = ("volume", "inspect") if kind == "volume" else ("inspect", "--type", kind)
        try:
            output = self.run(*words, "--", *names, timeout=timeout)
        except ProcessFailed as error:
            if NONE_OF_IT.search(error.stderr):
                raise Nothing(f"{self.title} has no {kind} {' '.join(names)}") from error
            raise
        try:
            return list(json.loads(output))
        except ValueError as error:
            raise PluginError(f"what {self.program} says of {' '.join(names)} is not understood ({error})") from error

    # Containers.

    def container(self, name: str, timeout: float | None = ANSWER) -> Container | None:
        """The one of exactly this name, or none. Raises PluginError."""
        try:
            one = Container.of(self.inspect("container", name, timeout=timeout)[0])
        except Nothing:
            return None
        return one if name in (one.name, one.id) else None  # what begins with it is another's id

    def containers(self, *filters: str) -> list[Container]:
        """All of them, running or not. One that goes meanwhile is left out. Raises PluginError."""
        words = [word for one in filters for word in ("--filter", one)]
        ids = self.run("ps", "--all", "--quiet", "--no-trunc", *words).split()
        if not ids:
            return []
        try:
            return [Container.of(one) for one in self.inspect("container", *ids)]
        except Nothing:
            return [one for one in map(self.container, ids) if one is not None]

    # Images.

    def image(self, tag: str) -> str:
        """The id of the image that has a name; ``""`` where none has it. Raises PluginError."""
        try:
            return str(self.inspect("image", tag)[0].get("Id", ""))
        except Nothing:
            return ""

    def images(self) -> list[str]:
        """The ids of all images that are not only a part of another. Raises PluginError."""
        return sorted(set(self.run("images", "--quiet", "--no-trunc").split()))


class Nothing(PluginError):
    """There is no such container, image or volume."""


def names_in_words(containers: Sequence[Container]) -> str:
    """For messages."""
    return ", ".join(sorted(one.name for one in containers))
