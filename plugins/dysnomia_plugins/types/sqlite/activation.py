"""Activation and garbage collection: the live file with its initial state is made, or deleted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.sqlite.files import Dress, folder_of, remove, who
from dysnomia_plugins.types.sqlite.job_files import job_file
from dysnomia_plugins.types.sqlite.load import copy_into
from dysnomia_plugins.types.sqlite.opening import connect, show
from dysnomia_plugins.types.sqlite.site import SIDECARS, Site, site_of


def activate(ctx: Context, live: Path) -> None:
    """Make the live file with its initial state where there is none: it appears whole, or not at all.

    Raises:
        NotSafe: a sidecar of another database is there.
        PluginError: the folder is missing, or a script of the initial state failed.
    """
    site = site_of(live)
    if site.identity is not None:
        return
    if not live.parent.is_dir():
        raise PluginError(
            f"the folder {show(folder_of(ctx.component))} does not exist",
            "create it, owned by the user of the databases",
        )
    prepared = ctx.staging / "initial.sqlite"
    remove(prepared)
    try:
        _initialise(ctx, prepared)
        with site.folder() as folder:
            _appear(ctx, folder, site, prepared)
    finally:
        remove(prepared)


def _appear(ctx: Context, folder: Folder, site: Site, prepared: Path) -> None:
    """Copy what was prepared beside, then give it the name of the live file, where nothing has it."""
    left = [site.name + suffix for suffix in SIDECARS if folder.seen(site.name + suffix) is not None]
    if left:
        raise NotSafe(
            f"{show(site.path.with_name(left[0]))} exists without its database",
            "move it away, do not delete it: it may hold the last changes",
        )
    made = job_file(site.path, ctx.tag, "new").name
    folder.unlink(made)
    about = folder.stat()
    try:
        with folder.new_file(made) as descriptor:
            copy_into(prepared, descriptor, site.path, ctx.cancel)
            Dress(about.st_uid, about.st_gid, 0o640).put_on(descriptor)
        folder.link(made, folder, site.name)
    except FileExistsError:
        ctx.progress.log(f"another process created {show(site.path)} during the job; it is left as it is")
    finally:
        folder.unlink(made)
    folder.sync()


def collect_garbage(live: Path) -> None:
    """Delete the file and what SQLite keeps beside it, unless a process has it open. Raises NotSafe where one has."""
    site_of(live)
    holders = who(live)
    if holders:
        raise NotSafe(f"{show(live)} is open in {holders}", "end these processes first: what they write would be lost")
    remove(live)


def _initialise(ctx: Context, path: Path) -> None:
    """Run the component's SQL in a new file of ours. Raises PluginError naming the file that failed."""
    with Folder.at(str(path.parent)) as folder, folder.new_file(path.name):
        pass
    with closing(connect(path)) as connection:
        for script in ctx.component.initial_files("sqlite-databases"):
            ctx.cancel.check()
            try:
                connection.executescript(script.read_text("utf-8"))
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise PluginError(f"the initial state {show(script)} failed ({error})", "nothing was made") from None
