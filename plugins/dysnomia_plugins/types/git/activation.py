"""A new repository with its initial state: the bundles below the component's ``git-repositories``."""

from __future__ import annotations

import os
from pathlib import Path

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over, hand_over_tree
from dysnomia_plugins.toolkit.repositories.making import begin, maker_for, open_top, put_live, reclaim
from dysnomia_plugins.toolkit.repositories.places import remove_wrapper
from dysnomia_plugins.types.git.load import EMPTY, check_objects, create, fill, write_refs
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.refs import HEAD, Ref, read_header
from dysnomia_plugins.types.git.repository import OWN, Repository, git_failed

INITIAL = "git-repositories"
_USUAL = ("refs/heads/main", "refs/heads/master")


def activate(ctx: Context, layout: Layout, beside: Place) -> None:
    """Make it beside, and give it its name when it is whole. Where something is, it is left alone.

    Raises PluginError; what was made then is the caller's to drop."""
    if os.path.lexists(layout.live):
        Repository(layout.live, ctx.runner).require()
        return
    try:
        Folder.at(layout.parent, make=0o777).close()
        remove_wrapper(beside)
        _make(ctx, beside)
        put_live(beside, layout.live)
    except ProcessFailed as error:
        raise git_failed(error, layout.live) from error
    except OSError as error:
        raise PluginError(
            f"{layout.live} could not be created: {error.strerror}",
            "run it as root" if isinstance(error, PermissionError) else "",
        ) from error
    remove_wrapper(beside)


def _make(ctx: Context, beside: Place) -> None:
    maker = maker_for(beside, os.geteuid(), -1)
    repository = Repository(beside.name, ctx.runner, True, maker)
    begin(beside, maker)
    by_name: dict[str, Ref] = {}
    bundles = sorted(filter(Path.is_file, ctx.component.initial_files(INITIAL, "*")))
    if not bundles:
        create(repository, "sha1")
    formats: set[str] = set()
    for path in bundles:
        ctx.progress.log(f"loading {path.name}")
        with path.open("rb") as stream:
            object_format, refs = read_header(stream)
            formats.add(object_format)
            if len(formats) > 1:
                raise NotSafe(f"{path} names its objects otherwise ({object_format})", "nothing was created")
            if not by_name:
                create(repository, object_format)
            fill(ctx, repository, stream, None)
            by_name |= {ref.name: ref for ref in refs}
    refs = _with_head(by_name)
    check_objects(repository, refs)
    reclaim(beside, maker, OWN)
    write_refs(repository.path, refs)
    with Folder.at(repository.path) as top:
        top.make_folder("hooks", 0o777).close()
    if maker is None:
        open_top(repository.path)
        return
    with Folder.at(repository.path) as top:
        hand_over_tree(top, maker.uid, maker.gid)
        hand_over(top.descriptor, maker.uid, maker.gid, 0o755)


def _with_head(by_name: dict[str, Ref]) -> list[Ref]:
    """The references of bundles, with a ``HEAD`` that leads to a branch where there is one that it can mean."""
    head = by_name.pop(HEAD, None)
    branches = sorted(name for name in by_name if name.startswith("refs/heads/"))
    meant = [name for name in branches if head is None or by_name[name].target == head.target]
    first = next((name for name in (*_USUAL, *meant) if name in meant), "")
    if first:
        return [Ref(HEAD, by_name[first].target, "", first), *by_name.values()]
    return [head or EMPTY[0], *by_name.values()]
