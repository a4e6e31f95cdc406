"""Pieces of content as a stream, the last one held back until all were found right."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from dysnomia_store.content.files import is_readers_own, unreadable
from dysnomia_store.content.zstandard import ZstdError
from dysnomia_store.errors import Corrupt

BUFFER = 1 << 16
"""Of a stream: whoever reads as much or more at a time gets it without a copy."""
_DAMAGE = (ZstdError, lzma.LZMAError, zlib.error, EOFError, OSError)


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a raw stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


@contextmanager
def stream_of(pieces: Iterator[bytes], path: Path) -> Iterator[BinaryIO]:
    with closing(checked_last(pieces, path)) as checked, io.BufferedReader(_Pieces(checked), BUFFER) as stream:
        yield cast(BinaryIO, stream)


def checked_last(pieces: Iterator[bytes], path: Path) -> Generator[bytes, None, None]:
    """The same pieces, the last one held back until the iterator has ended well. Damage becomes Corrupt,
    what says nothing of them another StoreError.

    Raises Corrupt, StoreError."""
    held = b""
    try:
        for piece in pieces:
            if held:
                yield held
            held = piece
    except _DAMAGE as error:
        if isinstance(error, OSError) and is_readers_own(error):
            raise unreadable(error, str(path)) from error
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Corrupt(f"{path} is damaged: {why}", "choose another generation") from error
    if held:
        yield held


def sliced(pieces: Iterator[bytes], offset: int, length: int) -> Iterator[bytes]:
    """``length`` bytes from ``offset`` of what the pieces hold. Raises EOFError where they hold less."""
    for piece in pieces:
        if length <= 0:
            return
        if offset >= len(piece):
            offset -= len(piece)
            continue
        part = piece[offset : offset + length]
        offset = 0
        length -= len(part)
        yield part
    if length > 0:
        raise EOFError("it holds less than the contents index says")


class Onward:
    """Parts of what some pieces hold, each behind the one before, in one reading."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.at = 0
        """Where the next part may begin."""
        self._pieces = pieces
        self._rest = memoryview(b"")

    def part(self, offset: int, length: int) -> Iterator[bytes]:
        """``length`` bytes from ``offset``. Raises EOFError where the pieces hold less."""
        self._take(offset - self.at, kept=False)
        while length > 0:
            piece = self._take(length)
            length -= len(piece)
            yield piece

    def _take(self, size: int, *, kept: bool = True) -> bytes:
        """At most so many bytes, some at least; or pass over all of them."""
        taken = memoryview(b"")
        while size > 0 and not (kept and taken):
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    raise EOFError("it holds less than the contents index says")
                self._rest = memoryview(piece)
            taken, self._rest = self._rest[:size], self._rest[size:]
            size -= len(taken)
            self.at += len(taken)
        return bytes(taken)
