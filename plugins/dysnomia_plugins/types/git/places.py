"""Where a repository of git stands; a job's own places: ``toolkit/repositories``."""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_plugins.base import Component
from dysnomia_plugins.toolkit.repositories import places

SETTING = "gitBaseDir"


@dataclass(frozen=True, slots=True)
class Layout(places.Layout):
    """The places of one component."""

    @classmethod
    def of(cls, component: Component) -> Layout:
        """Raises PluginError where the container does not say where repositories are, NotSafe for a link of others."""
        base = places.base_folder(component, SETTING)
        return cls(base, places.repository_below(base, component, SETTING))
