"""Where a stream is cut into frames that other snapshots share: by content, on to the end of a row.

FastCDC (2020) chooses a border from the bytes around it alone, so that the same content is cut the same way whatever
stood before it. From there the frame goes on to the end of the row (the next newline), so that a changed row touches
one frame, and a frame can be read as rows. A section of a frame's size or more starts one.

Borders must not change from one version to the next: what is cut in another way is stored once more. The chunker is
``pyfastcdc`` (compiled); where it is missing, artefacts are stored whole, as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_store.sink import Buffer

_ROW = 64 << 10
"""A row longer than this is cut inside."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a frame's content: the least, the usual (it is not far above it), and the most."""

    least: int
    usual: int
    most: int


@dataclass(frozen=True, slots=True)
class Cutting:
    """How large the frames are that an artefact is cut into.

    Larger ones further on in a large artefact keep the number of files of a snapshot at some 50,000.
    """

    zones: Sequence[tuple[int, Size]] = (
        (4 << 30, Size(64 << 10, 256 << 10, 1 << 20)),
        (32 << 30, Size(256 << 10, 1 << 20, 4 << 20)),
        (256 << 30, Size(512 << 10, 2 << 20, 6 << 20)),
        (1 << 62, Size(1 << 20, 4 << 20, 7 << 20)),
    )
    """(up to which byte of the content, size), in order."""
    whole: int = 1 << 20
    """An artefact of no more content is one file: frames of its own would cost more than they save."""

    batch: int = 4 << 20
    """Bytes that are joined and cut at a time."""

    def at(self, position: int) -> Size:
        return next(size for end, size in self.zones if position < end)


DEFAULT = Cutting()


def available() -> bool:
    """Whether the compiled chunker is installed."""
    try:
        chunker()
    except ImportError:
        return False
    return True


def chunker() -> Any:
    """The chunker's class. Raises ImportError where it is missing, or there in pure Python (200 times slower)."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyfastcdc import FastCDC
    if not FastCDC.__module__.startswith("pyfastcdc.cy"):
        raise ImportError("pyfastcdc is not compiled")
    return FastCDC


class ContentCutter:
    """Cuts a stream of bytes and sections by content. Each frame is emitted as a view, good as long as it is held."""

    def __init__(self, emit: Callable[[memoryview], None], cutting: Cutting = DEFAULT) -> None:
        self._emit = emit
        self._cutting = cutting
        self._class = chunker()
        self._position = 0
        """Bytes emitted."""
        self._waiting: list[bytes | memoryview] = []
        self._size = 0
        self._mark: int | None = None
        """Where in what is waiting the section under way begins, as long as it may yet start a frame."""
        self._use(cutting.at(0))

    def begin(self) -> None:
        """A section begins here."""
        self._mark = self._size

    def end(self) -> None:
        """The section ends here."""
        self._mark = None

    def write(self, data: Buffer) -> None:
        chunk = data if isinstance(data, bytes) else bytes(data)
        if not chunk:
            return
        self._waiting.append(chunk)
        self._size += len(chunk)
        if self._mark is not None and self._size - self._mark >= self._frame.usual:
            mark, self._mark = self._mark, None
            if mark:
                self._cut(mark, last=True)
        if self._size >= self._batch:
            self._cut(self._size if self._mark is None else self._mark, last=False)

    def flush(self) -> None:
        """Emit what is left."""
        self._mark = None
        self._cut(self._size, last=True)

    def skip(self, size: int) -> None:
        """End the frame under way: ``size`` bytes follow that are frames already."""
        self.flush()
        self._position += size
        self._use(self._cutting.at(self._position))

    def _use(self, size: Size) -> None:
        self._frame = size
        self._chunker = self._class(size.usual, min_size=size.least, max_size=size.most)
        self._batch = max(self._cutting.batch, 2 * size.most)

    def _cut(self, limit: int, *, last: bool) -> None:
        """Emit frames of what waits up to ``limit``. What is not surely a whole one goes on waiting, unless ``last``
        says that a frame ends there whatever comes."""
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        whole = data if isinstance(data, bytes) else bytes(data)
        view = memoryview(whole)
        at = 0
        while at < limit and (last or limit - at >= self._frame.most + _ROW):
            end = self._border(whole, view, at, limit)
            self._emit(view[at:end])
            self._position += end - at
            at = end
            size = self._cutting.at(self._position)
            if size is not self._frame:
                self._use(size)
        self._waiting = [view[at:]] if at < len(whole) else []
        self._size -= at
        if self._mark is not None:
            self._mark -= at

    def _border(self, data: bytes, view: memoryview, at: int, limit: int) -> int:
        """Where the frame that starts at ``at`` ends."""
        stop = min(limit, at + self._frame.most)
        end = at + int(next(self._chunker.cut_buf(view[at:stop])).length)
        if end >= limit:
            return limit
        newline = data.find(b"\n", end - 1, min(limit, end + _ROW))
        return end if newline < 0 else newline + 1
