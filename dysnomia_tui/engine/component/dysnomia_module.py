"""Activities of modules in Dysnomia's own convention, which keep a store of their own.

Such a module is given a private state directory in staging: the component's markers, and for a restore the chosen
snapshot as its only generation, so that its "restore the last" restores any. What it wrote there is committed to the
real store in the order that store promises.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from dysnomia_plugins.base import Context, Dumped, PrivateStatePlugin
from dysnomia_plugins.errors import NothingKept, PluginError
from dysnomia_plugins.loading.external import ModuleConvention
from dysnomia_store.model import Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Committed, ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob

MARKERS = ("activated", "garbage")


@contextmanager
def private_state(component_job: ComponentJob, ctx: Context, generation: Generation | None = None) -> Iterator[Path]:
    """A private state directory with the markers, and ``generation``'s snapshot as generation 1."""
    statedir = ctx.staging / "state"
    statedir.mkdir(mode=0o700)
    try:
        for marker in MARKERS:
            if (component_job.store.root / marker / component_job.key.container / component_job.key.component).exists():
                _touch(_at(statedir, marker, component_job.key))
        if generation is not None:
            _seed(component_job, statedir, generation)
            _let_read(component_job, statedir)
        yield statedir
    finally:
        shutil.rmtree(statedir, ignore_errors=True)


def run_activity(component_job: ComponentJob, plugin: PrivateStatePlugin, activity: str) -> None:
    """Run an activity that makes no snapshot, and take over the markers it set."""
    with component_job.context() as ctx, private_state(component_job, ctx) as statedir:
        plugin.run(ctx, activity, statedir)
        take_markers(component_job, statedir)


def take_markers(component_job: ComponentJob, statedir: Path) -> None:
    """The module says itself whether the component is active or garbage now."""
    active, garbage = (_at(statedir, marker, component_job.key).exists() for marker in MARKERS)
    component_job.store.set_state(
        component_job.key, active=active, garbage=garbage, component=component_job.component.path if active else None
    )


def run_snapshot(
    component_job: ComponentJob,
    plugin: PrivateStatePlugin,
    lock: ComponentLock,
    *,
    reason: Reason,
    text: str = "",
    number: int | None = None,
) -> Committed:
    """Let the module make a snapshot, and commit it.

    Raises NothingKept where it made none and never did; PluginError where it made some before."""
    began = component_job.clock()
    with component_job.context() as ctx, private_state(component_job, ctx) as statedir:
        plugin.run(ctx, "snapshot", statedir)
        written = newest_written(statedir, component_job.key)
        if written is None and not component_job.store.generations(component_job.key):
            raise NothingKept(
                f"the module of type {plugin.type!r} made no snapshot of {component_job.key}: it keeps no state"
            )
        if written is None:
            raise PluginError(
                f"the module of type {plugin.type!r} made no snapshot of {component_job.key}", "see the log"
            )
        return _commit(component_job, plugin, lock, written, began, reason=reason, text=text, number=number)


def run_restore(component_job: ComponentJob, plugin: PrivateStatePlugin, generation: Generation) -> None:
    """Let the module restore ``generation``: it is the last one it sees."""
    with component_job.context() as ctx, private_state(component_job, ctx, generation) as statedir:
        plugin.run(ctx, "restore", statedir)
        take_markers(component_job, statedir)


def newest_written(statedir: Path, key: ComponentKey) -> Path | None:
    """The snapshot folder that the highest generation link of a private state directory leads to.

    Raises PluginError where its link leads to none of its snapshots."""
    links = _at(statedir, "generations", key)
    if not links.is_dir():
        return None
    numbers = sorted(int(name) for name in os.listdir(links) if name.isdecimal())
    if not numbers:
        return None
    folder = links / os.readlink(links / str(numbers[-1]))
    snapshots = _at(statedir, "snapshots", key)
    resolved = snapshots / folder.name
    if resolved.is_file() and not resolved.is_symlink():
        raise PluginError(f"the module made a file as snapshot of {key}, and has to make a folder", "change the module")
    if not resolved.is_dir() or resolved.is_symlink():
        raise PluginError(f"the module's generation of {key} does not link to one of its snapshots")
    return resolved


def _commit(
    component_job: ComponentJob,
    plugin: PrivateStatePlugin,
    lock: ComponentLock,
    written: Path,
    began: datetime,
    *,
    reason: Reason,
    text: str,
    number: int | None,
) -> Committed:
    with component_job.draft() as draft:
        for entry in sorted(written.iterdir()):
            entry.rename(draft.folder / entry.name)
        draft.claim(written.name)
        dumped = Dumped(as_of=began, end=component_job.clock(), complete=None)
        info = component_job.commit_info(dumped, reason, text)
        return component_job.store.commit(lock, draft, info, number=number)


def _seed(component_job: ComponentJob, statedir: Path, generation: Generation) -> None:
    """A copy, not hard links: a module that writes into what it was given must not reach the store's own bytes."""
    source = component_job.store.stored(component_job.key, generation.id).folder
    target = _at(statedir, "snapshots", component_job.key) / generation.id
    target.parent.mkdir(parents=True)
    shutil.copytree(source, target, symlinks=True)
    links = _at(statedir, "generations", component_job.key)
    links.mkdir(parents=True)
    (links / "1").symlink_to(
        f"../../../snapshots/{component_job.key.container}/{component_job.key.component}/{generation.id}"
    )
    checksum = _at(component_job.store.root, "checksums", component_job.key) / generation.id
    if checksum.is_file():
        copy = _at(statedir, "checksums", component_job.key) / generation.id
        copy.parent.mkdir(parents=True)
        shutil.copyfile(checksum, copy)


def _let_read(component_job: ComponentJob, statedir: Path) -> None:
    """Let the user whom the module becomes read what it restores, as it can in a store of bash Dysnomia's.

    Such a module deletes what is live first, and takes a snapshot that it could not read for an empty one.
    """
    users = (
        component_job.plugin.becomes(component_job.component)
        if isinstance(component_job.plugin, ModuleConvention)
        else ()
    )
    if os.geteuid() != 0 or not users:
        return
    gid = pwd.getpwnam(users[0]).pw_gid if len(users) == 1 and users[0] != "*" else None
    for at, folders, names in os.walk(statedir):
        for name in ("", *names):
            path = Path(at, name)
            if path.is_symlink():
                continue
            if gid is not None:
                os.chown(path, -1, gid)
            more = 0o050 if gid is not None else 0o055
            path.chmod(path.stat().st_mode & 0o7777 | (more if not name else more & 0o044))
        del folders
    component_job.store.allow_traverse(statedir)


def _at(statedir: Path, part: str, key: ComponentKey) -> Path:
    return statedir / part / key.container / key.component


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
