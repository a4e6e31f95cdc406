# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""Activation, deactivation and collection of a fileset, as Dysnomia's module does them."""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import suppress

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.spec import Link
from dysnomia_plugins.toolkit.guarded.folder import OPEN_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.removal import remove_empty
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import others_on_the_way, user_in_words
from dysnomia_plugins.toolkit.trees.owners import owner_ids


def activate(layout: Layout) -> None:
    """Make the target folder, the folders and the links. Idempotent; where it fails, the links are taken back.

    Raises PluginError."""
    spec = layout.spec
    uid, gid = owner_ids(spec.owner)
    try:
        Folder.at(layout.target, make=0o777).close()
        for folder in spec.folders:
            _have_folder(_below(layout, folder), uid, gid)
        for link in spec.links:
            _link(layout, link)
    except OSError as error:
        with suppress(OSError, PluginError):
            remove_links(layout)
        raise PluginError(
            f"the fileset could not be activated: {error.strerror} ({error.filename or ''})",
            "run it as root" if isinstance(error, PermissionError) else "",
        ) from error


def _have_folder(path: str, uid: int, gid: int) -> None:
    """``mkdir -p``, and its owner. All may enter it whatever the umask is, since a server that is another user must.

    One that already exists and may have been put there is not given away.

    Raises NotSafe, OSError."""
    parent, name = posixpath.split(path)
    others = others_on_the_way(parent)
    with Folder.at(parent, make=0o777) as above:
        try:
            made, new = above.make_folder(name, OPEN_FOLDER), True
        except FileExistsError:
            made, new = above.folder(name), False
    with made:
        seen = made.stat()
        if (uid, gid) == (seen.st_uid, seen.st_gid) or (uid in (-1, seen.st_uid) and gid in (-1, seen.st_gid)):
            return
        if not new and others is not None and seen.st_uid != others.uid:
            raise NotSafe(
                f"{path} belongs to {user_in_words(seen.st_uid)}, in a folder that {others} may change: it may have "
                "been moved there",
                "give it to its owner yourself, or give the folder above it to root",
            )
        os.fchown(made.descriptor, uid, gid)


def deactivate(layout: Layout) -> None:
    """Take the links away, and folders that are empty then. The files stay. Idempotent. Raises PluginError."""
    try:
        remove_links(layout)
    except OSError as error:
        raise PluginError(f"the fileset could not be deactivated: {error.strerror} ({error.filename or ''})") from error


def remove_links(layout: Layout) -> None:
    """Only links that still lead where activation made them lead. Raises OSError, LinkInTheWay."""
    for link in layout.spec.links:
        with suppress(FileNotFoundError, NotADirectoryError):
            parent, name = posixpath.split(_below(layout, link.path))
            with Folder.at(parent) as folder:
                folder.sweep_links([link.source])
                if folder.link_target(name) == link.source:
                    folder.unlink(name)
        remove_empty_folders(layout, posixpath.dirname(link.path))


def collect(layout: Layout) -> None:
    """Delete every folder of files, then the folders above them that are empty. Raises PluginError."""
    for root in reversed(layout.roots):
        if root == ".":
            _empty_target(layout)
        else:
            layout.remove(_below(layout, root))
            remove_empty_folders(layout, posixpath.dirname(root))


def remove_empty_folders(layout: Layout, folder: str) -> None:
    """``rmdir -p`` below the target folder."""
    with suppress(OSError, LinkInTheWay):
        while folder and folder != ".":
            remove_empty(posixpath.join(layout.target, folder))
            folder = posixpath.dirname(folder)


def _empty_target(layout: Layout) -> None:
    try:
        with Folder.at(layout.target) as folder:
            names = folder.names()
    except FileNotFoundError:
        return
    for name in names:
        layout.remove(posixpath.join(layout.target, name))


def _link(layout: Layout, link: Link) -> None:
    """``ln -sfn``, but for a file or folder that has the link's name: Dysnomia replaces such a file, here it stays."""
    path = _below(layout, link.path)
    name = posixpath.basename(path)
    with Folder.at(_below(layout, link.folder), make=0o777) as folder:
        folder.sweep_links([link.source])
        if folder.link_target(name) == link.source:
            return
        try:
            folder.point_link(name, link.source)
        except FileExistsError as error:
            seen = folder.seen(name)
            what = "folder" if seen is not None and stat.S_ISDIR(seen.st_mode) else "file"
            raise NotSafe(f"{path} is a {what}, where a link to {link.source} should be", "move it away") from error


def _below(layout: Layout, path: str) -> str:
    return posixpath.normpath(posixpath.join(layout.target, path))
