"""Restore pinned snapshots that bash Dysnomia, which has no pins, collected. Every writer does it first.

So what is needed to read and to write snapshots is imported where one is brought back: almost always there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dysnomia_store.catalog import marks
from dysnomia_store.disk.layout import pointed_at
from dysnomia_store.disk.locks import records_lock
from dysnomia_store.disk.numbers import reserve
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import CommitInfo, History, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed


@dataclass(frozen=True, slots=True)
class Healed:
    """A generation that was restored."""

    number: int
    id: str
    text: str


def heal(workspace: Workspace, key: ComponentKey) -> tuple[Healed, ...]:
    """Bring pinned snapshots back, and their generations. The caller holds the component's lock.

    A generation returns under its own number where that is free and does not make it the newest, which always says
    what is live. Where the numbers began again below it, or its number is another's, it gets a new one, and what was
    the newest is linked once more after it.

    Raises StoreError.
    """
    with in_words(f"bringing back what was pinned of {key}"):
        if not workspace.layout.copies(key).is_dir():
            return ()
    with in_words(f"bringing back what was pinned of {key}"), records_lock(workspace.disk, workspace.layout, key):
        marks.drop_copies(workspace, key)
        kept = marks.copies(workspace.layout, key)
        for snapshot_id, copy in kept.items():
            _put_back(workspace, key, snapshot_id, copy / "snapshot", copy / "checksum")
        return tuple(_link_again(workspace, key))


def _put_back(workspace: Workspace, key: ComponentKey, snapshot_id: str, copy: Path, checksum: Path) -> None:
    target = workspace.layout.snapshot(key, snapshot_id)
    if not target.exists():
        from dysnomia_store.commit.install import allow_traverse

        workspace.folder(target.parent)
        with workspace.staging("") as base:
            marks.link_tree(workspace, copy, base / "snapshot")
            workspace.disk.rename(base / "snapshot", target)
        workspace.disk.fsync_path(target.parent)
        if target.stat().st_mode & 0o070 and workspace.disk.access.gid is None:
            allow_traverse(workspace, target.parent)
    where = workspace.layout.checksum(key, snapshot_id)
    if not where.exists() and checksum.exists():
        from dysnomia_store.content.dysnomia_checksum import checksum as checksum_of

        workspace.folder(where.parent)
        if not _in_its_order(workspace, key, snapshot_id, checksum):
            workspace.publish(where, checksum_of(target).encode())
            return
        marks.link_file(workspace, checksum, where)
        workspace.disk.fsync_path(where.parent)


def _in_its_order(workspace: Workspace, key: ComponentKey, snapshot_id: str, checksum: Path) -> bool:
    """Whether the checksum that was kept is to stand: not where a snapshot that is whole is listed in another order
    now, since Dysnomia would call it damaged."""
    from dysnomia_store.commit.install import metadata_at
    from dysnomia_store.content import dysnomia_checksum as legacy
    from dysnomia_store.content.manifest import differences, walk

    folder = workspace.layout.snapshot(key, snapshot_id)
    if sum(1 for _ in walk(folder)) < 2:
        return True
    match = legacy.compare(folder, checksum.read_text("ascii"))
    if match in (legacy.Match.SAME, legacy.Match.OTHER_ORDER):
        return match is legacy.Match.SAME
    written = metadata_at(workspace, key, snapshot_id)
    return written is None or bool(differences(folder, written.files)[0])


def _link_again(workspace: Workspace, key: ComponentKey) -> Iterator[Healed]:
    now = workspace.clock()
    pinned = sorted(
        (one for one in marks.marked(workspace.layout, key).values() if marks.active(one.marks.pins, now)),
        key=lambda one: one.number,
    )
    missing = [
        one
        for one in pinned
        if _points_at(workspace, key, one.number) != one.id and workspace.layout.snapshot(key, one.id).is_dir()
    ]
    if not missing:
        return
    from dysnomia_store.commit.commit import newest

    last = newest(workspace, key)
    above = []
    for one in missing:
        if not os.path.lexists(workspace.layout.link(key, one.number)) and (last is None or one.number < last[0]):
            _symlink(workspace, key, one.number, one.id)
            yield Healed(one.number, one.id, f"generation {one.number} of {key} was pinned, and is back")
        else:
            above.append(one)
    if last is not None and above:
        yield from _link_above(workspace, key, above, last)


def _link_above(
    workspace: Workspace, key: ComponentKey, pinned: list[marks.Marked], last: tuple[int, str]
) -> Iterator[Healed]:
    """Give generations new numbers, below a new one of the newest: that is linked first, so that it stays the newest
    whenever this is cut short."""
    from dysnomia_store.commit.commit import generation, write_history

    moved = []
    for one in pinned:
        number = reserve(workspace, key)
        about = _as_it_was(workspace, key, one.number, one.id)
        write_history(workspace, key, number, one.id, about, None)
        marks.move(workspace, key, one, number)
        moved.append((one, number))
    if last[1] and workspace.layout.snapshot(key, last[1]).is_dir():
        generation(workspace, key, last[1], _as_it_was(workspace, key, *last), reserve(workspace, key))
    for one, number in moved:
        _symlink(workspace, key, number, one.id)
        yield Healed(
            number, one.id, f"generation {one.number} of {key} was pinned, and is back as {number}: numbers began again"
        )


def _points_at(workspace: Workspace, key: ComponentKey, number: int) -> str | None:
    try:
        return pointed_at(key, os.readlink(workspace.layout.link(key, number)))
    except OSError:
        return None


def _symlink(workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str) -> None:
    link = workspace.layout.link(key, number)
    folder = workspace.folder(link.parent)
    workspace.disk.symlink(workspace.layout.target(key, snapshot_id), link)
    workspace.disk.fsync_path(folder)


def _as_it_was(workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str) -> CommitInfo:
    """What is known of a generation, for another link to the same snapshot."""
    history = history_at(workspace, key, number, snapshot_id)
    if history is not None:
        return CommitInfo(
            history.as_of, history.end, history.reason, history.text, history.restored, history.who, history.job,
            history.surroundings, history.source,
        )  # fmt: skip
    now = workspace.clock()
    return CommitInfo(now, now, Reason.UNKNOWN, f"was generation {number}")


def history_at(workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str) -> History | None:
    """What is written of a generation; None where nothing readable is."""
    path = workspace.layout.history(key, number, snapshot_id)
    try:
        history = typed.history(records.read_file(path), path.name)
    except (OSError, Corrupt):
        return None
    return history if (history.number, history.id) == (number, snapshot_id) else None
