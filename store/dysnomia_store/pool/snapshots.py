"""Snapshots that hold frames, wherever they are: found for a damaged one, and taken out of the pool with the last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dysnomia_store.content.frame_folder import SUFFIX, Frames, frame_name, read_footer
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.links import entries
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import Pool


@dataclass(frozen=True, slots=True)
class Holder:
    """A folder of frames of one snapshot."""

    key: ComponentKey | None
    """None where it is not in ``snapshots``: in the trash, or a copy of what is pinned."""
    id: str
    folder: Path
    frames: Frames

    def having(self, digest: bytes) -> Iterator[Path]:
        """The files that should be this frame."""
        return (self.folder / frame_name(number) for number in self.frames.numbers(digest))


def frames_below(snapshot: Path) -> Iterator[tuple[Path, Frames]]:
    """The folders of frames of one snapshot; those whose footer cannot be read are passed over."""
    for entry in entries(snapshot):
        if entry.name.endswith(SUFFIX) and entry.is_dir(follow_symlinks=False):
            with suppress(StoreError):
                yield Path(entry.path), read_footer(Path(entry.path))[1]


def holders(layout: Layout) -> Iterator[Holder]:
    """Every folder of frames in the store: of snapshots, of what lies in the trash, of copies of what is pinned."""
    for container in entries(layout.top("snapshots")):
        for component in entries(Path(container.path)):
            for snapshot in entries(Path(component.path)):
                for folder, frames in frames_below(Path(snapshot.path)):
                    yield Holder(ComponentKey(container.name, component.name), snapshot.name, folder, frames)
    for collection in entries(layout.top("trash")):
        for snapshot in entries(Path(collection.path) / "snapshots"):
            for folder, frames in frames_below(Path(snapshot.path)):
                yield Holder(None, snapshot.name, folder, frames)
    for container in entries(layout.top("marks")):
        for component in entries(Path(container.path)):
            for copy in entries(Path(component.path) / "copies"):
                for folder, frames in frames_below(Path(copy.path) / "snapshot"):
                    yield Holder(None, copy.name, folder, frames)


def remove_snapshot(workspace: Workspace, folder: Path) -> int:
    """Delete a snapshot's folder, and from the pool what nothing else holds then. Returns the bytes that came back.

    Cut short in between, the sweep takes what only the pool still names. Raises OSError."""
    pool = Pool(workspace.layout, workspace.disk)
    digests: set[bytes] = set()
    for _, frames in frames_below(folder):
        digests.update(frames.digest(number) for number in range(len(frames)))
    freed = _alone(folder, {})
    workspace.disk.remove_tree(folder)
    for digest in digests:
        freed += pool.release(digest)
    return freed


def _alone(folder: Path, names: dict[int, int]) -> int:
    """Bytes of the files below a folder that no other folder, nor the pool, holds."""
    freed = 0
    for at, _, files in os.walk(folder):
        for name in files:
            status = Path(at, name).lstat()
            names[status.st_ino] = names.get(status.st_ino, 0) + 1
            if names[status.st_ino] == status.st_nlink:
                freed += status.st_size
    return freed


def sweep(workspace: Workspace, most: int = 4096) -> int:
    """Take some of the frames out of the pool that only it names. A few folders at a time: the next sweep goes on.

    Returns the bytes freed. Raises OSError.
    """
    pool = Pool(workspace.layout, workspace.disk)
    folders = sorted(entry.name for entry in entries(workspace.layout.frames) if len(entry.name) == 2)
    cursor = workspace.layout.top("cache") / "frames-swept"
    try:
        last = cursor.read_text("ascii")
    except (OSError, ValueError):
        last = ""
    looked = freed = 0
    for name in [name for name in folders if name > last] + [name for name in folders if name <= last]:
        last = name
        for entry in list(entries(workspace.layout.frames / name)):
            looked += 1
            with suppress(ValueError):
                digest = bytes.fromhex(name + entry.name.partition(".")[0])
                freed += pool.release(digest) if len(digest) == 32 else 0
        if looked >= most:
            break
    if folders and looked >= most:
        with suppress(OSError):
            cursor.write_text(last, "ascii")
    return freed
