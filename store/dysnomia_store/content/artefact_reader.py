"""Reading one artefact of a snapshot, whole or in part, every byte checked on the way.

The last piece of the content is handed out only after everything before and behind it was found to be what was
stored: whoever has read it all has read what was written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from dysnomia_store.content import footer
from dysnomia_store.content.files import open_stored
from dysnomia_store.content.frame_folder import SUFFIX as FOLDER
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.frames import FrameTable, read_ahead
from dysnomia_store.content.streams import BUFFER, Onward, checked_last, sliced, stream_of
from dysnomia_store.content.zstandard import ZstdFile
from dysnomia_store.errors import Corrupt
from dysnomia_store.records.schema import ArtefactFooter

PIECE = 1 << 20
XZ_MEMORY = 256 << 20
"""What xz may take to unpack a file: four times what its highest level (``-9``) needs."""
SUFFIXES = (".zst", FOLDER, ".xz", ".gz")


def split_suffix(file_name: str) -> tuple[str, str]:
    """The artefact's name and the suffix of its compression (``""`` for plain)."""
    for suffix in SUFFIXES:
        if file_name.endswith(suffix) and file_name != suffix:
            return file_name[: -len(suffix)], suffix
    return file_name, ""


def open_artefact(
    path: Path, *, sha256: str | None = None, workers: int | None = None
) -> ArtefactReader | FolderReader:
    """The reader of a stored artefact: a file, or a folder of frames (then ``sha256`` is that of its footer)."""
    if path.name.endswith(FOLDER) and path.is_dir():
        return FolderReader(path, sha256=sha256, workers=workers)
    return ArtefactReader(path, sha256=sha256, workers=workers)


class ArtefactReader:
    """One stored artefact.

    Args:
        path: the file.
        sha256: what the manifest says of its bytes, hex; None where nothing does (then the footer's own is used).
        workers: threads that decompress ahead; None for as many as suit a machine that does nothing else.

    Raises:
        NotFound, NotPermitted: from the constructor.
        Corrupt: naming the file, from the constructor or while reading.
    """

    def __init__(self, path: Path, *, sha256: str | None = None, workers: int | None = None) -> None:
        self.path = path
        self._workers = workers
        self.name, self._suffix = split_suffix(path.name)
        self._sha256 = sha256
        self.about: ArtefactFooter | None = None
        """What its footer says; None where it has none."""
        self._table: FrameTable | None = None
        self._last: tuple[int, bytes] | None = None
        """A frame and its content, as ``FolderReader`` keeps it."""
        self._onward: Onward | None = None
        self._end = 0
        if self._suffix == ".zst":
            with self._opened() as file:
                self._explain(file)

    @property
    def content_size(self) -> int | None:
        """Bytes of content, where that is known without reading it."""
        if self._table is not None:
            return self._table.content[-1]
        return self.path.stat().st_size if not self._suffix else None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Stream the content from its start, its stored bytes checked against their digest."""
        with self._opened() as file, stream_of(self._whole(file), self.path) as stream:
            yield stream

    @contextmanager
    def open_range(self, offset: int, length: int) -> Iterator[BinaryIO]:
        """Stream a part of the content: whole frames are read and checked, no more.

        Where a compressed file has no frames of ours, everything before the part is read and passed over, from where
        the part before ended.
        """
        if self._table is None and self._suffix:
            with stream_of(self._from_onward(offset, length), self.path) as stream:
                yield stream
            return
        with self._opened() as file:
            pieces = self._part(file, offset, length) if self._table is not None else _plain(file, offset, length)
            with stream_of(pieces, self.path) as stream:
                yield stream

    def verify(self, on_bytes: Callable[[int], None] | None = None) -> None:
        """Read all of it. ``on_bytes`` is told of each piece's size. Raises Corrupt."""
        with self._opened() as file, closing(checked_last(self._whole(file), self.path)) as pieces:
            for piece in pieces:
                if on_bytes is not None:
                    on_bytes(len(piece))

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The file itself: never through a link, never a pipe that an imported snapshot may hold."""
        descriptor = open_stored(self.path)
        with io.FileIO(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Corrupt(f"{self.path} is not a regular file")
            yield cast(BinaryIO, file)

    def _from_onward(self, offset: int, length: int) -> Iterator[bytes]:
        """A part of one stream; who reads another part meanwhile begins a stream of their own."""
        onward, self._onward = self._onward, None
        if onward is None or onward.at > offset:
            onward = Onward(self._all())
        yield from onward.part(offset, length)
        self._onward = onward

    def _all(self) -> Iterator[bytes]:
        with self._opened() as file:
            yield from self._whole(file)

    def _explain(self, file: BinaryIO) -> None:
        contents = footer.artefact(file, self.path)
        if contents is None:
            return
        about, self._end = contents
        try:
            table = FrameTable.of(about["frames"], len(footer.OPENING))
            if table.stored[-1] != self._end:
                raise ValueError("its frames do not cover it")
        except ValueError as error:
            raise Corrupt(f"{self.path} is damaged: {error}") from error
        self.about, self._table = about, table

    def _whole(self, file: BinaryIO) -> Iterator[bytes]:
        """All content, then the check of the stored bytes: the last thing the iterator does."""
        watched = _Watched(file)
        if self._table is not None:
            table = self._table
            watched.exactly(table.stored[0])
            frames = range(len(table))
            yield from read_ahead(
                lambda number: watched.exactly(table.stored_size(number)), table, frames, self._workers
            )
        elif self._suffix:
            with _decoder(self._suffix, watched) as decoder:
                while piece := decoder.read(PIECE):
                    yield piece
        else:
            while piece := watched.read(PIECE):
                yield piece
        self._check(watched)

    def _check(self, watched: _Watched) -> None:
        if self._sha256 is None and self.about is not None:
            if watched.hexdigest() != self.about["stored"]:
                raise Corrupt(f"{self.path} is damaged: its bytes are not those it was closed with")
            return
        while watched.read(PIECE):
            pass
        if self._sha256 is not None and watched.hexdigest() != self._sha256:
            raise Corrupt(f"{self.path} is damaged: its bytes are not those that were stored")

    def _part(self, file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
        table = self._table
        assert table is not None
        which = table.covering(offset, length)

        def read(number: int) -> bytes:
            return os.pread(file.fileno(), table.stored_size(number), table.stored[number])

        start = table.content[which.start] if which else 0
        yield from sliced(self._frames(read, table, which), offset - start, length)

    def _frames(self, read: Callable[[int], bytes], table: FrameTable, which: range) -> Iterator[bytes]:
        """Their contents; that of the one that the part before ended in is here already."""
        if (last := self._last) is not None and which and last[0] == which.start:
            yield last[1]
            which = which[1:]
        piece = b""
        for piece in read_ahead(read, table, which, 0 if len(which) == 1 else self._workers):
            yield piece
        if which:
            self._last = which[-1], piece


def _plain(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    file.seek(offset)
    return sliced(iter(partial(file.read, PIECE), b""), 0, length)


class _Watched(io.RawIOBase):
    """A file whose bytes are digested as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def exactly(self, size: int) -> bytes:
        data = self.read(size)
        while len(data) < size:
            more = self.read(size - len(data))
            if not more:
                raise EOFError("the file is cut short")
            data += more
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Xz(io.RawIOBase):
    """An xz file, of one stream or several, unpacked in bounded memory: its header says how large a dictionary is to
    be, up to 4 GiB, and the library would take it at its word."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = _unxz()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data or self._source.read(BUFFER)
                while data and not data.strip(b"\0"):  # what fills up to the next stream
                    data = self._source.read(BUFFER)
                if not data:
                    return 0
                data, self._decoder = data.lstrip(b"\0"), _unxz()
            elif self._decoder.needs_input:
                data = self._source.read(BUFFER)
                if not data:
                    raise EOFError("the file is cut short")
            made = self._decoder.decompress(data, len(buffer))
            if made:
                buffer[: len(made)] = made
                return len(made)


def _unxz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY)


def _decoder(suffix: str, file: _Watched) -> BinaryIO:
    source = cast(BinaryIO, file)
    if suffix == ".zst":
        return cast(BinaryIO, ZstdFile(source))
    if suffix == ".xz":
        return cast(BinaryIO, io.BufferedReader(_Xz(source), BUFFER))
    return cast(BinaryIO, gzip.GzipFile(fileobj=source, mode="rb"))
