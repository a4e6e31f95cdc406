"""What dead jobs left: staging folders, and snapshots described but never moved into their place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_store.commit.damage import sweep_bad
from dysnomia_store.commit.optimise import finish, unfinished
from dysnomia_store.disk.layout import stem
from dysnomia_store.disk.links import entries, links
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Locked, NameRejected
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.snapshots import sweep as sweep_frames

if TYPE_CHECKING:
    from dysnomia_store.store import Store

_OF_PROCESS = re.compile(r"pid(\d+)")


def sweep(store: Store, workspace: Workspace, alive: Callable[[str], bool]) -> Iterator[str]:
    """Put right what can be, and say each thing that was. What a writer holds is left alone. Raises StoreError."""
    with in_words("sweeping the store"):
        staged = [Path(entry.path) for entry in entries(workspace.layout.top("staging"))]
        _sweep_processes(workspace, [path for path in staged if _process(path)])
        swept: dict[str, None] = {}
        for path in staged:
            job = path.name.rpartition(".")[0]
            if not _process(path) and not alive(job):
                workspace.disk.remove_tree(path)
                swept[job] = None
        for job in swept:  # a job has several folders there
            yield f"deleted what job {job} left in staging"
        for entry in list(entries(workspace.layout.top("trash"))):
            if not (Path(entry.path) / "collection.json").exists() and _empty(Path(entry.path)):
                workspace.disk.remove_tree(Path(entry.path))
        sweep_frames(workspace)
        sweep_bad(workspace)
    for key, snapshot_id in unfinished(workspace.layout):
        try:
            with store.lock(key, who="", job="", doing="sweeping"), in_words(f"sweeping {key}"):
                finish(workspace, key, snapshot_id)
        except Locked:
            continue
    for key in _described(workspace):
        try:
            with store.lock(key, who="", job="", doing="sweeping") as lock:
                store.heal(lock)
                yield from _undescribe(workspace, key)
        except Locked:
            continue


def _process(path: Path) -> int:
    """The number of the process that made something in staging without a job; 0 where it was one of a job."""
    own = _OF_PROCESS.fullmatch(path.name.rpartition(".")[0])
    return int(own[1]) if own else 0


def _sweep_processes(workspace: Workspace, paths: Sequence[Path]) -> None:
    """Remove what processes without a job left there, unless one is at it: another time, then."""
    if not paths:
        return
    with workspace.sweeping() as alone:
        for path in paths:
            if alone and not _lives(_process(path)):
                workspace.disk.remove_tree(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _empty(folder: Path) -> bool:
    """Whether no file or link lies anywhere below."""
    return not any(names for _, _, names in os.walk(folder)) and not any(
        os.path.islink(Path(at) / name)  # noqa: PTH114
        for at, folders, _ in os.walk(folder)
        for name in folders
    )


def _described(workspace: Workspace) -> Iterator[ComponentKey]:
    """Components of which something is described that never came to be."""
    for container in entries(workspace.layout.top("metadata")):
        for component in entries(Path(container.path)):
            try:
                key = ComponentKey.of(container.name, component.name)
            except NameRejected:
                continue
            if any(True for _ in _undescribed(workspace, key)):
                yield key


def _undescribed(workspace: Workspace, key: ComponentKey) -> Iterator[Path]:
    """Metadata of ours (and the checksum written with it) of a snapshot that is not there, and that neither a link nor
    history ever named: the mark of a commit cut short. Where ``snapshots`` is merely not mounted, they are named."""
    names = [entry.name for entry in entries(workspace.layout.of("metadata", key))]
    stems = {name.removesuffix(".json").removesuffix(".index.zst") for name in names}
    without_snapshot = stems - {stem(name) for name in _listed(workspace.layout.of("snapshots", key))}
    if not without_snapshot:
        return
    without_snapshot -= {stem(snapshot_id) for _, snapshot_id, _ in links(workspace.layout, key)}
    without_snapshot -= {
        name.partition(".")[2].removesuffix(".json") for name in _listed(workspace.layout.of("history", key))
    }
    for name in names:
        if name.removesuffix(".json").removesuffix(".index.zst") in without_snapshot:
            yield workspace.layout.of("metadata", key) / name
    for name in _listed(workspace.layout.of("checksums", key)):
        if stem(name) in without_snapshot:
            yield workspace.layout.of("checksums", key) / name


def _listed(folder: Path) -> list[str]:
    """Names in a folder that may be missing; one that cannot be read is an error here."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _undescribe(workspace: Workspace, key: ComponentKey) -> Iterator[str]:
    with in_words(f"sweeping {key}"):
        paths = list(_undescribed(workspace, key))
        for path in paths:
            workspace.disk.unlink(path, missing_ok=True)
    if paths:
        yield f"deleted the description of a snapshot of {key} that was never finished"
