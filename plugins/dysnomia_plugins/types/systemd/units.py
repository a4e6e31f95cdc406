"""The units that a component brings, and their links where systemd looks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.links import Link

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
        names = names_in(component, folder, "units", "put its unit files there")
        for name in names:
            if name.startswith("-") or not name.isprintable():
                raise PluginError(f"{folder} holds a file whose name is not valid for a unit: {name!r}", "rename it")
        return cls(folder, tuple(names))

    def _ending(self, *endings: str) -> list[str]:
        return [name for name in self.names if name.endswith(endings)]

    @property
    def started(self) -> tuple[str, ...]:
        """The units to start: of each service its socket, else its timer, else itself; then sockets and timers that
        start something of another name. A template waits for whoever instantiates it.

        As in Dysnomia, the timer of a service that has a socket too is not started."""
        services = [name for name in self._ending(".service") if not _template(name)]
        first = [self._activator(name) or name for name in services]
        others = [name for name in self._ending(*ACTIVATORS) if not _template(name)]
        return (*first, *(name for name in others if f"{name.rpartition('.')[0]}.service" not in services))

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


def links_of(units: Units, folder: Path) -> tuple[Link, ...]:
    """The links that make systemd find the units."""
    return tuple(Link(folder / name, units.folder / name) for name in units.names)


def wants_of(units: Units, folder: Path) -> tuple[Link, ...]:
    """The links that make the root target start them, after a reboot too."""
    return tuple(Link(folder / name, units.folder / name) for name in units.started)
