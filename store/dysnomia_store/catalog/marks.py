"""What operators say of a generation, and the copies that keep what they pinned.

A file ``<number>.<turn>.<id>.json`` is written once; the largest turn counts, those before it are deleted. It holds for
link <number> only while that points at <id>. A pinned snapshot is also hard-linked below ``marks/…/copies``, so that a
collection by bash Dysnomia, which knows no pins, cannot take it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from dysnomia_store.disk.layout import Layout, stem
from dysnomia_store.disk.links import entries, number_of
from dysnomia_store.disk.locks import records_lock
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Marks, Pin
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed

_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class Marked:
    """One file of marks."""

    path: Path
    number: int
    turn: int
    id: str
    marks: Marks


def active(pins: tuple[Pin, ...], now: datetime) -> tuple[Pin, ...]:
    """The pins that hold now."""
    return tuple(pin for pin in pins if pin.until is None or pin.until > now)


def marked(layout: Layout, key: ComponentKey) -> dict[tuple[int, str], Marked]:
    """The marks that count, by generation and id, also of generations that are gone."""
    newest: dict[tuple[int, str], Marked] = {}
    for one in _files(layout, key)[0]:
        other = newest.get((one.number, one.id))
        if other is None or other.turn < one.turn:
            newest[one.number, one.id] = one
    return newest


def _files(layout: Layout, key: ComponentKey) -> tuple[list[Marked], set[str]]:
    """Every file of marks, and the stems of the snapshots of which one cannot be read: it may hold a pin."""
    files: list[Marked] = []
    unread: dict[tuple[int, str], int] = {}
    for entry in entries(layout.of("marks", key)):
        parts = entry.name.split(".", 2)
        if len(parts) != 3 or not entry.name.endswith(".json"):
            continue
        number, turn = number_of(parts[0]), number_of(parts[1])
        if number is None or turn is None:
            continue
        try:
            snapshot_id, marks = typed.marks(records.read_file(Path(entry.path)), entry.name)
            if parts[2] != f"{stem(snapshot_id)}.json":
                raise Corrupt(f"{entry.name} is of another snapshot")
        except FileNotFoundError:
            continue  # replaced this moment
        except (OSError, Corrupt):
            where = number, parts[2].removesuffix(".json")
            unread[where] = max(turn, unread.get(where, 0))
            continue
        files.append(Marked(Path(entry.path), number, turn, snapshot_id, marks))
    for one in files:  # said anew since
        if unread.get((one.number, stem(one.id)), one.turn) < one.turn:
            del unread[one.number, stem(one.id)]
    return files, {name for _, name in unread}


def change(
    workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str, how: Callable[[Marks], Marks], who: str
) -> None:
    """Say something else of a generation, made by ``how`` from what is said at that moment: nobody's words between
    reading and writing are lost. Raises StoreError, and what ``how`` raises, with nothing written."""
    with in_words(f"marking generation {number} of {key}"), records_lock(workspace.disk, workspace.layout, key):
        before = marked(workspace.layout, key).get((number, snapshot_id))
        marks = how(before.marks if before is not None else Marks())
        if active(marks.pins, workspace.clock()):
            keep_copy(workspace, key, snapshot_id)
        _write(workspace, key, number, snapshot_id, marks, who)
        drop_copies(workspace, key)


def _write(workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str, marks: Marks, who: str) -> None:
    before = [one for one in _files(workspace.layout, key)[0] if (one.number, one.id) == (number, snapshot_id)]
    turn = max((one.turn for one in before), default=0) + 1
    record = records.marks_json(marks) | {
        "format": records.FORMAT,
        "number": number,
        "id": snapshot_id,
        "who": who,
        "at": records.stamp(workspace.clock()),
    }
    while True:
        try:
            workspace.publish(workspace.layout.mark(key, number, snapshot_id, turn), records.dump(record))
            break
        except FileExistsError:  # one that cannot be read
            turn += 1
    for one in before:
        workspace.disk.unlink(one.path, missing_ok=True)


def move(workspace: Workspace, key: ComponentKey, one: Marked, number: int) -> None:
    """Let marks hold for another generation of the same snapshot instead. Raises OSError."""
    _write(workspace, key, number, one.id, one.marks, "")
    workspace.disk.unlink(one.path, missing_ok=True)


def held(layout: Layout, key: ComponentKey) -> dict[int, list[Marked]]:
    """The marks with a pin that a job holds, by generation."""
    by_number: dict[int, list[Marked]] = {}
    for one in marked(layout, key).values():
        if any(pin.held_by for pin in one.marks.pins):
            by_number.setdefault(one.number, []).append(one)
    return by_number


def let_go(workspace: Workspace, key: ComponentKey, one: Marked) -> None:
    """End the pins that jobs hold on a generation which a collection takes in spite of them: else it would be brought
    back, as if another tool had taken it. The caller holds the lock of the records. Raises OSError, StoreFull."""
    left = replace(one.marks, pins=tuple(pin for pin in one.marks.pins if not pin.held_by))
    if left == Marks():
        workspace.disk.unlink(one.path, missing_ok=True)
    else:
        workspace.retry_with_reserve(partial(_write, workspace, key, one.number, one.id, left, ""))


def keep_copy(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Hard-link a snapshot (and its checksum) below ``marks``, once. Raises OSError."""
    target = workspace.layout.copies(key) / stem(snapshot_id)
    source = workspace.layout.snapshot(key, snapshot_id)
    if target.exists() or not source.exists():
        return
    workspace.folder(target.parent)
    with workspace.staging("") as base:
        copy = base / "copy"
        workspace.disk.mkdir(copy)
        link_tree(workspace, source, copy / "snapshot")
        with suppress(FileNotFoundError):
            link_file(workspace, workspace.layout.checksum(key, snapshot_id), copy / "checksum")
        workspace.disk.write_new(copy / "id", os.fsencode(snapshot_id))
        workspace.disk.fsync_path(copy)
        workspace.disk.rename(copy, target)
    workspace.disk.fsync_path(target.parent)


def link_tree(workspace: Workspace, source: Path, target: Path) -> None:
    """A second tree of the same files. Raises OSError."""
    at = source.stat()
    workspace.disk.mkdir(target, at.st_mode & 0o777)
    if at.st_gid != target.stat().st_gid:
        workspace.disk.chmod(target, at.st_mode & 0o777, at.st_gid)
    with os.scandir(source) as scanned:
        for entry in scanned:
            if entry.is_dir(follow_symlinks=False):
                link_tree(workspace, Path(entry.path), target / entry.name)
            else:
                link_file(workspace, Path(entry.path), target / entry.name)
    workspace.disk.fsync_path(target)


def link_file(workspace: Workspace, source: Path, target: Path) -> None:
    try:
        workspace.disk.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS or source.is_symlink():
            raise
        workspace.disk.copy_file(source, target)


def copies(layout: Layout, key: ComponentKey) -> dict[str, Path]:
    """The copies that are kept, by id."""
    pins = {}
    for entry in entries(layout.copies(key)):
        with suppress(OSError):
            pins[os.fsdecode((Path(entry.path) / "id").read_bytes())] = Path(entry.path)
    return pins


def drop_copies(workspace: Workspace, key: ComponentKey) -> None:
    """Delete the copies that no pin needs any longer. Raises OSError."""
    kept = copies(workspace.layout, key)
    if not kept:
        return
    now = workspace.clock()
    needed = {one.id for one in marked(workspace.layout, key).values() if active(one.marks.pins, now)}
    unread = _files(workspace.layout, key)[1]
    for snapshot_id, path in kept.items():
        if snapshot_id not in needed and path.name not in unread:
            from dysnomia_store.pool.snapshots import remove_snapshot

            remove_snapshot(workspace, path / "snapshot")
            workspace.disk.remove_tree(path)
