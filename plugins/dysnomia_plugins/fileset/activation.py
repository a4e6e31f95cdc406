# ruff: noqa: PTH103, PTH104, PTH106, PTH108, PTH112, PTH114, PTH211
# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""Activation, deactivation and collection of a fileset, as Dysnomia's module does them."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.fileset.places import Layout
from dysnomia_plugins.fileset.spec import Link
from dysnomia_plugins.guarded.system import folder_at
from dysnomia_plugins.trees.owners import owner_ids


def activate(layout: Layout) -> None:
    """Make the target folder, the folders and the links. Idempotent; where it fails, the links are taken back.

    Raises PluginError."""
    spec = layout.spec
    uid, gid = owner_ids(spec.owner)
    try:
        os.makedirs(layout.target, exist_ok=True)
        for folder in spec.folders:
            path = _below(layout, folder)
            os.makedirs(path, exist_ok=True)
            with folder_at(path) as made:
                seen = os.fstat(made)
                if (uid, gid) != (seen.st_uid, seen.st_gid):
                    os.fchown(made, uid, gid)
        for link in spec.links:
            _link(layout, link)
    except OSError as error:
        with suppress(OSError):
            remove_links(layout)
        raise PluginError(
            f"the fileset could not be activated: {error.strerror} ({error.filename or ''})",
            "run it as root" if isinstance(error, PermissionError) else "",
        ) from error


def deactivate(layout: Layout) -> None:
    """Take the links away, and folders that are empty then. The files stay. Idempotent. Raises PluginError."""
    try:
        remove_links(layout)
    except OSError as error:
        raise PluginError(f"the fileset could not be deactivated: {error.strerror} ({error.filename or ''})") from error


def remove_links(layout: Layout) -> None:
    """Only links that still lead where activation made them lead. Raises OSError."""
    for link in layout.spec.links:
        path = _below(layout, link.path)
        with suppress(FileNotFoundError, NotADirectoryError):
            if os.path.islink(path) and os.readlink(path) == link.source:
                os.unlink(path)
        remove_empty_folders(layout, posixpath.dirname(link.path))


def collect(layout: Layout) -> None:
    """Delete every folder of files, then the folders above them that are empty. Raises PluginError."""
    for root in reversed(layout.spec.roots):
        if root == ".":
            _empty_target(layout)
        else:
            layout.remove(_below(layout, root))
            remove_empty_folders(layout, posixpath.dirname(root))


def remove_empty_folders(layout: Layout, folder: str) -> None:
    """``rmdir -p`` below the target folder."""
    with suppress(OSError):
        while folder and folder != ".":
            os.rmdir(posixpath.join(layout.target, folder))
            folder = posixpath.dirname(folder)


def _empty_target(layout: Layout) -> None:
    try:
        names = os.listdir(layout.target)
    except FileNotFoundError:
        return
    for name in names:
        layout.remove(posixpath.join(layout.target, name))


def _link(layout: Layout, link: Link) -> None:
    """``ln -sfn``, without a moment in which there is no link. A folder in the way stays."""
    folder = _below(layout, link.folder)
    os.makedirs(folder, exist_ok=True)
    path = _below(layout, link.path)
    if os.path.islink(path) and os.readlink(path) == link.source:
        return
    if os.path.isdir(path) and not os.path.islink(path):
        raise PluginError(f"{path} is a folder, where a link to {link.source} should be", "move it away")
    new = posixpath.join(folder, f".dysnomia-link-{os.getpid()}")
    with suppress(FileNotFoundError):
        os.unlink(new)
    os.symlink(link.source, new)
    os.rename(new, path)


def _below(layout: Layout, path: str) -> str:
    return posixpath.normpath(posixpath.join(layout.target, path))
