"""Writing one artefact of a snapshot: stored, digested and indexed while it streams by, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dysnomia_base.records import dataclass
from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.cutting import DEFAULT, Cutting, available
from dysnomia_store.content.digest import DigestSink, SectionTarget, TallySink
from dysnomia_store.content.files import Files, FrameKeeper, PlainFiles
from dysnomia_store.content.frame_folder import SUFFIX as FOLDER
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.storage import SUFFIXES, FrameFolder, Storage, Undecided, WholeFile
from dysnomia_store.model import FileEntry, Form
from dysnomia_store.sink import Buffer

__all__ = ["SUFFIXES", "ArtefactReader", "ArtefactResult", "ArtefactWriter", "DigestSink"]


@dataclass(frozen=True, slots=True)
class ArtefactResult:
    """What a closed artefact came to."""

    name: str
    """Without the suffix of its compression."""
    file_name: str
    """Its file in the snapshot folder, or its folder of frames."""
    digest: str
    """Canonical digest, hex (see canonical.py)."""
    content_size: int
    """Bytes before compression."""
    stored_size: int
    """Bytes of what is stored."""
    entry: FileEntry
    """Its line of the manifest: the file, or the footer that vouches for a folder of frames."""
    rows: int | None
    sections: int
    outline: str
    """Digest of all but the rows of tables, hex (see canonical.py)."""

    @property
    def sha256(self) -> str:
        """Of the bytes of ``entry``, hex."""
        return self.entry.sha256


class ArtefactWriter(TallySink):
    """A ``ContentSink`` that stores what it is given as one file.

    As a context manager it closes when the body ended well, and aborts when it raised; the file is then no artefact
    and goes with the staging folder.

    Args:
        folder: where the file is made; it must be there.
        name: of the artefact, without suffix.
        compression: ``zstd``, ``xz`` (one stream, as bash Dysnomia reads it) or ``plain``.
        level: the compressor's own; None for a sensible one.
        index: where finished sections go.
        files: makes and syncs the file (the store's disk object).
        frames: where frames are kept that snapshots share; None to write one file in any case.
        cutting: how large those frames are.
        about: JSON values that the footer repeats (component, type, digest version); looked at on ``close``.

    Raises:
        StoreFull, NotPermitted: from any call, also for bytes given earlier.
        FileExistsError: where the folder has such a file.
        ValueError: for an unknown compression, or sections that do not nest.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        compression: str = "zstd",
        level: int | None = None,
        index: SectionTarget,
        files: Files | None = None,
        frames: FrameKeeper | None = None,
        cutting: Cutting = DEFAULT,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if compression not in SUFFIXES:
            raise ValueError(f"{compression!r} is not a compression: choose one of {', '.join(SUFFIXES)}")
        super().__init__(index, name)
        self.name = name
        self.path = folder / (name + SUFFIXES[compression])
        """Its file, where it is one."""
        self.result: ArtefactResult | None = None
        """Set by ``close``."""
        self._about = about if about is not None else {}
        whole = partial(WholeFile, self.path, compression, level, files or PlainFiles())
        self._storage: Storage
        if frames is None or compression != "zstd" or not available():
            self._storage = whole()
        else:
            shared = partial(FrameFolder, folder / (name + FOLDER), level, files or PlainFiles(), frames, cutting)
            self._storage = Undecided(cutting.whole, whole, shared)

    def begin_section(
        self,
        kind: str,
        name: str,
        form: Form,
        *,
        columns: tuple[str, ...] = (),
        key: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        super().begin_section(kind, name, form, columns=columns, key=key, attributes=attributes)
        self._storage.begin()

    def end_section(self, rows: int | None = None, *, size: int | None = None) -> None:
        super().end_section(rows, size=size)
        self._storage.end()

    def take_over(self, artefact: ArtefactReader | FolderReader, lines: Iterable[bytes]) -> int:
        """Sections that another artefact of this name holds one behind the other, outside of any section: as lines of
        its contents index. Returns how many they are. Raises NotFound, Corrupt."""
        start, length, count = self._tally.taken_over(lines)
        self._storage.take_over(artefact, start, length)
        return count

    def _keep(self, data: Buffer) -> None:
        self._storage.write(data)

    def close(self) -> ArtefactResult:
        """Write what is left, sync it and say what it came to. Its folder is for the caller to sync."""
        if self.result is not None:
            return self.result
        counted = self._tally.result()
        stored = self._storage.close(
            {
                "name": self.name,
                "digest": counted.digest,
                "content_size": counted.content_size,
                "rows": counted.rows,
                "sections": counted.sections,
                "about": dict(self._about),
            }
        )
        self.result = ArtefactResult(
            name=self.name,
            file_name=stored.file_name,
            digest=counted.digest,
            content_size=counted.content_size,
            stored_size=stored.size,
            entry=stored.entry,
            rows=counted.rows,
            sections=counted.sections,
            outline=counted.outline,
        )
        return self.result

    def abort(self) -> None:
        """Stop the threads and close the files. Idempotent."""
        self._storage.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise
