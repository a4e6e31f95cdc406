"""A new repository with its initial state, as Dysnomia's module makes it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over, hand_over_tree
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.repositories.making import begin, maker_for, open_top, put_live, reclaim
from dysnomia_plugins.toolkit.repositories.places import wrapper_made
from dysnomia_plugins.toolkit.trees.owners import owner_ids
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import OWN, Repository

_READ = 1 << 18


def activate(ctx: Context, layout: Layout, beside: Place) -> None:
    """Make it beside, and give it its name when it is whole. Where something is, it is left alone.

    Raises PluginError; what was made then is the caller's to drop."""
    if os.path.lexists(layout.live):
        Repository(layout.live, ctx.runner).require()
        return
    gid = group_id(layout.group) if layout.group else -1
    try:
        Folder.at(layout.parent, make=0o777).close()
        remove_folder(wrapper_made(beside))
        maker = maker_for(beside, os.geteuid(), -1)
        repository = Repository(beside.name, ctx.runner, True, maker)
        begin(beside, maker)
        repository.create()
        for path in filter(Path.is_file, ctx.component.initial_files("subversion-repositories", "*")):
            ctx.progress.log(f"loading {path.name}")
            _load(repository, path)
        if maker is not None:
            reclaim(beside, maker, OWN)
            with Folder.at(repository.path) as top:
                hand_over_tree(top, 0, 0)
        open_top(repository.path)
        if gid >= 0:
            share(repository.path, gid, inherit=False)
            share(f"{repository.path}/db", gid, inherit=True)
        if maker is not None:
            _give_away(repository.path, maker.uid, maker.gid if gid < 0 else -1)
        put_live(beside, layout.live)
    except OSError as error:
        raise PluginError(
            f"{layout.live} could not be created: {error.strerror}",
            "run it as root" if isinstance(error, PermissionError) else "",
        ) from error
    remove_folder(wrapper_made(beside))


def _give_away(path: str, uid: int, gid: int) -> None:
    """Have it belong to those in whose folder it is: as whom Subversion's programs are run there from now on.

    Raises NotSafe, OSError."""
    with Folder.at(path) as top:
        mode = stat.S_IMODE(top.stat().st_mode)
        os.fchmod(top.descriptor, mode & ~0o077)
        hand_over_tree(top, uid, gid)
        hand_over(top.descriptor, uid, gid, mode)


def _load(repository: Repository, path: Path) -> None:
    with path.open("rb") as source, repository.loading() as stdin:
        while data := source.read(_READ):
            stdin.write(data)


def group_id(group: str) -> int:
    """Raises PluginError where there is no such group here."""
    return owner_ids(f":{group}")[1]


def share(path: str, gid: int, *, inherit: bool) -> None:
    """Give all below a folder to a group that may read and write; with ``inherit`` also what will be made in it.

    Raises OSError."""
    for _, _, names, folder in os.fwalk(path, follow_symlinks=False):
        _share(folder, gid, stat.S_IXGRP | (stat.S_ISGID if inherit else 0))
        for name in names:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                _share(descriptor, gid, 0)
            finally:
                os.close(descriptor)


def _share(descriptor: int, gid: int, more: int) -> None:
    os.fchown(descriptor, -1, gid)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    os.fchmod(descriptor, mode | stat.S_IRGRP | stat.S_IWGRP | more)
