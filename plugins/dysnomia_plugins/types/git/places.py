"""Where a repository stands; a job's own places: ``toolkit/repositories``."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from dysnomia_plugins.base import Component, Place, Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.repositories.places import made_beside, named_beside

SETTING = "gitBaseDir"


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one component."""

    base: str
    """``gitBaseDir``, absolute."""
    live: str
    """The repository, without links: those that nobody else could have made are followed."""

    @classmethod
    def of(cls, component: Component) -> Layout:
        """Raises PluginError where the container does not say where repositories are, NotSafe for a link of others."""
        base = component.prop(SETTING)
        if not base.startswith("/"):
            said = f"{SETTING} is {base!r}" if base else f"{SETTING} is not set"
            raise PluginError(
                f"{component.key} has no absolute folder for repositories: {said}",
                f"set {SETTING} in the container {component.key.container}",
            )
        try:
            live = real_path(posixpath.join(base, component.key.component), setting=SETTING)
        except OSError as error:
            raise PluginError(
                f"{base} cannot be opened ({error.strerror})", "check its permissions, or run as root"
            ) from error
        return cls(base, live)

    @property
    def parent(self) -> str:
        return posixpath.dirname(self.live)

    def made(self, tag: str, purpose: Purpose | str) -> Place:
        """The place a job uses for a purpose."""
        return made_beside(self.live, tag, purpose)

    def named(self, name: str) -> Place:
        """The place of a copy: beside what is live. Raises PluginError."""
        return named_beside(self.live, name)
