# Paths are plain strings here, as in what is shared with the fileset.
"""The folders that a job makes for a repository beside what is live, and what may not be exchanged.

A place is a repository's folder. What a job makes stands in a folder of its own that nobody but the repository's
owner may enter, ``.dysnomia-<tag>-<purpose>/repository`` beside what is live: on the same file system, so that an
exchange is one rename, and out of the reach of a server that serves all of the folder.
"""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from dataclasses import dataclass

from dysnomia_plugins.base import Component, Context, Place, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from dysnomia_plugins.toolkit.guarded.removal import remove_empty, remove_made, require_made
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.mounts import all_mounts, points_below
from dysnomia_plugins.toolkit.trees.names import own_name, purpose_of
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

COPY = "copy"
_REPOSITORY = "repository"
MADE = frozenset({_REPOSITORY, "sealing", "database"})
"""All that jobs make in the folders around places, of each type that has such."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one component: a repository below the folder that its container names."""

    base: str
    """That folder, absolute."""
    live: str
    """The repository, without links: those that nobody else could have made are followed."""

    @property
    def parent(self) -> str:
        return posixpath.dirname(self.live)

    def made(self, tag: str, purpose: Purpose | str) -> Place:
        """The place a job uses for a purpose."""
        return Place(posixpath.join(self.parent, f".dysnomia-{tag}-{purpose}", _REPOSITORY))

    def named(self, name: str) -> Place:
        """The place of a copy: beside what is live. Raises PluginError."""
        try:
            validate_name(name, "copy")
        except NameRejected as error:
            raise PluginError(error.message, error.hint) from error
        if name == posixpath.basename(self.live):
            raise PluginError(f"{name!r} is the live state", "choose another name for the copy")
        return Place(posixpath.join(self.parent, name))


def base_folder(component: Component, setting: str) -> str:
    """Raises PluginError where the container does not say where repositories are."""
    base = component.prop(setting)
    if not base.startswith("/"):
        reason = f"{setting} is {base!r}" if base else f"{setting} is not set"
        raise PluginError(
            f"{component.key} has no absolute folder for repositories: {reason}",
            f"set {setting} in the container {component.key.container}",
        )
    return base


def repository_below(base: str, component: Component, setting: str) -> str:
    """Where the component's repository is. Raises NotSafe for a link of others, PluginError."""
    try:
        return real_path(posixpath.join(base, component.key.component), setting=setting)
    except OSError as error:
        raise PluginError(
            f"{base} cannot be opened ({error.strerror})", "check its permissions, or run as root"
        ) from error


def wrapper_of(place: Place) -> str:
    """The folder that a job made for a place; ``""`` where none did."""
    folder = posixpath.dirname(place.name)
    return folder if own_name(posixpath.basename(folder)) else ""


def wrapper_made(place: Place) -> str:
    """The folder that a job made for a place. Raises NotSafe where no job of ours gave the name.

    For whoever goes on to work in that folder: ``""`` would be opened as ``/``."""
    wrapper = wrapper_of(place)
    if not wrapper:
        raise NotSafe(f"{place.name} is not a place that a job made", "nothing was changed")
    return wrapper


def purpose_at(place: Place) -> str:
    """``beside``, ``aside``, ``scratch``, ``copy``, or ``""`` for a place that no job made."""
    wrapper = wrapper_of(place)
    return purpose_of(Place(wrapper)) if wrapper else ""


def is_strange_proof(ctx: Context, place: Place) -> bool:
    """Whether a snapshot that nobody here vouches for is loaded there to prove what it holds: with all it holds, so
    only nobody may be let in."""
    return purpose_at(place) == Purpose.SCRATCH and not ctx.made_here


def make_wrapper(place: Place) -> None:
    """Have the folder around a place, ours and closed to all others. Idempotent. Raises NotSafe, OSError."""
    wrapper = wrapper_made(place)
    with Folder.at(posixpath.dirname(wrapper), make=0o755) as parent:
        name = posixpath.basename(wrapper)
        try:
            parent.make_folder(name).close()
        except FileExistsError:
            with parent.folder(name) as made:
                require_made(made.descriptor, wrapper, MADE.__contains__)


def remove_wrapper(place: Place) -> None:
    """Delete the folder around a place, and all that a job made in it. Idempotent. Raises NotSafe, PluginError."""
    remove_made(wrapper_made(place), MADE.__contains__)


def let_in(place: Place, gid: int) -> None:
    """Programs of that group may pass the folder around a place; what is in it, they cannot exchange. Raises OSError.

    Only what has been handed over stands in it then."""
    wrapper = wrapper_of(place)
    if wrapper and os.geteuid() == 0:
        with Folder.at(wrapper) as made:
            if made.stat().st_uid == 0:
                hand_over(made.descriptor, 0, gid, 0o710)


def tidy(*places: Place) -> None:
    """Remove the folders around places where nothing stands any more."""
    for place in places:
        wrapper = wrapper_of(place)
        if wrapper and not os.path.lexists(place.name):
            with suppress(OSError, LinkInTheWay):
                remove_empty(wrapper)


def mount_in_the_way(path: str) -> str:
    """Why a repository cannot be exchanged or removed: it is a mount point, or one is in it. ``""``: it can be."""
    if os.path.ismount(path):
        return f"{path} is a mount point, which cannot be exchanged"
    inside = points_below(path, all_mounts())
    return f"{inside[0]} is mounted inside of {path}, which cannot be exchanged then" if inside else ""


def refuse_mount(path: str) -> None:
    """Raises NotSafe for a repository that cannot be exchanged or removed."""
    refusal = mount_in_the_way(path)
    if refusal:
        raise NotSafe(refusal, "mount that file system one folder higher, or restore a copy; live is unchanged")
