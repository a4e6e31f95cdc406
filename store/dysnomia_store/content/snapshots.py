"""Snapshots: one in the making, and one that is stored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_store.content.artefact_reader import ArtefactReader, open_artefact, split_suffix
from dysnomia_store.content.artefact_writer import ArtefactResult, ArtefactWriter
from dysnomia_store.content.borrowed import BorrowedFrames
from dysnomia_store.content.cutting import DEFAULT, Cutting
from dysnomia_store.content.files import FrameKeeper
from dysnomia_store.content.frame_folder import FolderReader, Lent, collapsed, folder_of, frame_name, read_footer
from dysnomia_store.content.index import Index, IndexWriter
from dysnomia_store.content.manifest import digest_entry, walk
from dysnomia_store.disk.syscalls import Disk, in_words
from dysnomia_store.errors import NotFound, Refused
from dysnomia_store.model import FileEntry, Metadata, Section
from dysnomia_store.names import validate_name
from dysnomia_store.sink import ContentSink


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a draft came to."""

    id: str
    digest: str
    """Canonical digest; ``""`` where a module named the snapshot itself."""
    content_size: int
    stored_size: int
    files: tuple[FileEntry, ...]
    sections: int | None
    rows: int | None
    index: Path | None
    claimed: bool
    outline: str = ""
    """Of its artefacts together; ``""`` where a module named the snapshot itself."""


class SnapshotDraft:
    """A snapshot in the making (the plugin layer's ``Draft``): a private folder that holds it and its index.

    Args:
        base: an empty folder of its own; ``snapshot/`` and ``index.zst`` are made in it.
        about: what the footer of each artefact repeats.
        frames: where frames are kept that snapshots share; None for whole artefacts.
    """

    def __init__(
        self,
        base: Path,
        *,
        disk: Disk | None = None,
        compression: str = "zstd",
        level: int | None = None,
        about: Mapping[str, Any] | None = None,
        reader: int | None = None,
        frames: FrameKeeper | None = None,
        cutting: Cutting = DEFAULT,
    ) -> None:
        self.base = base
        self.folder = base / "snapshot"
        self.about: dict[str, Any] = dict(about or {})
        self.reader = reader
        """A group that may read the snapshot's files (bash Dysnomia's module becomes another user)."""
        self._disk = disk or Disk()
        self._compression = compression
        self._level = level
        self._frames = frames
        self._cutting = cutting
        self._results: list[ArtefactResult] = []
        self._claimed = ""
        self._index: IndexWriter | None = None
        self._indexed = 0
        self._sealed: Sealed | None = None
        self._shared = False
        self.note: bytes | None = None
        """What the dump tells the next one on this component (see ``commit.earlier``)."""
        with in_words("starting a snapshot"):
            self._disk.mkdir(self.folder)

    @contextmanager
    def artefact(self, name: str) -> Iterator[ContentSink]:
        """Start the artefact ``name``; the suffix of the compression is added. Raises StoreFull, NameRejected."""
        validate_name(name, "artefact")
        if self._index is None:
            self._index = IndexWriter(self.base / "index.zst", files=self._disk)
        writer = ArtefactWriter(
            self.folder,
            name,
            compression=self._compression,
            level=self._level,
            index=self._index,
            files=self._disk,
            frames=self._frames,
            cutting=self._cutting,
            about=self.about,
        )
        with writer:
            yield writer
        assert writer.result is not None
        self._results.append(writer.result)

    def claim(self, snapshot_id: str) -> None:
        """For modules that write their own files into ``folder`` and name the snapshot themselves."""
        self._claimed = validate_name(snapshot_id, "snapshot id")

    def seal(self) -> Sealed:
        """Compute the id and the manifest, and fsync everything in place. Idempotent.

        Raises Refused where nothing was written, or where it holds what no snapshot can.
        """
        if self._sealed is None:
            with in_words("finishing the snapshot"):
                self._sealed = self._seal()
        return self._sealed

    @property
    def replaced(self) -> frozenset[bytes]:
        """Digests of frames that it brought of which a damaged file is known."""
        return frozenset() if self._frames is None else frozenset(self._frames.replaced)

    def share(self) -> None:
        """Let what was copied in share its frames, each of which was compared with its digest. To be sealed again.

        Raises StoreError.
        """
        self._sealed = None
        self._shared = True
        with in_words("sharing the frames of the snapshot"):
            for path in collapsed(path for path, _ in walk(self.folder)):
                folder = self.folder / folder_of(path)
                if not folder_of(path) or self._frames is None:
                    continue
                _, frames = read_footer(folder)
                for number in range(len(frames)):
                    self._frames.take_in(folder / frame_name(number), frames.digest(number), frames.size(number))
                self._disk.fsync_path(folder)

    def stored(self) -> StoredSnapshot:
        """The draft read as a snapshot (what is live, dumped for a comparison)."""
        sealed = self.seal()
        lent = self._frames.lent if isinstance(self._frames, BorrowedFrames) else None
        return StoredSnapshot(self.folder, None, sealed.index, files=sealed.files, lent=lent)

    def abort(self) -> None:
        """Close what is open. The folder is for its maker to delete."""
        if self._index is not None:
            self._index.abort()

    def _seal(self) -> Sealed:
        known = {result.entry.path: result.entry for result in self._results}
        paths = [path for path, _ in walk(self.folder)]
        if known or self._shared:
            paths = collapsed(paths)
        files = [known.get(path) or digest_entry(self.folder, path) for path in sorted(paths)]
        if not files and not self._claimed:
            raise Refused("the dump wrote nothing, so there is no snapshot to keep")
        if not self._claimed and len(files) != len(self._results):
            raise Refused("the dump wrote files that are not artefacts, and gave no snapshot id")
        if not self._shared:
            self._settle()
        sections = None
        if self._index is not None:
            sections = self._index.close()
        digest = "" if self._claimed else identity({result.name: result.digest for result in self._results})
        rows = [result.rows for result in self._results if result.rows is not None]
        stored = sum(entry.stat(follow_symlinks=False).st_size for _, entry in walk(self.folder))
        return Sealed(
            id=self._claimed or digest,
            digest=digest,
            content_size=sum(result.content_size for result in self._results) if self._results else stored,
            stored_size=stored,
            files=tuple(files),
            sections=sections,
            rows=sum(rows) if rows else None,
            index=None if self._index is None else self._index.path,
            claimed=bool(self._claimed),
            outline="" if self._claimed else identity({result.name: result.outline for result in self._results}),
        )

    def _settle(self) -> None:
        """Set modes and owners of everything in the folder and fsync it, deepest first. What the writers of artefacts
        made is as it should be, and synced, but for the folders."""
        access = self._disk.access
        own = {self.folder / result.file_name for result in self._results}
        gid = self.reader if self.reader is not None else access.gid
        for at, folders, names in os.walk(self.folder, topdown=False):
            here = Path(at)
            for name in names:
                path = here / name
                made = path in own or here in own
                if path.is_symlink() or (made and self.reader is None):
                    continue
                mode = 0o640 if gid is not None else 0o600
                self._disk.chmod(path, mode | (path.stat().st_mode & 0o100), gid)
                if not made:
                    self._disk.fsync_path(path)
            del folders
            self._disk.chmod(here, 0o750 if gid is not None else 0o700, gid)
            self._disk.fsync_path(here)


def identity(digests: Mapping[str, str]) -> str:
    """A snapshot's id from the canonical digests of its artefacts: that of the only one, else of all by name."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    whole = hashlib.sha256()
    for name in sorted(digests, key=os.fsencode):
        whole.update(os.fsencode(name) + b"\0" + digests[name].encode() + b"\n")
    return whole.hexdigest()


class StoredSnapshot:
    """A snapshot to be read (the plugin layer's ``Stored``). Every byte is checked as it streams."""

    def __init__(
        self,
        folder: Path,
        metadata: Metadata | None,
        index: Path | None,
        *,
        files: tuple[FileEntry, ...] | None = None,
        lent: Mapping[bytes, Lent] | None = None,
    ) -> None:
        self._workers: int | None = None
        self._readers: dict[str, ArtefactReader | FolderReader] = {}
        """Those asked for: a snapshot may have 100,000 sections, read one after the other, and each footer is long."""
        self._lent = lent
        self._folder = folder
        self._metadata = metadata
        self._index = index
        manifest = files if files is not None else (metadata.files if metadata is not None else None)
        self._files = None if manifest is None else {entry.path: entry for entry in manifest}

    @property
    def metadata(self) -> Metadata | None:
        return self._metadata

    def without_surroundings(self) -> StoredSnapshot:
        """The same, with nothing said of what was around it: owners, grants and settings that a stranger chose."""
        metadata = None if self._metadata is None else replace(self._metadata, surroundings={})
        files = None if self._files is None else tuple(self._files.values())
        return StoredSnapshot(self._folder, metadata, self._index, files=files)

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def index(self) -> Path | None:
        """Its contents index, or None where none was written."""
        # A path's own ``exists`` raises where a folder above may not be read.
        return self._index if self._index is not None and os.path.exists(self._index) else None  # noqa: PTH110

    def artefacts(self) -> tuple[str, ...]:
        """Names without compression suffix, sorted. Raises NotFound where its folder is gone, NotPermitted."""
        return tuple(sorted(self._names()))

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        """Stream the uncompressed content (of the only artefact, if none is named). Raises NotFound, Corrupt."""
        return self.reader(artefact).open()

    def open_range(self, artefact: str, offset: int, length: int) -> AbstractContextManager[BinaryIO]:
        """Stream a part of the uncompressed content: whole frames are read and checked, no more."""
        return self.reader(artefact).open_range(offset, length)

    def reader(self, artefact: str | None = None) -> ArtefactReader | FolderReader:
        """The artefact, to be read. Raises NotFound."""
        if artefact is not None and (reader := self._readers.get(artefact)) is not None:
            return reader
        names = self._names()
        if artefact is None:
            if len(names) != 1:
                raise NotFound(
                    f"{self._folder.name} holds {len(names)} files, not one", f"name one of {', '.join(names)}"
                )
            artefact = next(iter(names))
        path = names.get(artefact)
        if path is None:
            raise NotFound(f"{self._folder.name} holds no {artefact!r}", f"it holds {', '.join(names) or 'nothing'}")
        entry = None if self._files is None else self._files.get(path)
        sha256 = None if entry is None else entry.sha256
        reader = open_artefact(self._folder / (folder_of(path) or path), sha256=sha256, workers=self._workers)
        if self._lent is not None and isinstance(reader, FolderReader):
            reader.lent = self._lent
        self._readers[artefact] = reader
        return reader

    def borrowed(self) -> BorrowedFrames | None:
        """Its frames, for a dump that is compared with it; None where it has none. Raises NotFound, Corrupt."""
        artefacts = (self.with_workers(0).reader(name) for name in self.artefacts())
        folders = [artefact for artefact in artefacts if isinstance(artefact, FolderReader)]
        return BorrowedFrames(folders) if folders else None

    def with_workers(self, workers: int) -> StoredSnapshot:
        """The same, read with so many threads that decompress ahead; 0 where the processors have enough to do."""
        other = copy(self)
        other._workers = workers
        other._readers = {}
        return other

    def sections(self) -> Iterator[Section]:
        """The contents index, streamed. Raises NotFound where none was written (see ``Store.write_index``)."""
        if self.index is None:
            raise NotFound(
                f"{self._folder.name} has no contents index", "check the snapshot: that makes the index again"
            )
        with Index(self.index) as index:
            yield from index.sections()

    def _names(self) -> dict[str, str]:
        """Artefact name -> path in the folder; of a folder of frames, that of its footer."""
        if self._files is not None:
            paths = list(self._files)
        else:
            with in_words(f"reading the snapshot {self._folder.name}"):
                paths = [path for path, _ in walk(self._folder)]
        return {split_suffix(folder_of(path) or path)[0]: path for path in collapsed(paths)}
