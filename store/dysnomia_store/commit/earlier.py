"""The snapshot before this one: what a dump may take over from it without reading it anew.

A type that can tell that a part of what is live is as it was when the newest snapshot was made (a file with the times
and the inode it had) notes how it could tell, beside the store's records. The next dump is given that note and the
snapshot, and takes over sections: their digests from the contents index, their bytes as the frames that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.artefact_writer import ArtefactWriter
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.index import Index
from dysnomia_store.content.snapshots import StoredSnapshot
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Metadata
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec, typed
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from dysnomia_store.content.snapshots import SnapshotDraft

_MOST = 1 << 30
"""Bytes of a note; a larger one is not kept."""


class Earlier:
    """The newest generation's snapshot, sound as far as is known, and what its dump noted. To be closed.

    Args:
        stored: that snapshot.
        index: its contents index.
        note: what its dump noted.
        read: when all of it was last read from what was live.

    Raises Corrupt, OSError where the index cannot be read.
    """

    def __init__(self, stored: StoredSnapshot, snapshot_id: str, index: Path, note: bytes, read: datetime) -> None:
        self.id = snapshot_id
        self.note = note
        self.read = read
        self._stored = stored.with_workers(0)
        self._index = Index(index)
        self._lines: Iterator[bytes] = iter(())
        self._next = -1
        """Which section's line ``_lines`` gives next."""
        self._readers: dict[str, ArtefactReader | FolderReader] = {}

    def __len__(self) -> int:
        """The number of its sections."""
        return len(self._index)

    def names(self, start: int = 0) -> Iterator[str]:
        """The names of its sections in order, from the ``start``-th. Raises Corrupt."""
        return (typed.section(line)[0][1] for line in self._index.lines(start))

    def take(self, sink: ContentSink, start: int, count: int) -> None:
        """Put ``count`` of its sections, from the ``start``-th, into the sink as they are here.

        Raises Corrupt, NotFound where they cannot be read here; TypeError for a sink that is not this store's own.
        """
        if not isinstance(sink, ArtefactWriter):
            raise TypeError("only an artefact of the same store takes sections over")
        if sink.name not in self._readers:
            self._readers[sink.name] = self._stored.reader(sink.name)
        if not 0 <= self._next <= start:
            self._lines, self._next = self._index.lines(start), start
        lines = islice(self._lines, start - self._next, start - self._next + count)
        self._next = start + count
        if sink.take_over(self._readers[sink.name], lines) != count:
            raise Corrupt(f"{self._index.path} is damaged: it holds fewer sections than were noted")

    def close(self) -> None:
        """Close its files."""
        self._index.close()


def earlier_of(
    workspace: Workspace, key: ComponentKey, metadata: Metadata, now: datetime, read_all_every: float
) -> Earlier | None:
    """What a dump may take over of a sound snapshot; None where nothing was noted of it, or where it is time to read
    everything again: ``read_all_every`` seconds since that was done."""
    index = workspace.layout.index(key, metadata.id)
    try:
        path = workspace.layout.note(key)
        if path.stat(follow_symlinks=False).st_size > _MOST:
            return None
        head, _, note = codec.read_file(path).partition(b"\n")
        said = typed.noted(head, path.name)
        read = codec.moment(said["read"])
    except (OSError, ValueError, Corrupt):
        return None  # nothing is lost but time
    if (said["id"], said["type"], said["digest_version"]) != (metadata.id, metadata.type, metadata.digest_version):
        return None
    if not 0 <= (now - read).total_seconds() < read_all_every:
        return None
    stored = StoredSnapshot(workspace.layout.snapshot(key, metadata.id), metadata, index)
    try:
        return Earlier(stored, metadata.id, index, note, read)
    except (OSError, Corrupt):
        return None


def keep_note(
    workspace: Workspace, key: ComponentKey, metadata: Metadata, draft: SnapshotDraft, read: datetime
) -> None:
    """Keep what a draft's dump noted for the next one, in place of what was noted before.

    Never fails: without it the next dump reads everything."""
    path = workspace.layout.note(key)
    noted = draft.note
    try:
        if noted is None or len(noted) > _MOST:
            workspace.disk.unlink(path, missing_ok=True)
            return
        said = {"id": metadata.id, "type": metadata.type, "digest_version": metadata.digest_version}
        workspace.republish(path, codec.dump({**said, "read": codec.stamp(read)}) + noted)
    except OSError:
        pass  # one of an older snapshot stays, and nobody believes it
