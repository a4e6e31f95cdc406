"""How a snapshot gets its place: what describes it first, then its folder, by one rename.

The caller holds the component's lock, and says in words what an OSError meant.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from dysnomia_store.catalog import checks
from dysnomia_store.catalog.component import tree_size
from dysnomia_store.content.dysnomia_checksum import Match, checksum, compare
from dysnomia_store.content.manifest import differences, files_in, sizes_match
from dysnomia_store.content.snapshots import Sealed, SnapshotDraft
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt
from dysnomia_store.gc import trash
from dysnomia_store.model import Metadata
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed

IN_THE_WAY = 30 * 86400.0
"""Seconds for which a folder that was in the way of a snapshot stays in the trash."""


def metadata_at(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> Metadata | None:
    """The stored metadata of a snapshot; None where there is none that can be read."""
    try:
        path = workspace.layout.metadata(key, snapshot_id)
        metadata = typed.metadata(records.read_file(path), path.name)
    except (OSError, Corrupt):
        return None
    return metadata if metadata.id == snapshot_id else None


def install(workspace: Workspace, key: ComponentKey, draft: SnapshotDraft, sealed: Sealed, metadata: Metadata) -> str:
    """Put a sealed draft into ``snapshots/``, unless the same already exists. Returns the id under which it is stored.

    Raises OSError, StoreError.
    """
    snapshot_id = sealed.id
    target = workspace.layout.snapshot(key, snapshot_id)
    if os.path.lexists(target):
        if sealed.claimed and not _same_content(workspace, key, sealed, metadata):
            # A module's own name (a revision) that stands for other content already: both are kept.
            return _install_as(workspace, key, draft, replace(sealed, id=_other_name(sealed)), metadata)
        if vouched(workspace, key, snapshot_id, sealed):
            if metadata_at(workspace, key, snapshot_id) is None:
                _describe(workspace, key, sealed, metadata)
            return snapshot_id
        set_aside(workspace, key, snapshot_id)
    return _install_as(workspace, key, draft, sealed, metadata)


def _install_as(
    workspace: Workspace, key: ComponentKey, draft: SnapshotDraft, sealed: Sealed, metadata: Metadata
) -> str:
    target = workspace.layout.snapshot(key, sealed.id)
    if os.path.lexists(target):
        return sealed.id  # named after its content, so it is the same
    path = workspace.layout.checksum(key, sealed.id)
    if records.framed(sealed.files):
        workspace.raise_format(records.FRAMES)
    _clear(workspace, path)
    workspace.publish(path, checksum(draft.folder).encode())
    _describe(workspace, key, sealed, replace(metadata, id=sealed.id))
    workspace.folder(target.parent)
    workspace.disk.rename(draft.folder, target)
    workspace.disk.fsync_path(target.parent)
    if draft.reader is not None:
        allow_traverse(workspace, target.parent)
    return sealed.id


def _describe(workspace: Workspace, key: ComponentKey, sealed: Sealed, metadata: Metadata) -> None:
    """Write contents index and metadata, in place of what a crash may have left of them."""
    index = workspace.layout.index(key, metadata.id)
    _clear(workspace, index)
    if sealed.index is not None and sealed.index.exists():
        workspace.folder(index.parent)
        workspace.disk.rename(sealed.index, index)
    path = workspace.layout.metadata(key, metadata.id)
    _clear(workspace, path)
    workspace.publish(path, records.dump(records.metadata_json(metadata)))


def _clear(workspace: Workspace, path: Path) -> None:
    if os.path.lexists(path):
        workspace.disk.unlink(path)


def vouched(workspace: Workspace, key: ComponentKey, snapshot_id: str, sealed: Sealed) -> bool:
    """Whether the folder stored under an id is known to be that snapshot, complete."""
    folder = workspace.layout.snapshot(key, snapshot_id)
    if folder.is_symlink() or not folder.is_dir():
        return False
    written = metadata_at(workspace, key, snapshot_id)
    if written is not None:
        # What was imported under an id that nobody could prove vouches for nothing: a state that is dumped here goes
        # by its content, and must not come out as a stranger's bytes.
        known = sealed.claimed or written.digest == snapshot_id or _made_here(workspace, written)
        return known and sizes_match(folder, written.files) and not checks.failed(workspace.layout, key, snapshot_id)
    if sizes_match(folder, sealed.files) and not differences(folder, sealed.files)[0]:
        return True
    try:
        expected = workspace.layout.checksum(key, snapshot_id).read_text("ascii")
    except (OSError, ValueError):
        return False
    return compare(folder, expected) in (Match.SAME, Match.OTHER_ORDER)


def _made_here(workspace: Workspace, written: Metadata) -> bool:
    """Whether a job of this very store made it. A store whose identity cannot be read made nothing that is known."""
    return bool(written.origin) and written.origin == workspace.store_id


def sound_metadata(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> Metadata | None:
    """What is written of a snapshot made here, if it is stored completely and no check of it failed; else None."""
    folder = workspace.layout.snapshot(key, snapshot_id)
    written = metadata_at(workspace, key, snapshot_id)
    if written is None or folder.is_symlink() or not folder.is_dir() or not _made_here(workspace, written):
        return None
    whole = sizes_match(folder, written.files) and not checks.failed(workspace.layout, key, snapshot_id)
    return written if whole else None


def _same_content(workspace: Workspace, key: ComponentKey, sealed: Sealed, metadata: Metadata) -> bool:
    """Whether the snapshot stored under a claimed name holds the same files, or the same proven content in others: one
    file of an earlier version, and frames."""
    written = metadata_at(workspace, key, sealed.id)
    folder = workspace.layout.snapshot(key, sealed.id)
    if written is not None:
        if metadata.digest and (written.digest, written.digest_version) == (metadata.digest, metadata.digest_version):
            return True
        return written.files == sealed.files
    return sizes_match(folder, sealed.files) and files_in(folder) == sealed.files


def _other_name(sealed: Sealed) -> str:
    manifest = records.dump({"files": [[e.path, e.size, e.sha256] for e in sealed.files]})
    return f"{sealed.id[:200]}-{hashlib.sha256(manifest).hexdigest()[:16]}"


def set_aside(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Move a folder without valid metadata to the trash."""
    folder = workspace.layout.snapshot(key, snapshot_id)
    collection = trash.begin(
        workspace,
        key,
        grace=IN_THE_WAY,
        who="",
        job="",
        why="it stood where a new snapshot belongs, and nothing vouched for it",
        sizes={snapshot_id: tree_size(folder)},
    )
    trash.take_snapshot(workspace, collection, snapshot_id)
    trash.settle(workspace, collection)


def allow_traverse(workspace: Workspace, folder: Path) -> None:
    """Grant traversal (o+x, not list) on the folders above a snapshot that another user may read."""
    at = folder
    while True:
        mode = at.stat().st_mode & 0o7777
        if mode & 0o001 == 0:
            workspace.disk.chmod(at, mode | 0o001)
        if at == workspace.layout.root:
            return
        at = at.parent
