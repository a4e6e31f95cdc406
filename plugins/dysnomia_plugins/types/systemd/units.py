"""The units that a component brings, and their links where systemd looks for them.

Only links are ever made, replaced or removed, and of those that stand under a unit's name only the component's own
and those that lead nowhere: what an operator has put there stays.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError

INSIDE = Path("etc") / "systemd" / "system"
"""Where a component has its units, those of a user's manager as well."""
ACTIVATORS = (".socket", ".timer")
"""Kinds of unit that are started instead of the service of their name."""


@dataclass(frozen=True, slots=True)
class Units:
    """What stands in a component's folder of units."""

    folder: Path
    names: tuple[str, ...]
    """Units, and all else that systemd reads beside them (``web.service.d``), sorted."""

    @classmethod
    def of(cls, component: Component) -> Units:
        """Raises PluginError where it has none."""
        folder = component.path.absolute() / INSIDE
        try:
            names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        except OSError as error:
            raise PluginError(
                f"{component.key} has no units ({folder}: {error.strerror})", "put its unit files there"
            ) from error
        for name in names:
            if name.startswith("-") or not name.isprintable():
                raise PluginError(f"{folder} holds a file that is not called as a unit can be", "rename it")
        return cls(folder, tuple(names))

    def _ending(self, *endings: str) -> list[str]:
        return [name for name in self.names if name.endswith(endings)]

    @property
    def started(self) -> tuple[str, ...]:
        """The units to start: of each service its socket, else its timer, else itself; then sockets and timers that
        start something of another name. A template waits for whoever instantiates it."""
        services = [name for name in self._ending(".service") if not _template(name)]
        first = [self._activator(name) or name for name in services]
        others = [name for name in self._ending(*ACTIVATORS) if not _template(name)]
        return tuple(dict.fromkeys([*first, *others]))

    def _activator(self, service: str) -> str:
        stem = service.removesuffix(".service")
        return next((stem + ending for ending in ACTIVATORS if stem + ending in self.names), "")

    @property
    def stopped(self) -> tuple[str, ...]:
        """What is stopped, in this order: first what could start a service again; of a template every instance."""
        order = [*self._ending(".socket"), *self._ending(".timer"), *self._ending(".path"), *self._ending(".service")]
        return tuple(name.replace("@.", "@*.") if _template(name) else name for name in order)

    @property
    def shown(self) -> tuple[str, ...]:
        """The units that have a state worth showing: services last, which log."""
        return tuple(name for name in self.stopped if "*" not in name)


def _template(name: str) -> bool:
    return "@." in name


@dataclass(frozen=True, slots=True)
class Link:
    """One link: where it stands, and where it leads."""

    path: Path
    to: Path

    @property
    def made(self) -> bool:
        """Whether it is as it should be."""
        return self.path.is_symlink() and os.path.realpath(self.path) == os.path.realpath(self.to)

    @property
    def ours(self) -> bool:
        """Whether what stands there may be taken away: our link, or one that leads nowhere."""
        return self.path.is_symlink() and (self.made or not self.path.exists())

    def was(self) -> str:
        """Where the link leads that stands there; ``""`` where nothing does.

        Raises NotSafe for anything but a link: that is somebody's own."""
        if self.path.is_symlink():
            return str(self.path.readlink())
        if self.path.exists():
            raise NotSafe(f"{self.path} already exists, and is not a link", "move it away, or rename the unit")
        return ""

    def make(self) -> None:
        """Make it, in the place of another link too. Raises PluginError."""
        try:
            point(self.path, str(self.to))
        except OSError as error:
            raise PluginError(f"{self.path} could not be made ({error.strerror})", "see its permissions") from error


def links_of(units: Units, folder: Path) -> tuple[Link, ...]:
    """The links that make systemd find the units."""
    return tuple(Link(folder / name, units.folder / name) for name in units.names)


def wants_of(units: Units, folder: Path) -> tuple[Link, ...]:
    """The links that make the root target start them, after a reboot too."""
    return tuple(Link(folder / name, units.folder / name) for name in units.started)


def point(path: Path, to: str) -> None:
    """Make a link in one step, instead of whatever link stands there. Raises OSError."""
    folder_for(path)
    beside = path.with_name(f".dysnomia.{path.name}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(to)
    os.replace(beside, path)


def folder_for(path: Path) -> None:
    """The folder of a link, readable by all as systemd's own are, whatever our umask. Raises OSError."""
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def remove(paths: Sequence[Path]) -> None:
    """Remove links, and what a killed ``point`` left beside them. Idempotent. Raises PluginError."""
    for path in paths:
        try:
            path.with_name(f".dysnomia.{path.name}").unlink(missing_ok=True)
            if path.is_symlink():
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise PluginError(f"{path} could not be removed ({error.strerror})", "see its permissions") from error


def settle_folders(folders: Sequence[Path]) -> None:
    """See to it that the links are on disk; a folder that is not there has none."""
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
