"""A dump read chunk by chunk: what scanners look at is a buffer that grows at its end and is taken from its start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Readable(Protocol):
    """What can be read to its end; an empty answer is the end."""

    def read(self, size: int, /) -> bytes: ...


def chunks(source: Readable, size: int) -> Iterator[bytes]:
    """All of it, in pieces of at most ``size`` bytes."""
    while data := source.read(size):
        yield data


class ChunkReader:
    """A buffer over a source. Scanners look into it directly; offsets count from ``_start``."""

    def __init__(self, source: Readable, chunk: int) -> None:
        self._source = source
        self._chunk = chunk
        self._buffer = b""
        self._start = 0
        """Where in the buffer that begins which has not been handed on."""
        self._eof = False

    def _fill(self, size: int = 0) -> bool:
        """Add a chunk, or ``size`` bytes where that is more; False at the end of the source."""
        if self._eof:
            return False
        data = self._source.read(max(self._chunk, size))
        if not data:
            self._eof = True
            return False
        self._buffer = self._buffer[self._start :] + data if self._start < len(self._buffer) else data
        self._start = 0
        return True

    def _available(self, length: int) -> bool:
        """Whether ``length`` bytes are there, after reading for them."""
        while len(self._buffer) - self._start < length:
            if not self._fill():
                return False
        return True

    def _take(self, length: int) -> bytes:
        start, self._start = self._start, self._start + length
        return self._buffer[start : self._start]

    def _line_end(self, offset: int) -> int:
        """The offset after the line that ``offset`` is in."""
        search = offset
        while (end := self._buffer.find(b"\n", self._start + search)) < 0:
            search = len(self._buffer) - self._start
            if not self._fill():
                return search
        return end + 1 - self._start
