"""Where a repository stands; a job's own places: ``toolkit/repositories``."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from dysnomia_plugins.base import Component, Place, Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.repositories.places import made_beside, named_beside


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one component."""

    base: str
    """``svnBaseDir``, absolute."""
    live: str
    """The repository, without links: those that nobody else could have made are followed."""
    group: str
    """``svnGroup``; ``""`` leaves groups as they are."""

    @classmethod
    def of(cls, component: Component) -> Layout:
        """Raises PluginError where the container does not say where repositories are, NotSafe for a link of others."""
        base = component.prop("svnBaseDir")
        if not base.startswith("/"):
            reason = f"svnBaseDir is {base!r}" if base else "svnBaseDir is not set"
            raise PluginError(
                f"{component.key} has no absolute folder for repositories: {reason}",
                f"set svnBaseDir in the container {component.key.container}",
            )
        name = component.key.component
        _check_text(name)
        try:
            live = real_path(posixpath.join(base, name), setting="svnBaseDir")
        except OSError as error:
            raise PluginError(
                f"{base} cannot be opened ({error.strerror})", "check its permissions, or run as root"
            ) from error
        return cls(base, live, component.prop("svnGroup"))

    @property
    def parent(self) -> str:
        return posixpath.dirname(self.live)

    def made(self, tag: str, purpose: Purpose | str) -> Place:
        """The place a job uses for a purpose."""
        return made_beside(self.live, tag, purpose)

    def named(self, name: str) -> Place:
        """The place of a copy: beside what is live. Raises PluginError."""
        _check_text(name)
        return named_beside(self.live, name)


def _check_text(name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise PluginError(
            f"{name.encode('utf-8', 'backslashreplace').decode()!r} is not UTF-8", "Subversion takes no such path"
        ) from None
