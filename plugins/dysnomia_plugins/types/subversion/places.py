"""Where a repository of Subversion stands; a job's own places: ``toolkit/repositories``."""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.repositories import places

SETTING = "svnBaseDir"


@dataclass(frozen=True, slots=True)
class Layout(places.Layout):
    """The places of one component."""

    group: str
    """``svnGroup``; ``""`` leaves groups as they are."""

    @classmethod
    def of(cls, component: Component) -> Layout:
        """Raises PluginError where the container does not say where repositories are, NotSafe for a link of others."""
        base = places.base_folder(component, SETTING)
        _check_text(component.key.component)
        return cls(base, places.repository_below(base, component, SETTING), component.prop("svnGroup"))

    def named(self, name: str) -> Place:
        """The place of a copy: beside what is live. Raises PluginError."""
        _check_text(name)
        return places.Layout.named(self, name)


def _check_text(name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise PluginError(
            f"{name.encode('utf-8', 'backslashreplace').decode()!r} is not UTF-8", "Subversion takes no such path"
        ) from None
