"""The trash: what was collected, whole, with what brings it back.

A *collection* is one folder: ``collection.json`` (whose, when, until when, and why), ``generations/`` with the links as
they were, ``snapshots/``, ``metadata/``, ``checksums/`` and ``checks/``. Everything comes and goes by rename, so the
trash needs no space, and what a crash left half-way is still either in its place or here.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dysnomia_store.catalog.component import tree_size
from dysnomia_store.disk.layout import Layout, pointed_at
from dysnomia_store.disk.links import entries, number_of
from dysnomia_store.disk.numbers import reserve
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, NameRejected, NotFound
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.snapshots import remove_snapshot
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_store.records.retention import TrashEntry

RECORD = "collection.json"
PARTS = ("metadata", "index", "checksum", "checks")


@dataclass(frozen=True, slots=True)
class Collected:
    """One folder of the trash."""

    path: Path
    key: ComponentKey
    collected: datetime
    freed_on: datetime
    who: str
    job: str
    why: str
    sizes: Mapping[str, int]
    """Stored bytes by id, as far as they were known."""

    def snapshot(self, snapshot_id: str) -> Path:
        return self.path / "snapshots" / snapshot_id

    def link(self, number: int) -> Path:
        return self.path / "generations" / str(number)

    def links(self) -> dict[int, str]:
        """Number -> id of the links that lie here."""
        links = {}
        for entry in entries(self.path / "generations"):
            number = number_of(entry.name)
            if number is not None:
                with suppress(OSError):
                    links[number] = pointed_at(self.key, os.readlink(entry.path)) or ""
        return links

    def ids(self) -> dict[str, bool]:
        """Every id something lies here of, and whether its snapshot does."""
        ids = dict.fromkeys(self.links().values(), False)
        return ids | {entry.name: True for entry in entries(self.path / "snapshots")}


def part(layout: Layout, key: ComponentKey, snapshot_id: str, name: str) -> Path:
    """Where a snapshot's metadata, index, checksum or checks are in the store."""
    return {
        "metadata": layout.metadata,
        "index": layout.index,
        "checksum": layout.checksum,
        "checks": layout.checks,
    }[name](key, snapshot_id)


def begin(
    workspace: Workspace, key: ComponentKey, *, grace: float, who: str, job: str, why: str, sizes: Mapping[str, int]
) -> Collected:
    """Start a collection. Raises OSError (its caller says what it was doing)."""
    now = workspace.clock()
    trash = workspace.folder(workspace.layout.top("trash"))
    path = trash / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    freed_on = now + timedelta(seconds=grace)
    record = {
        "format": records.FORMAT,
        "container": key.container,
        "component": key.component,
        "collected": records.stamp(now),
        "freed_on": records.stamp(freed_on),
        "who": who,
        "job": job,
        "why": why,
        "sizes": dict(sizes),
    }
    # Made elsewhere and moved here whole: a sweep takes folders in the trash that have no record.
    made = workspace.stage(job)
    try:
        for name in ("generations", "snapshots", *PARTS):
            workspace.disk.mkdir(made / name)
        workspace.disk.write_new(made / RECORD, records.dump(record))
        workspace.disk.fsync_path(made)
        workspace.disk.rename(made, path)
        workspace.disk.fsync_path(trash)
    except OSError:
        for folder in (made, path):
            with suppress(OSError):
                workspace.disk.remove_tree(folder)
        raise
    return Collected(path, key, now, freed_on, who, job, why, dict(sizes))


def take_snapshot(workspace: Workspace, collection: Collected, snapshot_id: str) -> None:
    """Move a snapshot, and then what is written of it, into the trash. Raises OSError."""
    layout, key = workspace.layout, collection.key
    with suppress(FileNotFoundError):
        workspace.disk.rename(layout.snapshot(key, snapshot_id), collection.snapshot(snapshot_id))
    for name in PARTS:
        where = part(layout, key, snapshot_id, name)
        with suppress(FileNotFoundError):
            workspace.disk.rename(where, collection.path / name / where.name)


def settle(workspace: Workspace, collection: Collected) -> None:
    """Wait until what was moved is durable where it was and where it is. Raises OSError."""
    for name in ("generations", "snapshots", *PARTS):
        workspace.disk.fsync_path(collection.path / name)
    for name in ("generations", "snapshots", "metadata", "checksums", "checks"):
        with suppress(FileNotFoundError):
            workspace.disk.fsync_path(workspace.layout.of(name, collection.key))


def put_back_snapshot(workspace: Workspace, collection: Collected, snapshot_id: str) -> None:
    """The inverse of ``take_snapshot``: metadata first, as at a commit. Raises OSError."""
    layout, key = workspace.layout, collection.key
    target = layout.snapshot(key, snapshot_id)
    for name in PARTS:
        where = part(layout, key, snapshot_id, name)
        lies = collection.path / name / where.name
        if not lies.exists():
            continue
        if target.exists() and (where.exists() or name == "checks"):
            continue  # it describes the snapshot that is there; and other files were checked than that one's
        workspace.folder(where.parent)
        if where.exists() and name != "checks":
            workspace.disk.unlink(where)
        with suppress(FileExistsError):
            workspace.disk.rename(lies, where)
            workspace.disk.fsync_path(where.parent)
    if collection.snapshot(snapshot_id).exists() and not os.path.lexists(target):
        workspace.folder(target.parent)
        workspace.disk.rename(collection.snapshot(snapshot_id), target)
        workspace.disk.fsync_path(target.parent)


def put_back_link(workspace: Workspace, collection: Collected, number: int) -> None:
    """Put a link back under its number. Raises FileExistsError where another link has that number."""
    target = workspace.folder(workspace.layout.of("generations", collection.key)) / str(number)
    workspace.disk.rename(collection.link(number), target)
    workspace.disk.fsync_path(target.parent)


def collections(layout: Layout) -> Iterator[Collected]:
    """Every collection that can be read, oldest first."""
    for name in sorted(entry.name for entry in entries(layout.top("trash"))):
        with suppress(OSError, Corrupt):  # named by ``unreadable``
            yield read(layout.top("trash") / name)


def read(path: Path) -> Collected:
    """A collection. Raises Corrupt, naming its record, and OSError."""
    what = f"{path.parent.name}/{path.name}/{RECORD}"
    data = typed.collection(records.read_file(path / RECORD), what)
    try:
        return Collected(
            path,
            ComponentKey.of(data["container"], data["component"]),
            records.moment(data["collected"]),
            records.moment(data["freed_on"]),
            data["who"],
            data["job"],
            data["why"],
            data["sizes"],
        )
    except (ValueError, NameRejected) as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def unreadable(layout: Layout) -> Iterator[str]:
    """What lies in the trash and is neither listed nor ever freed, since its record cannot be read: a sentence each."""
    for entry in entries(layout.top("trash")):
        try:
            read(Path(entry.path))
        except FileNotFoundError:
            continue  # a crash left it; the sweep deletes it, or somebody brings it back by hand
        except (OSError, Corrupt) as error:
            yield f"{error}; what lies in {entry.path} stays there: put the record right, or move it back by hand"


def listed(layout: Layout) -> Iterator[tuple[TrashEntry, Collected]]:
    """What lies in the trash, one entry a snapshot (and one for links whose snapshot stayed): of a collection in the
    order of their generations, what has none last."""
    for collection in collections(layout):
        numbers = collection.links()
        of_snapshot: dict[str, list[int]] = {}
        for number, points in sorted(numbers.items()):
            of_snapshot.setdefault(points, []).append(number)
        ids = collection.ids()
        for snapshot_id in sorted(ids, key=lambda one: (one not in of_snapshot, of_snapshot.get(one), one)):
            size, whole = 0, ids[snapshot_id]
            if whole:
                known = collection.sizes.get(snapshot_id)
                size = tree_size(collection.snapshot(snapshot_id)) if known is None else known
            yield (
                TrashEntry(
                    name=f"{collection.path.name}.{_tail(snapshot_id)}",
                    key=collection.key,
                    id=snapshot_id,
                    generations=tuple(of_snapshot.get(snapshot_id, ())),
                    stored_size=size,
                    collected=collection.collected,
                    freed_on=collection.freed_on,
                    job=collection.job,
                    who=collection.who,
                    detail={"why": collection.why},
                ),
                collection,
            )


def _tail(snapshot_id: str) -> str:
    """An id in an entry's name: itself, unless it is too long to type."""
    if len(snapshot_id) <= 64:
        return snapshot_id
    return hashlib.sha256(os.fsencode(snapshot_id)).hexdigest()


def chosen(layout: Layout, names: Collection[str]) -> list[tuple[TrashEntry, Collected]]:
    """The named entries. Raises NotFound for a name that is not there."""
    by_name = {entry.name: (entry, collection) for entry, collection in listed(layout)}
    missing = sorted(set(names) - by_name.keys())
    if missing:
        raise NotFound(f"{missing[0]} is not in the trash", "another job may have freed it or brought it back")
    return [by_name[name] for name in sorted(set(names))]


def due(layout: Layout, now: datetime) -> list[tuple[TrashEntry, Collected]]:
    """The entries whose time has come to be freed."""
    return [(entry, collection) for entry, collection in listed(layout) if entry.freed_on <= now]


def free(workspace: Workspace, entry: TrashEntry, collection: Collected) -> int:
    """Delete one entry for good. Returns the bytes freed. Raises StoreError."""
    freed = 0
    with in_words("emptying the trash"):
        if entry.generations:
            reserve(workspace, collection.key, max(entry.generations))
        if entry.id:
            freed = free_snapshot(workspace, collection, entry.id)
        for number in entry.generations:
            workspace.disk.unlink(collection.link(number), missing_ok=True)
        _drop_useless(workspace, collection.key, entry.id)
    return freed


def free_snapshot(workspace: Workspace, collection: Collected, snapshot_id: str) -> int:
    """Delete a snapshot that lies in a collection, and what is written of it. Returns the bytes that came back.

    Raises OSError."""
    freed = remove_snapshot(workspace, collection.snapshot(snapshot_id))
    for name in PARTS:
        lies = collection.path / name / part(workspace.layout, collection.key, snapshot_id, name).name
        workspace.disk.unlink(lies, missing_ok=True)
    return freed


def _drop_useless(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Delete the links of other collections to a snapshot that is nowhere any longer: nothing brings them back."""
    if not snapshot_id or workspace.layout.snapshot(key, snapshot_id).is_dir():
        return
    others = [one for one in collections(workspace.layout) if one.key == key]
    if any(one.snapshot(snapshot_id).is_dir() for one in others):
        return
    for one in others:
        useless = [number for number, points_at in one.links().items() if points_at == snapshot_id]
        if useless:
            reserve(workspace, key, max(useless))
        for number in useless:
            workspace.disk.unlink(one.link(number), missing_ok=True)
        close_if_empty(workspace, one)


def close_if_empty(workspace: Workspace, collection: Collected) -> None:
    """Delete a collection nothing lies in any longer. Raises StoreError."""
    if collection.ids():
        return
    with in_words("emptying the trash"):
        workspace.disk.remove_tree(collection.path)
        workspace.disk.fsync_path(workspace.layout.top("trash"))
