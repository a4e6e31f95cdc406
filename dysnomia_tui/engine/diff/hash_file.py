"""Hashes of one side in the order of its rows, in a file: what the first reading leaves for all that follows."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from dysnomia_tui.engine.diff.spill import temporary

WIDTH = 8
"""Bytes of a hash."""
_BUFFER = 1 << 18


def packed(hashes: Collection[int]) -> bytes:
    """``WIDTH`` bytes each. Three times as quick as adding them to an array."""
    return struct.pack(f"{len(hashes)}q", *hashes)


class Order:
    """One unlinked file: of each batch of rows, the hashes of all of them, or of those that may differ.

    For the second reading it is a hint: whoever uses it checks what it found."""

    def __init__(self, folder: Path) -> None:
        self._file = temporary(folder, buffering=_BUFFER)
        self._sizes = array("Q")
        """Of each batch, in bytes."""
        self._rows = array("Q")
        self.hashes = 0

    def add(self, hashes: bytes, rows: int) -> None:
        """The packed hashes of the next batch, and how many rows it has."""
        self._file.write(hashes)
        self._sizes.append(len(hashes))
        self._rows.append(rows)
        self.hashes += len(hashes) // WIDTH

    def batches(self) -> Iterator[tuple[bytes, int]]:
        """What was added, again."""
        self._file.seek(0)
        for size, rows in zip(self._sizes, self._rows, strict=True):
            yield self._file.read(size), rows

    def holding(
        self, batches: Iterable[Sequence[bytes]], wanted: Collection[int]
    ) -> Iterator[tuple[Sequence[bytes] | None, int]]:
        """Each batch of the same rows, or None where it holds no wanted one, and how many rows it has."""
        these = frozenset(wanted)
        for batch, (hashes, rows) in zip(batches, self.batches(), strict=False):
            yield None if these.isdisjoint(memoryview(hashes).cast("q")) else batch, rows

    def close(self) -> None:
        self._file.close()
