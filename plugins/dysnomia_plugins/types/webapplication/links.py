"""The links to a web application's files in the document root: what is served of a component without state.

Source: ``dysnomia-modules/generic-webapplication.in`` of Dysnomia 0.10.2: each entry of the component's ``webapps``
folder is linked under its name. Unlike it, a file that has such a name is not replaced, and what is removed is the
component's own link alone.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from dysnomia_plugins.base import Component, Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.guarded.folder import OPEN_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.removal import remove_empty
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.webapplication.document_root import SETTING, document_root

INSIDE = "webapps"
MADE = "web-links"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a component has served, and where."""

    root: str
    """The document root, without links on the way to it."""
    source: str
    """The component's folder of applications."""
    names: tuple[str, ...]

    @classmethod
    def of(cls, component: Component) -> Served:
        """Raises PluginError where it has no such folder, NotSafe where the way to the document root is not safe."""
        folder = component.path.absolute() / INSIDE
        names = names_in(component, folder, "web applications", "put the files to be served there")
        root = document_root(component)
        with _explained(root):
            return cls(real_path(root, setting=SETTING), str(folder), tuple(names))

    def target(self, name: str) -> str:
        return posixpath.join(self.source, name)

    @property
    def targets(self) -> frozenset[str]:
        return frozenset(map(self.target, self.names))

    def states(self) -> Mapping[str, str]:
        """Where the link of each name leads now; ``""`` where there is none. Raises PluginError."""
        if not os.path.lexists(self.root):
            return dict.fromkeys(self.names, "")
        with _explained(self.root), Folder.at(self.root) as folder:
            return {name: folder.link_target(name) or "" for name in self.names}

    def is_own(self, name: str, target: str | None) -> bool:
        """Whether a link in the document root is the component's, by whatever way it leads there."""
        own = self.target(name)
        return target is not None and (target == own or os.path.realpath(target) == os.path.realpath(own))

    def former(self, folder: Folder) -> Iterator[str]:
        """Links that an activation made of what the component no longer has."""
        for name in folder.names():
            if name not in self.names and not name.startswith(".") and folder.link_target(name) == self.target(name):
                yield name


def make_links(ctx: Context, served: Served) -> None:
    """Each in one step; another link that has its name is replaced. What was there is in the journal first.

    Raises NotSafe where something else has its name, PluginError."""
    with _explained(served.root):
        above = _missing(served.root)
        was = {} if above else _was(served)
        made = {name: served.target(name) for name in served.names if was.get(name) != served.target(name)}
        ctx.journal.step(MADE, root=served.root, links=made, was=was, folders=above)
        with Folder.at(served.root, make=OPEN_FOLDER) as folder:
            folder.sweep_links(served.targets)
            for name, target in made.items():
                ctx.cancel.check()
                _point(folder, name, target)
                ctx.progress.log(f"{folder.shown(name)} -> {target}")
            for name in list(served.former(folder)):
                folder.unlink(name)
                ctx.progress.log(f"{folder.shown(name)} removed: the component has it no more")
            folder.sync()


def remove_links(ctx: Context, served: Served) -> None:
    """What has a link's name and is not the component's stays, and is said. Idempotent. Raises PluginError."""
    if not os.path.lexists(served.root):
        return
    with _explained(served.root), Folder.at(served.root) as folder:
        folder.sweep_links(served.targets)
        for name in (*served.names, *list(served.former(folder))):
            target = folder.link_target(name)
            if served.is_own(name, target):
                folder.unlink(name)
                ctx.progress.log(f"{folder.shown(name)} removed")
            elif folder.seen(name) is not None:
                ctx.progress.log(f"{folder.shown(name)} is not of this component, and stays")
        folder.sync()


def take_back(ctx: Context) -> bool:
    """Put back what an activation found that did not come to its end. Idempotent. Raises PluginError.

    Returns whether there was anything to put back."""
    done = dict(ctx.journal.steps()).get(MADE)
    if done is None:
        return False
    root = str(done["root"])
    with _explained(root), suppress(FileNotFoundError), Folder.at(root) as folder:
        folder.sweep_links(frozenset(done["links"].values()))
        for name, target in done["links"].items():
            if folder.link_target(name) == target:
                before = done["was"].get(name, "")
                if before:
                    folder.point_link(name, before)
                else:
                    folder.unlink(name)
        folder.sync()
    with suppress(OSError, LinkInTheWay):
        for path in reversed(done["folders"]):
            remove_empty(path)
    return True


def _was(served: Served) -> Mapping[str, str]:
    """Where the links lead that have the names now. Raises NotSafe for anything else: that belongs to an operator."""
    found = {}
    with Folder.at(served.root) as folder:
        for name in served.names:
            target = folder.link_target(name)
            if target is not None:
                found[name] = target
            elif folder.seen(name) is not None:
                raise _in_the_way(folder, name)
    return found


def _point(folder: Folder, name: str, target: str) -> None:
    try:
        folder.point_link(name, target)
    except FileExistsError as error:
        raise _in_the_way(folder, name) from error


def _in_the_way(folder: Folder, name: str) -> NotSafe:
    return NotSafe(f"{folder.shown(name)} already exists, and is not a link", "move it away, or rename the component's")


def _missing(root: str) -> list[str]:
    """The folders that have to be made, from above."""
    found = []
    while not os.path.lexists(root):
        found.append(root)
        root = posixpath.dirname(root)
    return found[::-1]


@contextmanager
def _explained(root: str) -> Iterator[None]:
    """What the system says of the document root."""
    try:
        yield
    except FileNotFoundError as error:
        raise PluginError(f"there is no {root}", f"see {SETTING}") from error
    except OSError as error:
        hint = "run it as root" if isinstance(error, PermissionError) else f"see {SETTING}"
        raise PluginError(f"{root}: {error.strerror} ({error.filename or ''})", hint) from error
