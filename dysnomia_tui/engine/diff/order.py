"""The hashes of one side in the order of its rows: they tell which batches the second reading need not look into."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from dysnomia_tui.engine.diff.spill import temporary

_BUFFER = 1 << 18
_WIDTH = 8


class Order:
    """One unlinked file, written in the first reading. What it says is a hint: whoever uses it checks what it found."""

    def __init__(self, folder: Path) -> None:
        self._file = temporary(folder, buffering=_BUFFER)
        self._sizes = array("Q")
        """Of each batch, in bytes."""

    def add(self, packed: bytes) -> None:
        """The hashes of the next batch, 8 bytes each."""
        self._file.write(packed)
        self._sizes.append(len(packed))

    def batches(self) -> Iterator[array[int]]:
        """The hashes of each batch again."""
        self._file.seek(0)
        for size in self._sizes:
            hashes = array("q")
            hashes.frombytes(self._file.read(size))
            yield hashes

    def holding(
        self, batches: Iterable[Sequence[bytes]], wanted: Collection[int]
    ) -> Iterator[tuple[Sequence[bytes] | None, int]]:
        """Each batch of the same rows, or None where it holds no wanted one, and how many rows it has."""
        these = frozenset(wanted)
        for batch, hashes in zip(batches, self.batches(), strict=False):
            yield None if these.isdisjoint(hashes) else batch, len(hashes)

    def close(self) -> None:
        self._file.close()
