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

from dysnomia_store.commit.commit import newest
from dysnomia_store.commit.install import sound_metadata
from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.artefact_writer import ArtefactWriter
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.index import Index
from dysnomia_store.content.snapshots import StoredSnapshot
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Metadata
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec, index_lines, typed
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from dysnomia_store.content.snapshots import SnapshotDraft


class _Lines:
    """Lines of a contents index that are asked for one behind the other: no frame of it is read twice."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._left: Iterator[bytes] = iter(())
        self._next = -1
        """Which line ``_left`` gives next."""

    def read(self, start: int, count: int) -> Iterator[bytes]:
        """To be read to its end before the next are asked for. Fewer where there are no more. Raises Corrupt."""
        if not 0 <= self._next <= start:
            self._left, self._next = self._index.lines(start), start
        passed = start - self._next
        self._next = start + count
        return islice(self._left, passed, passed + count)


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
        self._taken, self._named = _Lines(self._index), _Lines(self._index)
        self._readers: dict[str, ArtefactReader | FolderReader] = {}

    def __len__(self) -> int:
        """The number of its sections."""
        return len(self._index)

    def name(self, number: int) -> str:
        """The name of a section; quick where those before it were asked for before. Raises Corrupt."""
        for line in self._named.read(number, 1):
            return index_lines.section(line)[0][1]
        raise Corrupt(f"{self._index.path} is damaged: it holds fewer sections than were noted")

    def take(self, sink: ContentSink, start: int, count: int) -> None:
        """Put ``count`` of its sections, from the ``start``-th, into the sink as they are here.

        Raises Corrupt, NotFound where they cannot be read here; TypeError for a sink that is not this store's own.
        """
        if not isinstance(sink, ArtefactWriter):
            raise TypeError("only an artefact of the same store takes sections over")
        if sink.name not in self._readers:
            self._readers[sink.name] = self._stored.reader(sink.name)
        if sink.take_over(self._readers[sink.name], self._taken.read(start, count)) != count:
            raise Corrupt(f"{self._index.path} is damaged: it holds fewer sections than were noted")

    def close(self) -> None:
        """Close its files."""
        self._index.close()


def newest_earlier(
    workspace: Workspace, key: ComponentKey, made_by: tuple[str, int], read_all_every: float
) -> Earlier | None:
    """What a dump may take over of the newest generation's snapshot; None where it is unknown, or not sound, where it
    is of another type and digest version than ``made_by``, where nothing was noted of it, or where it is time to read
    everything again: ``read_all_every`` seconds since that was done."""
    if not workspace.layout.note(key).exists():
        return None
    before = newest(workspace, key)
    metadata = sound_metadata(workspace, key, before[1]) if before is not None and before[1] else None
    if metadata is None or (metadata.type, metadata.digest_version) != made_by:
        return None
    return _noted_of(workspace, key, metadata, read_all_every)


def _noted_of(workspace: Workspace, key: ComponentKey, metadata: Metadata, read_all_every: float) -> Earlier | None:
    index = workspace.layout.index(key, metadata.id)
    try:
        path = workspace.layout.note(key)
        head, _, note = codec.read_file(path).partition(b"\n")
        noted = typed.noted(head, path.name)
        read = codec.moment(noted["read"])
    except (OSError, ValueError, Corrupt):
        return None  # nothing is lost but time
    if (noted["id"], noted["type"], noted["digest_version"]) != (metadata.id, metadata.type, metadata.digest_version):
        return None
    if not 0 <= (workspace.clock() - read).total_seconds() < read_all_every:
        return None
    stored = StoredSnapshot(workspace.layout.snapshot(key, metadata.id), metadata, index)
    try:
        return Earlier(stored, metadata.id, index, note, read)
    except (OSError, Corrupt):
        return None


def keep_note(
    workspace: Workspace, key: ComponentKey, metadata: Metadata, draft: SnapshotDraft, read: datetime
) -> None:
    """Keep what a draft's dump noted for the next one, in place of what was noted before: that of an older snapshot
    is not believed, wherever it stays.

    Never fails: without it the next dump reads everything."""
    if draft.note is None:
        return
    note = {"id": metadata.id, "type": metadata.type, "digest_version": metadata.digest_version}
    try:
        workspace.republish(workspace.layout.note(key), codec.dump({**note, "read": codec.stamp(read)}) + draft.note)
    except OSError:
        pass
