"""Rows that are lines, in batches that are cut into lines only when they are looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from dysnomia_plugins.toolkit.long_lines import Cutter, SeparatedCells, shortened


class Lines(Sequence[bytes]):
    """Whole lines as one piece of bytes, without their ends.

    A diff's second reading passes over most batches: those are never cut.
    """

    __slots__ = ("_begun", "_piece")

    def __init__(self, begun: bytes, piece: bytes) -> None:
        """``begun`` is the start of the first line; what follows the last line end in ``piece`` does not count."""
        self._begun = begun
        self._piece = piece

    def _cut(self) -> list[bytes]:
        lines = self._piece.split(b"\n")
        lines.pop()
        if self._begun:
            lines[0] = self._begun + lines[0]
        return lines

    def __len__(self) -> int:
        return self._piece.count(b"\n")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._cut())

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        return self._cut()[index]


def in_lines(pieces: Iterable[bytes], cutter: Callable[[], Cutter] = SeparatedCells) -> Iterator[Sequence[bytes]]:
    """The lines of a stream that comes in pieces, a batch of them a piece. The last one may lack its end.

    A line longer than a piece is put together once; one of several MiB is told by what stands for it (``cutter``)."""
    begun: list[bytes] = []
    for piece in shortened(pieces, cutter):
        end = piece.rfind(b"\n")
        if end < 0:
            begun.append(piece)
            continue
        yield Lines(b"".join(begun), piece)
        begun = [piece[end + 1 :]] if end + 1 < len(piece) else []
    if begun:
        yield [b"".join(begun)]
