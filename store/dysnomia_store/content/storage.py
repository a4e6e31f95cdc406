"""How an artefact's content is stored: as one file, or as a folder of frames."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dysnomia_base.records import dataclass
from dysnomia_store.content import footer
from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.compressing import frame_compressor
from dysnomia_store.content.cutting import Cutting
from dysnomia_store.content.files import Files, FrameKeeper, explained, write_all
from dysnomia_store.content.frame_folder import FOOTER, FolderReader, Frames, frame_name
from dysnomia_store.content.frames import Compressor, Cutter, InOrder
from dysnomia_store.errors import Corrupt, StoreError
from dysnomia_store.model import FileEntry
from dysnomia_store.sink import Buffer

SUFFIXES = {"zstd": ".zst", "xz": ".xz", "plain": ""}
"""What each compression that can be written adds to the artefact's name."""
DEFAULT_XZ_LEVEL = 2
_PIECE = 1 << 20
MOST_FRAMES = footer.MOST_FOLDER // 74
"""Of an artefact: 64 characters of its digest and some of its size each, as its footer has them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a closed artefact is, and what a manifest says of it."""

    file_name: str
    """Its file, or its folder, in the snapshot."""
    size: int
    """Bytes of all its files."""
    entry: FileEntry
    """Its line of the manifest: the file, or the footer of the folder."""


class Storage(Protocol):
    """Takes an artefact's bytes and the borders of its sections, in order."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def write(self, data: Buffer) -> None: ...

    def take_over(self, artefact: ArtefactReader | FolderReader, offset: int, length: int) -> None:
        """Take bytes that another artefact of the store holds. Raises NotFound, Corrupt where they cannot be read."""

    def close(self, footer_fields: Mapping[str, Any]) -> Stored:
        """Write what is left, and what a footer says. The folder is for the caller to sync."""

    def abort(self) -> None:
        """Stop the threads and close the files. Idempotent."""


class WholeFile:
    """One file: frames of a fixed size (zstd), one stream (xz), or the bytes themselves.

    Raises as ``ArtefactWriter``."""

    def __init__(self, path: Path, compression: str, level: int | None, files: Files) -> None:
        self.path = path
        self._framed = compression == "zstd"
        self._files = files
        self._digest = hashlib.sha256()
        self._size = 0
        with explained(path):
            self._file = files.create(path)
        compress, self._finish, workers = _codec(compression, level)
        self._compressor = Compressor(self._put, compress, workers)
        self._cutter = Cutter(self._compressor.add)
        self.begin = self._cutter.begin
        self.end = self._cutter.end
        self.write = self._cutter.write
        if self._framed:
            self._put(footer.OPENING)

    def take_over(self, artefact: ArtefactReader | FolderReader, offset: int, length: int) -> None:
        _copy(artefact, offset, length, self.write)

    def close(self, footer_fields: Mapping[str, Any]) -> Stored:
        self._cutter.flush()
        self._compressor.finish()
        self._put(self._finish())
        if self._framed:
            whole = {"dysnomia-artefact": footer.ARTEFACT, **footer_fields, "stored": self._digest.hexdigest()}
            self._put(footer.encode({**whole, "frames": self._compressor.sizes}))
        with explained(self.path):
            self._files.fsync(self._file)
            self._file.close()
        name = self.path.name
        return Stored(name, self._size, FileEntry(name, self._size, self._digest.hexdigest()))

    def abort(self) -> None:
        self._compressor.abort()
        self._file.close()

    def _put(self, data: bytes) -> None:
        if data:
            with explained(self.path):
                write_all(self._file, data)
            self._digest.update(data)
            self._size += len(data)


class FrameFolder:
    """A folder of frames that other snapshots share. Raises as ``ArtefactWriter``; ImportError without a chunker."""

    def __init__(self, folder: Path, level: int | None, files: Files, keeper: FrameKeeper, cutting: Cutting) -> None:
        from dysnomia_store.content.cutting import ContentCutter

        self.path = folder
        self._files = files
        self._keeper = keeper
        self._compress = frame_compressor(level)
        self._digests = bytearray()
        self._sizes: list[int] = []
        self._stored = 0
        self._worker = InOrder[tuple[bytes, int]](self._done)
        self._count = 0
        self._cutter = ContentCutter(self._add, cutting)
        self.begin = self._cutter.begin
        self.end = self._cutter.end
        self.write = self._cutter.write
        with explained(folder):
            keeper.folder(folder)

    def take_over(self, artefact: ArtefactReader | FolderReader, offset: int, length: int) -> None:
        """Whole frames are linked, unread; what stands before and behind them is cut anew. That the first of them
        starts where it does ends the frame before it there, as the content itself nearly always does."""
        end = offset + length
        if isinstance(artefact, FolderReader) and (whole := artefact.frames.table.within(offset, length)):
            starts = artefact.frames.table.content
            _copy(artefact, offset, starts[whole.start] - offset, self.write)
            offset = starts[whole.stop]
            self._cutter.skip(offset - starts[whole.start])
            for number in whole:
                self._worker.add(artefact.frames.size(number), partial(self._relink, self._count, artefact, number))
                self._count += 1
        _copy(artefact, offset, end - offset, self.write)

    def close(self, footer_fields: Mapping[str, Any]) -> Stored:
        """Write the footer; the folder is whole. Raises StoreError where it has too many frames."""
        self._cutter.flush()
        self._worker.finish()
        frames = Frames.of(bytes(self._digests), self._sizes)
        if len(frames) > MOST_FRAMES:
            raise StoreError(f"{self.path.name} has {len(frames):,} frames, more than a snapshot can hold")
        data = footer.encode({"dysnomia-artefact": footer.FOLDER, **footer_fields, "frames": frames.said()})
        path = self.path / FOOTER
        with explained(path), self._files.create(path) as file:
            write_all(file, data)
            self._files.fsync(file)
        entry = FileEntry(f"{self.path.name}/{FOOTER}", len(data), hashlib.sha256(data).hexdigest())
        return Stored(self.path.name, self._stored + len(data), entry)

    def abort(self) -> None:
        self._worker.abort()

    def _add(self, content: memoryview) -> None:
        self._worker.add(len(content), partial(self._keep, self._count, content))
        self._count += 1

    def _keep(self, number: int, content: memoryview) -> tuple[bytes, int]:
        path = self.path / frame_name(number)
        with explained(path):
            return self._keeper.keep(content, path, self._compress)

    def _relink(self, number: int, artefact: FolderReader, other: int) -> tuple[bytes, int]:
        path = self.path / frame_name(number)
        digest, content = artefact.frames.digest(other), artefact.frames.size(other)
        with explained(path):
            size = self._keeper.share(digest, content, path)
        if size is not None:
            return digest, size
        return self._keep(number, memoryview(artefact.frame(other)))

    def _done(self, content: int, kept: tuple[bytes, int]) -> None:
        digest, stored = kept
        self._digests += digest
        self._sizes.append(content)
        self._stored += stored


class Undecided:
    """Holds the first bytes back: an artefact that ends with them is one file, a larger one a folder of frames."""

    def __init__(self, most: int, small: Callable[[], Storage], large: Callable[[], Storage]) -> None:
        self._most = most
        self._small = small
        self._large = large
        self._held: list[bytearray | bool] = []
        """Bytes, and where a section begins (True) or ends (False)."""
        self._size = 0
        self._chosen: Storage | None = None

    def begin(self) -> None:
        if self._chosen is None:
            self._held.append(True)
        else:
            self._chosen.begin()

    def end(self) -> None:
        if self._chosen is None:
            self._held.append(False)
        else:
            self._chosen.end()

    def write(self, data: Buffer) -> None:
        if self._chosen is not None:
            self._chosen.write(data)
            return
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        if self._held and isinstance(self._held[-1], bytearray):
            self._held[-1] += data
        elif size:
            self._held.append(bytearray(data))
        self._size += size
        if self._size > self._most:
            self._choose(self._large)

    def take_over(self, artefact: ArtefactReader | FolderReader, offset: int, length: int) -> None:
        if self._chosen is None and self._size + length > self._most:
            self._choose(self._large)
        if self._chosen is not None:
            self._chosen.take_over(artefact, offset, length)
        else:
            _copy(artefact, offset, length, self.write)

    def close(self, footer_fields: Mapping[str, Any]) -> Stored:
        return (self._chosen or self._choose(self._small)).close(footer_fields)

    def abort(self) -> None:
        if self._chosen is not None:
            self._chosen.abort()

    def _choose(self, make: Callable[[], Storage]) -> Storage:
        self._chosen = chosen = make()
        held, self._held = self._held, []
        for what in held:
            if isinstance(what, bytearray):
                chosen.write(what)
            elif what:
                chosen.begin()
            else:
                chosen.end()
        return chosen


def _copy(artefact: ArtefactReader | FolderReader, offset: int, length: int, write: Callable[[bytes], None]) -> None:
    """Write some of the content of an artefact, checked. Raises Corrupt where it holds less."""
    if not length:
        return
    with artefact.open_range(offset, length) as stream:
        while length and (piece := stream.read(min(length, _PIECE))):
            write(piece)
            length -= len(piece)
    if length:
        raise Corrupt(f"{artefact.path} is damaged: it ends before the contents index says")


def _codec(compression: str, level: int | None) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], int | None]:
    """What compresses a piece, what gives the end of the file, and how many pieces may be worked on at once."""
    if compression == "zstd":
        return frame_compressor(level), bytes, None
    if compression == "xz":
        # One stream has one state, so its pieces go through one thread, in order.
        one = lzma.LZMACompressor(preset=DEFAULT_XZ_LEVEL if level is None else level)
        return one.compress, one.flush, 1
    return bytes, bytes, 1
