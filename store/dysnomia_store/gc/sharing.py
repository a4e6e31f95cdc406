"""The exact bytes of what goes: a frame is freed where every snapshot that holds it goes.

Nothing counts references but the file system. Folders are listed, which gives the inode of each name without looking at
the file; each file is looked at once for its size and the number of its names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dysnomia_store.content.frame_folder import SUFFIX
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.links import entries
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, GcSnapshot

MayShare = Callable[[ComponentKey, str], bool]
"""Whether a snapshot may hold frames at all, told from what is known of its size: most need not be looked at."""


@dataclass(slots=True)
class Names:
    """The frames below some snapshots, by inode."""

    count: Counter[int] = field(default_factory=Counter)
    """How many names each has here."""
    where: dict[int, str] = field(default_factory=dict)
    """One of its names."""

    def add(self, snapshot: Path) -> int | None:
        """Count the frames of a snapshot. Returns the bytes of its other files; None where it holds no frames."""
        folders = [entry.path for entry in entries(snapshot) if _is_folder(entry)]
        if not folders:
            return None
        for folder in folders:
            for entry in entries(Path(folder)):
                self.count[entry.inode()] += 1
                self.where[entry.inode()] = entry.path
        return sum(_size(path) for path in _others(snapshot, folders))


def exact(layout: Layout, plan: GcPlan, may_share: MayShare) -> GcPlan:
    """The plan with the bytes that come back once the trash is emptied.

    Of a frame that several of its snapshots share, the last of them in the plan has the bytes: they add up, whatever
    is summed. Frames that only the trash holds besides come back as well. Raises PermissionError.
    """
    if not plan.snapshots:
        return plan
    going = Names()
    alone: dict[int, int] = {}
    holder: dict[int, int] = {}
    for at, snapshot in enumerate(plan.snapshots):
        if may_share(snapshot.key, snapshot.id):
            own = Names()
            besides = own.add(layout.snapshot(snapshot.key, snapshot.id))
            if besides is not None:
                alone[at] = besides
                going.count.update(own.count)
                going.where.update(own.where)
                holder.update(dict.fromkeys(own.count, at))
    if not alone:
        return plan
    for inode, size in freed(layout, going):
        alone[holder[inode]] += size
    snapshots = tuple(_of(snapshot, alone.get(at)) for at, snapshot in enumerate(plan.snapshots))
    return replace(plan, snapshots=snapshots, freed=sum(snapshot.stored_size for snapshot in snapshots))


def freed(layout: Layout, going: Names) -> Iterator[tuple[int, int]]:
    """(inode, size) of each frame that nothing but what goes, the trash and the pool holds."""
    trashed = Names()
    for collection in entries(layout.top("trash")):
        for snapshot in entries(Path(collection.path) / "snapshots"):
            trashed.add(Path(snapshot.path))
    pool = {
        entry.inode()
        for folder in entries(layout.frames)
        if len(folder.name) == 2
        for entry in entries(Path(folder.path))
    }
    for inode, count in going.count.items():
        try:
            status = os.stat(going.where[inode], follow_symlinks=False)  # noqa: PTH116 (of many)
        except FileNotFoundError:
            continue
        if count + trashed.count[inode] + (inode in pool) >= status.st_nlink:
            yield inode, status.st_size


def on_disk(snapshots: Iterable[tuple[Path, int, bool]], seen: set[int]) -> int:
    """Bytes that snapshots take: (folder, stored size, whether it may hold frames). A frame in ``seen`` was counted."""
    total = 0
    for folder, stored, shares in snapshots:
        names = Names()
        besides = names.add(folder) if shares else None
        total += stored if besides is None else besides
        for inode, where in names.where.items():
            if inode not in seen:
                seen.add(inode)
                total += _size(where)
    return total


def _of(snapshot: GcSnapshot, size: int | None) -> GcSnapshot:
    return snapshot if size is None else replace(snapshot, stored_size=size)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(SUFFIX) and entry.is_dir(follow_symlinks=False)


def _others(snapshot: Path, folders: list[str]) -> Iterator[str]:
    """The files of a snapshot that are in none of its folders of frames."""
    for at, _, names in os.walk(snapshot):
        if at not in folders:
            yield from (os.path.join(at, name) for name in names)  # noqa: PTH118 (of many)


def _size(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size  # noqa: PTH116 (of many)
    except FileNotFoundError:
        return 0
