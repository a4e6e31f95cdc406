"""What a fileset component says of itself, in Dysnomia's files.

``.dysnomia-targetdir`` (or the container's ``targetDir``): an absolute folder. ``.dysnomia-filesetowner`` (or
``filesetOwner``): ``user:group`` for the folders that are made. ``.dysnomia-fileset``: a line each,

    mkdir PATH           a folder of files that change, below the target folder: what a snapshot holds
    symlink ABSOLUTE     with
    target PATH          a link of the same last name in folder PATH below the target folder

Source: ``dysnomia-modules/fileset.in`` of Dysnomia 0.10.2. Unlike it, a path that leaves the target folder is refused.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.trees.names import below, sort_key

SPEC_FILE = ".dysnomia-fileset"
TARGET_FILE = ".dysnomia-targetdir"
OWNER_FILE = ".dysnomia-filesetowner"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that activation makes: ``folder``/last name of ``source`` -> ``source``."""

    source: str
    folder: str

    @property
    def path(self) -> str:
        """Relative to the target folder."""
        return posixpath.normpath(posixpath.join(self.folder, posixpath.basename(self.source.rstrip("/"))))


@dataclass(frozen=True, slots=True)
class FilesetSpec:
    """A fileset component, read."""

    target: str
    """The target folder, absolute, as configured."""
    folders: tuple[str, ...]
    """Every ``mkdir`` path, normalised, in the order of the file."""
    links: tuple[Link, ...]
    owner: str
    """``user:group`` as configured, ``""`` where nothing is."""
    setting: str = "targetDir"
    """The property that names the target folder, for messages."""

    @property
    def roots(self) -> tuple[str, ...]:
        """The topmost of the folders, sorted: what a snapshot holds and a restore replaces. ``.`` is the target."""
        return collapse(self.folders)


def collapse(folders: Iterable[str]) -> tuple[str, ...]:
    """The folders that lie in no other of them, sorted as they are stored."""
    kept: list[str] = []
    for folder in sorted(set(folders), key=sort_key):
        # All that lies in a folder comes right after it, so the last that was kept is the only one to look at.
        if not kept or not below(folder, kept[-1]):
            kept.append(folder)
    return tuple(kept)


def read_spec(component: Component) -> FilesetSpec:
    """Read a component's files.

    Raises:
        PluginError: a file is missing or says something it may not; names file and line.
    """
    target = component.prop("targetDir") or _one_line(component, TARGET_FILE)
    if not target:
        raise PluginError(
            f"{component.key} has no target folder",
            f"set targetDir in the container, or write it to {component.path / TARGET_FILE}",
        )
    return read_spec_below(component, target)


def read_spec_below(component: Component, target: str, setting: str = "targetDir") -> FilesetSpec:
    """Read a component's files, but for that which names the target folder. Raises PluginError as ``read_spec``."""
    if not target.startswith("/"):
        raise PluginError(f"the target folder {target!r} of {component.key} is not absolute", f"see {setting}")
    folders, links = _entries(component.path / SPEC_FILE, component)
    return FilesetSpec(
        target=posixpath.normpath("/" + target.lstrip("/")),
        folders=folders,
        links=links,
        owner=component.prop("filesetOwner") or _one_line(component, OWNER_FILE),
        setting=setting,
    )


def is_fileset(component: Component) -> bool:
    """Whether a component lists folders and links of its own; one of which that cannot be seen counts as such."""
    try:
        return stat.S_ISREG((component.path / SPEC_FILE).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _one_line(component: Component, name: str) -> str:
    try:
        return os.fsdecode((component.path / name).read_bytes()).rstrip("\n")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise PluginError(f"{component.path / name} cannot be read", str(error.strerror)) from error


def _entries(path: Path, component: Component) -> tuple[tuple[str, ...], tuple[Link, ...]]:
    try:
        lines = os.fsdecode(path.read_bytes()).split("\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PluginError(f"{component.key} is not a fileset", f"{path} is missing") from error
    except OSError as error:
        raise PluginError(f"{path} cannot be read", str(error.strerror)) from error
    folders: list[str] = []
    links: list[Link] = []
    source = ""
    for number, line in enumerate(lines, 1):
        action, _, argument = line.strip(" \t\r").partition(" ")
        where = f"{path}, line {number}"
        if not action or action.startswith("#"):
            continue
        if action not in ("mkdir", "symlink", "target"):
            raise PluginError(f"{where}: unknown action {action!r}", "use mkdir, symlink or target")
        if not argument.strip():
            raise PluginError(f"{where}: {action} without a path", "write a path after it")
        if action == "mkdir":
            folders.append(_confined(argument, where))
        elif action == "symlink":
            source = argument
        elif not source:
            raise PluginError(f"{where}: target without a symlink line before it")
        else:
            links.append(Link(source, _confined(argument, where)))
    return tuple(dict.fromkeys(folders)), tuple(links)


def _confined(path: str, where: str) -> str:
    """A path below the target folder, normalised."""
    if path.startswith("/"):
        raise PluginError(f"{where}: {path!r} is absolute", "paths are below the target folder")
    parts: Sequence[str] = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PluginError(f"{where}: {path!r} leads out of the target folder")
    if "\0" in path:
        raise PluginError(f"{where}: a path holds a NUL byte")
    return "/".join(parts) or "."
