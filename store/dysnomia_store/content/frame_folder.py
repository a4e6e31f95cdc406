"""An artefact as a folder of frames: ``X.zst.d/00000001.zst`` and so on in the order of the content, and its footer.

Each frame is a file of its own, shared by hard links with other snapshots (see ``pool``); a copy of the folder alone is
whole. ``footer.zst`` sorts behind them and is a skippable frame, so that ``cat X.zst.d/* | zstd -dc`` is the content.
It lists each frame's digest and content size, so it vouches for all of them: a manifest names the footer alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, cast

from dysnomia_base.records import dataclass
from dysnomia_store.content import footer, frame_file
from dysnomia_store.content.files import READ, is_readers_own, open_stored
from dysnomia_store.content.frames import MOST_FRAME, FrameTable, work_ahead
from dysnomia_store.content.streams import checked_last, sliced, stream_of
from dysnomia_store.content.zstandard import ZstdError
from dysnomia_store.errors import Corrupt
from dysnomia_store.records.schema import FolderFooter

SUFFIX = ".zst.d"
"""Of the folder."""
FOOTER = "footer.zst"
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of an artefact, in order."""

    digests: bytes
    """Of each frame's content, one behind the other."""
    table: FrameTable
    """Where each is in the content."""

    @classmethod
    def of(cls, digests: bytes, sizes: Sequence[int]) -> Frames:
        """Raises ValueError for what no artefact has."""
        if len(digests) != _DIGEST * len(sizes) or any(not 0 < size <= MOST_FRAME for size in sizes):
            raise ValueError("a frame of an impossible size")
        starts = array("Q", accumulate(sizes, initial=0))
        return cls(digests, FrameTable(starts, starts))

    def __len__(self) -> int:
        return len(self.table)

    def digest(self, number: int) -> bytes:
        return self.digests[number * _DIGEST : (number + 1) * _DIGEST]

    def has(self, digest: bytes) -> bool:
        """Whether one of them has it."""
        return any(True for _ in self.numbers(digest))

    def numbers(self, digest: bytes) -> Iterator[int]:
        """Which of them have it."""
        at = self.digests.find(digest)
        while at >= 0:
            if at % _DIGEST == 0:
                yield at // _DIGEST
            at = self.digests.find(digest, at + 1)

    def size(self, number: int) -> int:
        return self.table.content_size(number)

    def names(self) -> Iterator[str]:
        return map(frame_name, range(len(self)))

    def said(self) -> Mapping[str, Any]:
        """As the footer has it."""
        return {"digests": self.digests.hex(), "sizes": [self.size(number) for number in range(len(self))]}


def frame_name(number: int) -> str:
    """The name of the n-th frame, from 0."""
    return f"{number + 1:08d}{frame_file.SUFFIX}"


def folder_of(path: str) -> str:
    """The artefact's folder, where a path in a snapshot is its footer; else ``""``."""
    folder, _, name = path.rpartition("/")
    return folder if name == FOOTER and folder.endswith(SUFFIX) and folder != SUFFIX and "/" not in folder else ""


def collapsed(paths: Iterable[str]) -> list[str]:
    """Paths in a snapshot without those of frames, for which their footer stands."""
    every = list(paths)
    below = tuple(f"{folder}/" for folder in map(folder_of, every) if folder)
    return [path for path in every if folder_of(path) or not path.startswith(below)] if below else every


def read_footer(folder: Path, sha256: str | None = None) -> tuple[FolderFooter, Frames]:
    """What a folder's footer says. Raises NotFound, NotPermitted, Corrupt."""
    with opened(folder) as descriptor:
        return _footer_at(descriptor, folder, sha256)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """The folder of an artefact, as a descriptor. Raises NotFound, NotPermitted, Corrupt."""
    descriptor = open_stored(folder, "a folder of frames", os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _footer_at(at: int, folder: Path, sha256: str | None) -> tuple[FolderFooter, Frames]:
    path = folder / FOOTER
    descriptor = open_stored(path, below=at)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Corrupt(f"{path} is not a regular file")
        if sha256 is not None and hashlib.file_digest(cast(Any, file), "sha256").hexdigest() != sha256:
            raise Corrupt(f"{path} is damaged: its bytes are not those that were stored")
        about = footer.folder(file, path)
    try:
        if about is None:
            raise ValueError("it is not the footer of a folder of frames")
        return about, Frames.of(bytes.fromhex(about["frames"]["digests"]), about["frames"]["sizes"])
    except ValueError as error:
        raise Corrupt(f"{path} is damaged: {error}") from error


def read_frame(at: int, name: str) -> bytes:
    """A frame's file below an open folder, never through a link. Raises ZstdError for what is none, OSError."""
    descriptor = os.open(name, READ, dir_fd=at)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > frame_file.LARGEST:
            raise ZstdError(f"{name} is not a frame")
        data = file.read(status.st_size + 1)
        while data and len(data) < status.st_size:
            more = file.read(status.st_size - len(data))
            if not more:
                break
            data += more
        return data


class FolderReader:
    """One artefact that is stored as frames. The interface is that of ``ArtefactReader``; every frame's content is
    compared with its digest as it is read, so nothing is handed out that is not what was stored.

    Raises NotFound, NotPermitted, Corrupt: from the constructor, which reads the footer.
    """

    def __init__(self, path: Path, *, sha256: str | None = None, workers: int | None = None) -> None:
        self.path = path
        self.name = path.name[: -len(SUFFIX)]
        self.lent: Mapping[bytes, Lent] = {}
        """Frames, by their digests, that its folder does not hold, since those of another artefact are read."""
        self._workers = workers
        self._last: tuple[int, bytes] | None = None
        """Where the part that was read last ends: the next, which may be a small file, begins in it nearly always."""
        self.about: FolderFooter | None
        self.about, self.frames = read_footer(path, sha256)

    @property
    def content_size(self) -> int | None:
        return self.frames.table.content[-1]

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Stream the content from its start."""
        return self.open_range(0, self.frames.table.content[-1])

    @contextmanager
    def open_range(self, offset: int, length: int, left_out: Collection[int] = ()) -> Iterator[BinaryIO]:
        """Stream a part of the content: whole frames are read and checked, no more. ``left_out`` names frames in it,
        but for the first, that are passed over."""
        covering = self.frames.table.covering(offset, length)
        start = self.frames.table.content[covering.start] if covering else 0
        length -= sum(map(self.frames.size, left_out))
        which = [number for number in covering if number not in left_out] if left_out else covering
        with opened(self.path) as at, stream_of(self._pieces(at, which, offset - start, length), self.path) as stream:
            yield stream

    def verify(self, on_bytes: Callable[[int], None] | None = None) -> None:
        """Read all of it, and see that the folder holds nothing else. Raises Corrupt."""
        with opened(self.path) as at:
            extra = set(os.listdir(at)) - {FOOTER, *self.frames.names()}
            if extra:
                raise Corrupt(f"{self.path} is damaged: {min(extra)!r} does not belong to it")
            whole = self._pieces(at, range(len(self.frames)), 0, self.frames.table.content[-1], sealed=True)
            with closing(checked_last(whole, self.path)) as pieces:
                for piece in pieces:
                    if on_bytes is not None:
                        on_bytes(len(piece))

    def frame(self, number: int) -> bytes:
        """The content of one frame. Raises NotFound, NotPermitted, Corrupt."""
        with (
            opened(self.path) as at,
            stream_of(self._pieces(at, [number], 0, self.frames.size(number)), self.path) as stream,
        ):
            return stream.read()

    def _pieces(
        self, at: int, which: Sequence[int], offset: int, length: int, *, sealed: bool = False
    ) -> Iterator[bytes]:
        end = which[-1] if which else -1
        content = partial(self._content, at, sealed=True) if sealed else partial(self._content_or_last, at, end)
        workers = 0 if len(which) == 1 else self._workers
        tasks = (partial(content, number) for number in which)
        with closing(cast(Any, work_ahead(tasks, workers))) as pieces:
            yield from sliced(pieces, offset, length)

    def _content_or_last(self, at: int, end: int, number: int) -> bytes:
        """The content of a frame; that of the one that the part before ended in is here already."""
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        content = self._content(at, number)
        if number == end:
            self._last = number, content
        return content

    def _content(self, at: int, number: int, *, sealed: bool = False) -> bytes:
        name = frame_name(number)
        digest, size = self.frames.digest(number), self.frames.size(number)
        if (lent := self.lent.get(digest)) is not None:
            return lent.artefact.frame(lent.number)
        try:
            data = read_frame(at, name)
            if sealed:  # else what is imported would be called damaged by the first check
                frame_file.prove(data, digest, size)
            return frame_file.decode(data, digest, size)
        except OSError as error:
            if is_readers_own(error):
                raise
            raise ZstdError(f"{name}: {error.strerror}") from error
        except ZstdError as error:
            raise ZstdError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Lent:
    """A frame of a stored artefact."""

    artefact: FolderReader
    number: int
