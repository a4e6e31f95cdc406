"""A new repository with its initial state, as Dysnomia's module makes it."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import (
    PRIVATE_FOLDER,
    Folder,
    current_umask,
    hand_over,
    hand_over_tree,
    require_ours,
)
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.repositories.making import begin, maker_for, open_top, put_live, reclaim
from dysnomia_plugins.toolkit.repositories.places import remove_wrapper
from dysnomia_plugins.toolkit.trees.names import below
from dysnomia_plugins.toolkit.trees.owners import owner_ids
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import OWN, Repository

_READ = 1 << 18
_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def activate(ctx: Context, layout: Layout, beside: Place) -> None:
    """Make it beside, and give it its name when it is whole. Where something is, it is left alone.

    Raises PluginError; what was made then is the caller's to drop."""
    if os.path.lexists(layout.live):
        Repository(layout.live, ctx.runner).require()
        return
    gid = group_id(layout.group) if layout.group else -1
    try:
        Folder.at(layout.parent, make=0o777).close()
        remove_wrapper(beside)
        maker = maker_for(beside, os.geteuid(), -1)
        repository = Repository(beside.name, ctx.runner, True, maker)
        begin(beside, maker)
        repository.create()
        for path in filter(Path.is_file, ctx.component.initial_files("subversion-repositories", "*")):
            ctx.progress.log(f"loading {path.name}")
            _load(repository, path)
        reclaim(beside, maker, OWN)
        if gid >= 0:
            share(repository.path, gid, inherit="db", uid=maker.uid if maker is not None else -1)
            open_top(repository.path, stat.S_IRWXG)
        elif maker is not None:
            _give_away(repository.path, maker.uid, maker.gid)
        else:
            open_top(repository.path)
        put_live(beside, layout.live)
    except OSError as error:
        raise PluginError(
            f"{layout.live} could not be created: {error.strerror}",
            "run it as root" if isinstance(error, PermissionError) else "",
        ) from error
    remove_wrapper(beside)


def _give_away(path: str, uid: int, gid: int) -> None:
    """Have it belong to those in whose folder it is: as whom Subversion's programs are run there from now on.

    Raises NotSafe, OSError."""
    with Folder.at(path) as top:
        os.fchmod(top.descriptor, PRIVATE_FOLDER)
        hand_over_tree(top, uid, gid)
        hand_over(top.descriptor, uid, gid, 0o777 & ~current_umask())


def _load(repository: Repository, path: Path) -> None:
    with path.open("rb") as source, repository.loading() as stdin:
        while data := source.read(_READ):
            stdin.write(data)


def group_id(group: str) -> int:
    """Raises PluginError where there is no such group here."""
    return owner_ids(f":{group}")[1]


def share(path: str, gid: int, *, inherit: str = "", uid: int = -1) -> None:
    """Give all below a folder to a group that may read and write, and to a user (-1: it stays whose it is).

    From the bottom up, since one of the group may hold a folder open that they had made: each is looked at while
    nobody else may write in it, and not entered after it was given away.

    Args:
        inherit: the folder in it of which what will be made there belongs to the group too; ``.`` is all.

    Raises NotSafe where one is another user's already, OSError."""
    with Folder.at(path) as top:
        for at, _, names, folder in walk(top.descriptor, topdown=False, onerror=_raised):
            require_ours(folder, top.shown(at))
            for name in names:
                descriptor = os.open(name, _ENTRY, dir_fd=folder)
                try:
                    _share(descriptor, uid, gid, 0)
                finally:
                    os.close(descriptor)
            keeps = inherit and below(posixpath.normpath(at), inherit)
            _share(folder, uid, gid, stat.S_IXGRP | (stat.S_ISGID if keeps else 0))


def _raised(error: OSError) -> None:
    raise error


def _share(descriptor: int, uid: int, gid: int, more: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode | stat.S_IRGRP | stat.S_IWGRP | more)
