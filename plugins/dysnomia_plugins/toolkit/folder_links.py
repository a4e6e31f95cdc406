"""Links to a component's files in a folder that a server looks into, which another user may own: by descriptor alone.

Each is made in one step, so that a server never finds it missing. A file that has the name of a link is not replaced,
and what is removed is the component's own links alone; Dysnomia's modules replace and remove whatever has the name.
(``links`` is for folders of the system's own.)
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Fact, Tone
from dysnomia_plugins.toolkit.guarded.folder import OPEN_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.removal import remove_empty
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import real_path


@dataclass(frozen=True, slots=True)
class FolderLinks:
    """The links that a component has in one folder."""

    root: str
    """The folder, without links on the way to it."""
    source: str
    """The component's folder in which all that they lead to is."""
    targets: Mapping[str, str]
    """Where each link leads, by its name."""
    setting: str
    """The property that names the folder, for messages."""
    step: str
    """What the journal's entry is called that says what was there before."""

    @classmethod
    def at(cls, root: str, source: str, targets: Mapping[str, str], *, setting: str, step: str) -> FolderLinks:
        """Raises NotSafe where the way to the folder is not safe, PluginError where it is not absolute."""
        if not root.startswith("/"):
            raise PluginError(f"{setting} {root!r} is not absolute", "correct it in the container")
        with _explained(root, setting):
            return cls(real_path(posixpath.normpath(root), setting=setting), source, targets, setting, step)

    def states(self) -> Mapping[str, str]:
        """Where the link of each name leads now; ``""`` where there is none. Raises PluginError."""
        if not os.path.lexists(self.root):
            return dict.fromkeys(self.targets, "")
        with _explained(self.root, self.setting), Folder.at(self.root) as folder:
            return {name: folder.link_target(name) or "" for name in self.targets}

    def is_own(self, name: str, target: str | None) -> bool:
        """Whether a link of that name is the component's, by whatever way it leads there."""
        own = self.targets.get(name, target)
        return target is not None and (target == own or os.path.realpath(target) == os.path.realpath(own or ""))

    def former(self, folder: Folder) -> list[str]:
        """Links that an activation made of what the component no longer has."""
        links = []
        for name in folder.names():
            target = "" if name in self.targets or name.startswith(".") else folder.link_target(name) or ""
            if posixpath.basename(target) == name and target.startswith(self.source + "/"):
                links.append(name)
        return links


def make_links(ctx: Context, links: FolderLinks) -> None:
    """Each in one step; another link that has its name is replaced. What was there is in the journal first.

    Raises NotSafe where something else has its name, PluginError."""
    with _explained(links.root, links.setting):
        above = _missing(links.root)
        was = {} if above else _was(links)
        made = {name: target for name, target in links.targets.items() if was.get(name) != target}
        ctx.journal.step(links.step, root=links.root, links=made, was=was, folders=above)
        with Folder.at(links.root, make=OPEN_FOLDER) as folder:
            folder.sweep_links(frozenset(links.targets.values()))
            for name, target in made.items():
                ctx.cancel.check()
                _point(folder, name, target)
                ctx.progress.log(f"{folder.shown(name)} -> {target}")
            for name in links.former(folder):
                folder.unlink(name)
                ctx.progress.log(f"{folder.shown(name)} removed: the component no longer contains it")
            folder.sync()


def remove_links(ctx: Context, links: FolderLinks) -> None:
    """What has a link's name and is not the component's stays, and is said. Idempotent. Raises PluginError."""
    if not os.path.lexists(links.root):
        return
    with _explained(links.root, links.setting), Folder.at(links.root) as folder:
        folder.sweep_links(frozenset(links.targets.values()))
        for name in (*links.targets, *links.former(folder)):
            target = folder.link_target(name)
            if links.is_own(name, target):
                folder.unlink(name)
                ctx.progress.log(f"{folder.shown(name)} removed")
            elif folder.seen(name) is not None:
                ctx.progress.log(f"{folder.shown(name)} does not belong to this component and was left in place")
        folder.sync()


def take_back(ctx: Context, step: str, setting: str) -> bool:
    """Put back what an activation found that did not come to its end. Idempotent. Raises PluginError.

    Returns whether there was anything to put back."""
    done = dict(ctx.journal.steps()).get(step)
    if done is None:
        return False
    root = str(done["root"])
    with _explained(root, setting), suppress(FileNotFoundError), Folder.at(root) as folder:
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


def overall(links: FolderLinks, states: Mapping[str, str], nothing: str) -> tuple[str, Tone]:
    """One word for all of its links; ``nothing`` is said where it has none."""
    made = sum(links.is_own(name, target) for name, target in states.items() if target)
    if made == len(states):
        return ("linked", Tone.GOOD) if states else (nothing, Tone.WARN)
    return (f"{made} of {len(states)} linked", Tone.WARN) if made else ("not linked", Tone.DIM)


def link_fact(links: FolderLinks, name: str, target: str, made: str = "") -> Fact:
    """What is told of one; ``made`` of the component's own, instead of where it leads."""
    if not target:
        return Fact(f"{name}: there is no link {links.root}/{name}", tone=Tone.DIM)
    own = links.is_own(name, target)
    leads = f"{links.root}/{name} -> {target}"
    return Fact(f"{name}: {made or leads}" if own else f"{name}: {leads}", tone=Tone.GOOD if own else Tone.WARN)


def _was(links: FolderLinks) -> Mapping[str, str]:
    """Where the links lead that have the names now. Raises NotSafe for anything else: that belongs to an operator."""
    targets = {}
    with Folder.at(links.root) as folder:
        for name in links.targets:
            target = folder.link_target(name)
            if target is not None:
                targets[name] = target
            elif folder.seen(name) is not None:
                raise _in_the_way(folder, name)
    return targets


def _point(folder: Folder, name: str, target: str) -> None:
    try:
        folder.point_link(name, target)
    except FileExistsError as error:
        raise _in_the_way(folder, name) from error


def _in_the_way(folder: Folder, name: str) -> NotSafe:
    return NotSafe(
        f"{folder.shown(name)} already exists, and is not a link", "move it away, or rename the one in the component"
    )


def _missing(root: str) -> list[str]:
    """The folders that have to be made, from above."""
    missing = []
    while not os.path.lexists(root):
        missing.append(root)
        root = posixpath.dirname(root)
    return missing[::-1]


@contextmanager
def _explained(root: str, setting: str) -> Iterator[None]:
    """What the system says of the folder."""
    try:
        yield
    except FileNotFoundError as error:
        raise PluginError(f"there is no {root}", f"see {setting}") from error
    except OSError as error:
        hint = "run it as root" if isinstance(error, PermissionError) else f"see {setting}"
        raise PluginError(f"{root}: {error.strerror} ({error.filename or ''})", hint) from error
