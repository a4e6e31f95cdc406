"""The configuration of supervisord that a component brings, and the groups of processes that it makes."""

from __future__ import annotations

import configparser
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.ownership import is_obeyed
from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.links import Link

INSIDE = Path("conf.d")
FOLDERS = (Path("/var/lib/supervisord/conf.d"), Path("/etc/supervisor/conf.d"))
"""Where such files are put: Dysnomia's folder, then Debian's."""
_ALONE = ("program", "fcgi-program", "eventlistener")


@dataclass(frozen=True, slots=True)
class Programs:
    """What stands in a component's folder."""

    files: tuple[Path, ...]
    groups: frozenset[str]
    waiting: frozenset[str]
    """Groups of which nothing starts by itself (``autostart``)."""

    @classmethod
    def of(cls, component: Component) -> Programs:
        """Raises PluginError where it has none, or they cannot be read."""
        folder = component.path.absolute() / INSIDE
        names = names_in(component, folder, "programs", "put its configuration files there")
        files = tuple(folder / name for name in names)
        started = _started(files)
        return cls(files, frozenset(started), frozenset(name for name, starts in started.items() if not starts))

    def links(self, component: Component) -> tuple[Link, ...]:
        """Where supervisord finds the files."""
        given = component.prop("supervisordTargetDir")
        folder = Path(given) if given else next((path for path in FOLDERS if path.is_dir()), FOLDERS[0])
        return tuple(Link(folder / path.name, path) for path in self.files)


def replaced_groups(links: Iterable[Link]) -> frozenset[str]:
    """The groups of files that links stand in the place of: an earlier version of the component's."""
    paths = [link.path for link in links if link.path.is_symlink() and not link.made and is_obeyed(link.path)]
    try:
        return frozenset(_started([path for path in paths if path.is_file()]))
    except PluginError:
        return frozenset()  # what nobody can read, supervisord has not read either


def _started(files: Iterable[Path]) -> dict[str, bool]:
    """The groups in files, and whether anything of each starts by itself. Raises PluginError."""
    alone: dict[str, bool] = {}
    together: dict[str, list[str]] = {}
    for path in files:
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        try:
            parser.read(path, encoding="utf-8")
            for section in parser.sections():
                kind, _, name = section.partition(":")
                if kind in _ALONE:
                    alone[name.strip()] = parser.getboolean(section, "autostart", fallback=True)
                elif kind == "group":
                    together[name.strip()] = [one.strip() for one in parser.get(section, "programs").split(",")]
        except (configparser.Error, ValueError) as error:
            raise PluginError(f"supervisord could not read {path} ({error})", "correct it") from error
    grouped = {name: any(alone.get(one, True) for one in members) for name, members in together.items()}
    inside = {one for members in together.values() for one in members}
    return {**grouped, **{name: starts for name, starts in alone.items() if name not in inside}}
