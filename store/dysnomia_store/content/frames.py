"""Framed zstd: independent frames of about 1 MiB of content, compressed and decompressed side by side.

A section of a frame's size or more starts a frame, smaller ones share one, so that a large section is read without
its neighbours and small ones cost no ratio. What is compressed is the same whatever the number of threads.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import Generic, TypeVar

from dysnomia_base.records import dataclass
from dysnomia_store.content.zstandard import (
    ZstdDecompressor,
    ZstdError,
    get_frame_info,
)
from dysnomia_store.sink import Buffer

FRAME = 1 << 20
MOST_FRAME = 8 << 20
"""No frame of a table is believed to hold more: what is larger is read as a stream."""
_AHEAD = 8 << 20
"""Bytes that wait for a thread, or for an older piece: a dump goes on meanwhile."""


def threads() -> int:
    """How many frames are worked on at once: the processors we may use, from 2 to 4."""
    return max(2, min(4, len(os.sched_getaffinity(0))))


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where each frame starts, in the file and in the content. Both end with the size of the whole."""

    stored: Sequence[int]
    content: Sequence[int]

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], start: int = 0) -> FrameTable:
        """From (stored size, content size) of each frame, the first at byte ``start``.

        Raises ValueError for sizes that no frame has."""
        if any(not 0 < stored <= 2 * MOST_FRAME or not 0 < content <= MOST_FRAME for stored, content in sizes):
            raise ValueError("a frame of an impossible size")
        return cls(
            array("Q", accumulate((stored for stored, _ in sizes), initial=start)),
            array("Q", accumulate((content for _, content in sizes), initial=0)),
        )

    def __len__(self) -> int:
        return len(self.content) - 1

    def stored_size(self, number: int) -> int:
        return self.stored[number + 1] - self.stored[number]

    def content_size(self, number: int) -> int:
        return self.content[number + 1] - self.content[number]

    def covering(self, offset: int, length: int) -> range:
        """The frames that hold a range of the content."""
        if length <= 0:
            return range(0)
        first = bisect_right(self.content, offset) - 1
        last = bisect_right(self.content, offset + length - 1) - 1
        return range(first, min(last + 1, len(self)))

    def within(self, offset: int, length: int) -> range:
        """The frames that lie in a range of the content whole."""
        first = bisect_left(self.content, offset)
        return range(first, max(first, bisect_right(self.content, offset + length) - 1))


class Cutter:
    """Cuts a stream of bytes and sections into frames."""

    def __init__(self, emit: Callable[[bytes], None], frame: int = FRAME) -> None:
        self._emit = emit
        self._frame = frame
        self._chunks: deque[bytes | memoryview] = deque()
        self._size = 0
        self._mark: int | None = None
        """Where in what is waiting the section under way begins, as long as it may yet start a frame."""

    def begin(self) -> None:
        """A section begins here."""
        self._mark = self._size

    def end(self) -> None:
        """The section ends here."""
        self._mark = None
        self._cut()

    def write(self, data: Buffer) -> None:
        chunk = data if isinstance(data, bytes) else bytes(data)
        if chunk:
            self._chunks.append(chunk)
            self._size += len(chunk)
            if self._size >= self._frame:
                self._cut()

    def flush(self) -> None:
        """Emit what is left."""
        self._mark = None
        self._cut()
        if self._size:
            self._emit(self._take(self._size))

    def _cut(self) -> None:
        while self._size >= self._frame:
            if self._mark is None:
                self._emit(self._take(min(self._size, self._frame)))
            elif self._size - self._mark < self._frame:
                return
            else:
                if self._mark:
                    self._emit(self._take(self._mark))
                self._mark = None

    def _take(self, size: int) -> bytes:
        self._size -= size
        taken: list[bytes | memoryview] = []
        while size:
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                view = memoryview(chunk)
                self._chunks.appendleft(view[size:])
                chunk = view[:size]
            taken.append(chunk)
            size -= len(chunk)
        return taken[0] if len(taken) == 1 and isinstance(taken[0], bytes) else b"".join(taken)


T = TypeVar("T")


class InOrder(Generic[T]):
    """Works on pieces in threads and hands on what came of them in order.

    ``add`` waits for the oldest while more than a few are under way that hold more than 8 MiB: that bounds memory, and
    slows whoever dumps to the speed of the disk. Fewer would let it stand still while a batch is worked on, and the
    threads while the next one is dumped. What fails in a thread, or in ``hand_on``, is raised by ``add`` or ``finish``.
    """

    def __init__(self, hand_on: Callable[[int, T], None], workers: int | None = None) -> None:
        workers = workers or threads()
        self._hand_on = hand_on
        self._least = workers + 2
        """Pieces that may be under way whatever they hold."""
        self._bytes = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="compress")
        self._under_way: deque[tuple[int, Future[T]]] = deque()

    def add(self, size: int, work: Callable[[], T]) -> None:
        """``size`` is that of the piece, and handed on with what ``work`` returns."""
        while self._under_way and (self._is_full() or self._under_way[0][1].done()):
            self._next()
        self._under_way.append((size, self._pool.submit(work)))
        self._bytes += size

    def finish(self) -> None:
        """Wait for all and hand them on."""
        while self._under_way:
            self._next()
        self._pool.shutdown()

    def abort(self) -> None:
        """Stop, whatever is under way."""
        self._under_way.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _is_full(self) -> bool:
        return len(self._under_way) >= self._least and self._bytes >= _AHEAD

    def _next(self) -> None:
        size, future = self._under_way.popleft()
        self._bytes -= size
        self._hand_on(size, future.result())


class Compressor:
    """Compresses frames in threads and writes them in order (see ``InOrder``)."""

    def __init__(
        self, write: Callable[[bytes], None], compress: Callable[[bytes], bytes], workers: int | None = None
    ) -> None:
        self._write = write
        self._compress = compress
        self._under_way = InOrder[bytes](self._done, workers)
        self.finish = self._under_way.finish
        self.abort = self._under_way.abort
        self.sizes: list[tuple[int, int]] = []
        """(stored size, content size) of each frame written."""

    def add(self, content: bytes) -> None:
        self._under_way.add(len(content), partial(self._compress, content))

    def _done(self, size: int, frame: bytes) -> None:
        self._write(frame)
        self.sizes.append((len(frame), size))


def decompress_frame(frame: bytes, size: int) -> bytes:
    """The ``size`` bytes of a frame. Raises ZstdError where it holds anything else, or its checksum is wrong."""
    if get_frame_info(frame).decompressed_size != size:
        raise ZstdError("a frame is not of the size that the table gives")
    decoder = ZstdDecompressor()
    content = decoder.decompress(frame, size)
    if len(content) != size or decoder.unused_data:
        raise ZstdError("a frame differs from what the table says")
    if not decoder.eof:
        # The content is all there; one more call lets the decoder read the checksum behind it.
        decoder.decompress(b"", 0)
        if not decoder.eof:
            raise ZstdError("a frame is cut short")
    return content


def work_ahead(tasks: Iterable[Callable[[], bytes]], workers: int | None = None) -> Iterator[bytes]:
    """What some tasks return, in order, a few of them worked on ahead in threads.

    Each is taken from ``tasks`` in the caller's thread; with 0 ``workers`` it is also done there, when it is asked for.
    """
    if workers == 0:
        yield from (task() for task in tasks)
        return
    workers = workers or threads()
    under_way: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decompress")
    try:
        for task in tasks:
            under_way.append(pool.submit(task))
            if len(under_way) > workers + 1:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_ahead(
    read: Callable[[int], bytes], table: FrameTable, which: range, workers: int | None = None
) -> Iterator[bytes]:
    """The content of some frames, in order, a few decompressed ahead.

    Args:
        read: gives the stored bytes of the n-th frame; called in order, in the caller's thread.
        table: where each frame is.
        which: the frames wanted.
        workers: how many threads decompress; with 0 it is done in the caller's, when a frame is asked for.

    Raises:
        ZstdError: from a frame that is damaged; whatever ``read`` raises.
    """
    tasks = (partial(decompress_frame, read(number), table.content_size(number)) for number in which)
    return work_ahead(tasks, workers)
