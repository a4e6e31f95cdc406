"""Metadata and contents index of a snapshot that came without: another tool's, or one copied alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from dysnomia_store.commit.install import metadata_at
from dysnomia_store.content.index import IndexWriter
from dysnomia_store.content.manifest import files_in
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import NotFound, Refused
from dysnomia_store.model import Metadata, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records


def write_index(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, metadata: Metadata, sections: Iterable[Section]
) -> None:
    """Write computed metadata and index. Existing metadata is kept; a manifest that is not given is made.

    Raises:
        NotFound: where the snapshot is gone.
        Refused: for another snapshot's metadata.
        StoreError.
    """
    folder = workspace.layout.snapshot(key, snapshot_id)
    if not folder.is_dir():
        raise NotFound(f"{key} has no snapshot {snapshot_id}")
    if metadata.id != snapshot_id:
        raise Refused(f"this is the metadata of {metadata.id}, not of {snapshot_id}")
    index = workspace.layout.index(key, snapshot_id)
    with in_words(f"describing snapshot {snapshot_id} of {key}"):
        workspace.folder(index.parent)
        with workspace.staging("") as base:
            with IndexWriter(base / "index.zst", files=workspace.disk) as writer:
                for section in sections:
                    writer.add(section)
            if os.path.lexists(index):
                workspace.disk.unlink(index)
            workspace.disk.rename(base / "index.zst", index)
        workspace.disk.fsync_path(index.parent)
        if metadata_at(workspace, key, snapshot_id) is None:
            files = metadata.files or files_in(folder)
            whole = replace(metadata, files=files, stored_size=sum(entry.size for entry in files))
            path = workspace.layout.metadata(key, snapshot_id)
            if os.path.lexists(path):
                workspace.disk.unlink(path)  # one that cannot be read
            workspace.publish(path, records.dump(records.metadata_json(whole)))
