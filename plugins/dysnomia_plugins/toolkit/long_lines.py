"""Lines too long to be held: each is told by a short line that stands for it, and that is equal where the line is.

A long cell keeps its start; what follows is its length and its SHA-256. Short cells stay whole. What a line becomes
depends on its own bytes alone, never on the pieces it came in, so a second reading gives the same again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

LONG_LINE = 4 << 20
"""Bytes of a line from which on its long cells are cut."""
LONG_CELL = 1 << 20
"""Bytes of a cell that stays whole, unless ``WHOLE_CELLS`` of the line are held already."""
WHOLE_CELLS = 8 << 20
KEPT = 16 << 10
"""Bytes that are kept of a cell that is cut."""


class Cutter(Protocol):
    """Shortens one line. It is given the line in pieces, without its end."""

    def feed(self, data: bytes) -> None: ...

    def line(self) -> bytes:
        """What stands for the line, once all of it was fed."""


class _Cells:
    """The cells of one line: what was kept of those that are complete, and the one that is being read."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._cell = bytearray()
        self._length = 0
        self._digest = hashlib.sha256()
        self._budget = WHOLE_CELLS

    def add(self, data: bytes | memoryview) -> None:
        """More of the cell that is being read."""
        self._length += len(data)
        self._digest.update(data)
        if self._length <= self._most:
            self._cell += data
        elif len(self._cell) < KEPT:
            self._cell += data[: KEPT - len(self._cell)]

    @property
    def _most(self) -> int:
        return max(KEPT, min(LONG_CELL, self._budget))

    @property
    def cut(self) -> bool:
        return self._length > self._most

    def end(self) -> tuple[bytes, str]:
        """The cell, or its start and the words for the rest; then the next one begins."""
        cell, words = bytes(self._cell), ""
        if self.cut:
            cell = _whole_characters(cell[:KEPT])
            words = f"({self._length:,} bytes in the dump, SHA-256 {self._digest.hexdigest()})"
        else:
            self._budget -= len(cell)
        self._cell.clear()
        self._length = 0
        self._digest = hashlib.sha256()
        return cell, words


_ELLIPSIS = "… ".encode()
# No program that writes dumps puts a backslash before a bracket: so no true cell equals one that was cut.
_ESCAPED = _ELLIPSIS + b"\\"
CUT_CELL = _ESCAPED + b"("
"""Stands in a row of separated cells where one was cut, and in no other."""


def _whole_characters(data: bytes) -> bytes:
    """Without a last character of UTF-8, or a last escape, of which there may be more."""
    end = len(data)
    while end and len(data) - end < 4 and data[end - 1] & 0xC0 == 0x80:
        end -= 1
    data = data[: end - 1] if end and data[end - 1] >= 0xC0 else data
    backslashes = len(data) - len(data.rstrip(b"\\"))
    return data[:-1] if backslashes % 2 else data


class SeparatedCells:
    """A line whose cells stand between separators; one cell where there is none."""

    def __init__(self, separator: bytes = b"") -> None:
        self._separator = separator
        self._mark = _ESCAPED if separator else _ELLIPSIS
        self._cells = _Cells()

    def feed(self, data: bytes) -> None:
        if self._separator:
            *complete, data = data.split(self._separator)
            for cell in complete:
                self._cells.add(cell)
                self._end()
                self._cells.kept += self._separator
        self._cells.add(data)

    def line(self) -> bytes:
        self._end()
        return bytes(self._cells.kept)

    def _end(self) -> None:
        cell, words = self._cells.end()
        self._cells.kept += cell + (self._mark + words.encode() if words else b"")


def in_tabs() -> Cutter:
    """For a line of COPY."""
    return SeparatedCells(b"\t")


_STRING = re.compile(rb"[^'\\]*+(?:\\.[^'\\]*+)*+", re.DOTALL)
_HEX = re.compile(rb"[0-9A-Fa-f]*+")
_OPENS = re.compile(rb"'|0[xX]")


class Literals:
    """A line of an INSERT: strings in single quotes with backslashes, and hexadecimal numbers, are what is cut."""

    def __init__(self) -> None:
        self._cells = _Cells()
        self._read = self._between
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = b""
        position = 0
        while position < len(data):
            position = self._read(data, position)

    def line(self) -> bytes:
        if self._read == self._string:
            self._end_string(b"")
        elif self._read == self._number:
            self._end_number()
        self._cells.kept += self._rest
        return bytes(self._cells.kept)

    def _between(self, data: bytes, position: int) -> int:
        opens = _OPENS.search(data, position)
        if opens is None:
            end = len(data) - data.endswith(b"0")
            self._cells.kept += data[position:end]
            self._rest = data[end:]
            return len(data)
        self._cells.kept += data[position : opens.start()]
        self._read = self._string if opens.group() == b"'" else self._number
        return opens.end()

    def _string(self, data: bytes, position: int) -> int:
        match = _STRING.match(data, position)
        assert match is not None
        self._cells.add(memoryview(data)[position : match.end()])
        if match.end() == len(data):
            return len(data)
        if data[match.end()] == ord("'"):
            self._end_string(b"'")
            return match.end() + 1
        self._rest = data[match.end() :]  # a backslash, and what it escapes is not here yet
        return len(data)

    def _end_string(self, quote: bytes) -> None:
        cell, words = self._cells.end()
        self._cells.kept += b"'" + cell + (_ESCAPED + words.encode() if words else b"") + quote
        self._read = self._between

    def _number(self, data: bytes, position: int) -> int:
        match = _HEX.match(data, position)
        assert match is not None
        self._cells.add(memoryview(data)[position : match.end()])
        if match.end() < len(data):
            self._end_number()
        return match.end()

    def _end_number(self) -> None:
        cell, words = self._cells.end()
        # One that is cut is a string from here on, shown as the number is.
        cut = b"'\\\\x" + cell.lower() + _ESCAPED + words.encode() + b"'"
        self._cells.kept += cut if words else b"0x" + cell
        self._read = self._between


def shortened(pieces: Iterable[bytes], cutter: Callable[[], Cutter] = SeparatedCells) -> Iterator[bytes]:
    """The stream with its long lines cut. Other lines pass through as they are; the pieces are others.

    No more than ``LONG_LINE``, and what stands for one line, is held.
    """
    begun: list[bytes] = []
    length = 0
    cutting: Cutter | None = None
    for piece in pieces:
        if cutting is None and length + len(piece) <= LONG_LINE:
            if b"\n" not in piece:
                begun.append(piece)
                length += len(piece)
                continue
            end = piece.rfind(b"\n") + 1
            yield from begun
            yield piece[:end]
            begun, length = ([piece[end:]], len(piece) - end) if end < len(piece) else ([], 0)
            continue
        for part, ends in _parts(piece):
            if cutting is None and length + len(part) - ends > LONG_LINE:
                cutting = cutter()
                for earlier in begun:
                    cutting.feed(earlier)
                begun, length = [], 0
            if cutting is None:
                begun.append(part)
                length += len(part)
            else:
                cutting.feed(part[: len(part) - ends])
            if ends:
                yield cutting.line() + b"\n" if cutting is not None else b"".join(begun)
                begun, length, cutting = [], 0, None
    yield from begun if cutting is None else (cutting.line(),)


def _parts(piece: bytes) -> Iterator[tuple[bytes, bool]]:
    """The lines that a piece holds, or parts of them, with their ends, and whether they have one."""
    start = 0
    while (end := piece.find(b"\n", start)) >= 0:
        yield piece[start : end + 1], True
        start = end + 1
    if start < len(piece):
        yield piece[start:], False


class ShortenedStream:
    """A stream with its long lines cut, to be read by a scanner."""

    def __init__(self, pieces: Iterable[bytes], cutter: Callable[[], Cutter]) -> None:
        self._pieces = shortened(pieces, cutter)

    def read(self, size: int, /) -> bytes:
        """Some of it: a piece, whatever its length. An empty answer is the end."""
        return next(self._pieces, b"")
