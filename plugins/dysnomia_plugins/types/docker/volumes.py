"""Which volume is meant, and whether its folder is one of this machine's: what Docker says of it is believed only then.

A volume of Docker's own (driver ``local``) is the folder ``_data`` in a folder of its own, which is root's. Docker that
runs elsewhere (another machine, a virtual one) names a folder that may be another here, or none; and a Docker that is
not root's could name any: its word is not taken.
"""

from __future__ import annotations

import os
import posixpath
import re
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dysnomia_plugins.base import Component, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.docker.client import Docker, Nothing
from dysnomia_plugins.types.docker.containers import Container

DATA = "_data"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)
_UCRED = "3i"
"""``struct ucred`` of unix(7): process, user, group."""
_OURS = ("dockerd", "systemd", "init", "podman")
"""What programs that listen on such a socket of this machine are called, or have in their names."""
_SECONDS = 2.0


def asked(component: Component, runner: Runner | None = None) -> Docker:
    """The engine of a component, for questions that nobody cancels. Raises PluginError."""
    return Docker.of(component, runner or ProcessRunner(NeverCancelled()))


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume, be it there or not."""

    name: str
    folder: str
    """Where its files are."""
    exists: bool

    @classmethod
    def of(cls, docker: Docker, name: str) -> Self:
        """Raises NotSafe where its folder is none that can be reached from here, PluginError."""
        require_local(docker)
        if _NAME.fullmatch(name) is None:
            raise PluginError(f"{name!r} cannot be the name of a volume", "see docker volume ls")
        try:
            answer = docker.inspect("volume", name)[0]
        except Nothing:
            return cls(name, f"{root_of(docker)}/{name}/{DATA}", exists=False)
        why_not = why_no_folder(answer)
        if why_not:
            raise NotSafe(f"the volume {name} {why_not}", "make the folder or server that it leads to a component")
        folder = str(answer.get("Mountpoint") or "")
        if not folder.startswith("/") or posixpath.basename(folder) != DATA:
            raise NotSafe(f"the volume {name} is in {folder!r}: it is not known how it is kept there")
        return cls(name, posixpath.normpath(folder), exists=True)

    @property
    def home(self) -> str:
        """The folder in which its folder is."""
        return posixpath.dirname(self.folder)

    def uses(self, container: Container) -> bool:
        """Whether a container sees it, by its name or by its folder or one below."""
        return any(
            one.volume == self.name or f"{one.source}/".startswith(f"{self.folder}/") for one in container.mounts
        )

    def users(self, docker: Docker) -> list[Container]:
        """The containers that use it, running or not, the one that was started first coming first.

        Raises PluginError."""
        users = [one for one in docker.containers() if self.uses(one)]
        return sorted(users, key=lambda one: (one.started.timestamp() if one.started else 0.0, one.name))


def why_no_folder(answer: Mapping[str, Any]) -> str:
    """Why what is said of a volume leads to no folder of Docker's own; ``""`` where it does."""
    driver, options = str(answer.get("Driver") or ""), answer.get("Options") or {}
    if driver != "local":
        return f"is kept by the driver {driver}, and not in a folder of Docker's own"
    if options:
        return f"is mounted from elsewhere while it is used ({', '.join(sorted(map(str, options)))})"
    return ""


def all_volumes(docker: Docker) -> list[Mapping[str, Any]]:
    """What is said of each. Raises PluginError."""
    names: Sequence[str] = docker.run("volume", "ls", "--quiet").split()
    return docker.inspect("volume", *names) if names else []


def root_of(docker: Docker) -> str:
    """Where volumes are that will be made. Raises PluginError."""
    what = "{{.DockerRootDir}}/volumes" if docker.socket else "{{.Store.VolumePath}}"
    root = docker.run("info", "--format", what).strip()
    if not root.startswith("/"):
        raise PluginError(f"{docker.title} does not say where its volumes are")
    return posixpath.normpath(root)


def require_local(docker: Docker) -> None:
    """Raises NotSafe where volumes of this engine are no folders of this machine's that we may work in; ServerDown,
    WrongCredentials."""
    if os.geteuid() != 0:
        raise WrongCredentials(f"volumes of {docker.title} are folders of root's", "run it as root (sudo)")
    if not docker.socket:
        return
    pid, uid = _listener(docker)
    if uid != 0:
        raise NotSafe(
            f"{docker.title} is run by {user_in_words(uid)} and not by root: what it says of folders is not believed",
            "make the folders that its volumes are in a fileset",
        )
    name = _name_of(pid)
    if not any(one in name for one in _OURS):
        raise NotSafe(
            f"{docker.title} is answered by {name or 'a process that is not seen from here'}: its volumes are folders "
            "of another machine",
            "take snapshots of them there",
        )


def require_reached(docker: Docker, volume: Volume) -> None:
    """Raises NotSafe where the folder of a volume is another for Docker than for us (in a container, a namespace)."""
    if not docker.socket:
        return
    pid, _ = _listener(docker)
    try:
        seen, theirs = os.stat(volume.home), os.stat(f"/proc/{pid}/root{volume.home}")  # noqa: PTH116 (compared)
        same = (seen.st_dev, seen.st_ino) == (theirs.st_dev, theirs.st_ino)
    except OSError:
        same = False
    if not same:
        raise NotSafe(
            f"{volume.folder}, where {docker.title} has the volume {volume.name}, cannot be reached from here",
            "run this program where Docker runs",
        )


def _listener(docker: Docker) -> tuple[int, int]:
    """The process that listens on the socket, and its user: the kernel's word (SO_PEERCRED, unix(7))."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_SECONDS)
            asking.connect(docker.socket)
            size = struct.calcsize(_UCRED)
            pid, uid, _ = struct.unpack(_UCRED, asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    except OSError as error:
        raise ServerDown(f"{docker.title} does not answer ({error.strerror})", "start it") from error
    return int(pid), int(uid)


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""
