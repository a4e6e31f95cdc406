"""Writing one artefact of a snapshot: stored, digested and indexed while it streams by, in bounded memory."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dysnomia_store.content import footer
from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.digest import DigestSink, SectionTarget, TallySink
from dysnomia_store.content.files import Files, PlainFiles, explained, write_all
from dysnomia_store.content.frames import DEFAULT_LEVEL, Compressor, Cutter, frame_compressor
from dysnomia_store.model import FileEntry, Form
from dysnomia_store.sink import Buffer

__all__ = ["SUFFIXES", "ArtefactReader", "ArtefactResult", "ArtefactWriter", "DigestSink"]

SUFFIXES = {"zstd": ".zst", "xz": ".xz", "plain": ""}
"""What each compression that can be written adds to the artefact's name."""
DEFAULT_XZ_LEVEL = 2


@dataclass(frozen=True, slots=True)
class ArtefactResult:
    """What a closed artefact came to."""

    name: str
    """Without the suffix of its compression."""
    file_name: str
    """Its file in the snapshot folder."""
    digest: str
    """Canonical digest, hex (see canonical.py)."""
    content_size: int
    """Bytes before compression."""
    stored_size: int
    """Bytes of the file."""
    sha256: str
    """Of the file's bytes, hex."""
    rows: int | None
    sections: int
    outline: str
    """Digest of all but the rows of tables, hex (see canonical.py)."""

    @property
    def entry(self) -> FileEntry:
        """Its line of the manifest."""
        return FileEntry(self.file_name, self.stored_size, self.sha256)


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
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if compression not in SUFFIXES:
            raise ValueError(f"{compression!r} is not a compression: choose one of {', '.join(SUFFIXES)}")
        super().__init__(index, name)
        self.name = name
        self.path = folder / (name + SUFFIXES[compression])
        self.result: ArtefactResult | None = None
        """Set by ``close``."""
        self._framed = compression == "zstd"
        self._files = files or PlainFiles()
        self._about = about if about is not None else {}
        self._stored = hashlib.sha256()
        self._stored_size = 0
        with explained(self.path):
            self._file = self._files.create(self.path)
        compress, self._finish, workers = _codec(compression, level)
        self._compressor = Compressor(self._put, compress, workers)
        self._cutter = Cutter(self._compressor.add)
        if self._framed:
            self._put(footer.OPENING)

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
        self._cutter.begin()

    def end_section(self, rows: int | None = None, *, size: int | None = None) -> None:
        super().end_section(rows, size=size)
        self._cutter.end()

    def _keep(self, data: Buffer) -> None:
        self._cutter.write(data)

    def close(self) -> ArtefactResult:
        """Write what is left, sync the file and say what it came to. Its folder is for the caller to sync."""
        if self.result is not None:
            return self.result
        counted = self._tally.result()
        self._cutter.flush()
        self._compressor.finish()
        self._put(self._finish())
        if self._framed:
            said = {
                "dysnomia-artefact": footer.ARTEFACT,
                "name": self.name,
                "digest": counted.digest,
                "content_size": counted.content_size,
                "rows": counted.rows,
                "sections": counted.sections,
                "stored": self._stored.hexdigest(),
                "about": dict(self._about),
                "frames": self._compressor.sizes,
            }
            self._put(footer.encode(said))
        with explained(self.path):
            self._files.fsync(self._file)
            self._file.close()
        self.result = ArtefactResult(
            name=self.name,
            file_name=self.path.name,
            digest=counted.digest,
            content_size=counted.content_size,
            stored_size=self._stored_size,
            sha256=self._stored.hexdigest(),
            rows=counted.rows,
            sections=counted.sections,
            outline=counted.outline,
        )
        return self.result

    def abort(self) -> None:
        """Stop the threads and close the file. Idempotent."""
        self._compressor.abort()
        self._file.close()

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

    def _put(self, data: bytes) -> None:
        if data:
            with explained(self.path):
                write_all(self._file, data)
            self._stored.update(data)
            self._stored_size += len(data)


def _codec(compression: str, level: int | None) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], int | None]:
    """What compresses a piece, what gives the end of the file, and how many pieces may be worked on at once."""
    if compression == "zstd":
        return frame_compressor(DEFAULT_LEVEL if level is None else level), bytes, None
    if compression == "xz":
        # One stream has one state, so its pieces go through one thread, in order.
        one = lzma.LZMACompressor(preset=DEFAULT_XZ_LEVEL if level is None else level)
        return one.compress, one.flush, 1
    return bytes, bytes, 1
