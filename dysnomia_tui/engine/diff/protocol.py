"""How the comparing process and the program that shows the diff talk: one JSON object a line.

To the process, first the two sides and where to spill; then requests for rows, each with a number of its own. From
it: ``sections`` once the indexes were compared, ``counts`` of each section, ``progress``, ``rows`` in answer to a
request, ``ready``, and ``failed`` when nothing can be compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from dysnomia_tui.engine.diff.pairing import Cells, changed_cells
from dysnomia_tui.engine.records import Change, RowChange

MOST_CELL = 64 << 10
"""Characters of a cell that are sent; a longer one is cut, and says how long it is."""


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Rows of the ``section``-th changed section."""

    number: int
    section: int
    start: int
    count: int


class LineReader:
    """Lines from a descriptor, with nothing read ahead that another could not see: ``select`` tells of the rest."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._data = b""

    @property
    def buffered(self) -> bool:
        """Whether a whole line is here already."""
        return b"\n" in self._data

    def next(self) -> bytes | None:
        """The next line; waits for it. None where no more come."""
        while not self.buffered:
            piece = os.read(self._descriptor, 1 << 16)
            if not piece:
                return None
            self._data += piece
        line, _, self._data = self._data.partition(b"\n")
        return line


def send(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """One message, in one write."""
    stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    stream.flush()


def row_of(old: Cells | None, new: Cells | None, line: int | None) -> list[Any]:
    """A changed row, ready to be sent. Changed cells are told before any is cut."""
    cells = sorted(changed_cells(old, new)) if old is not None and new is not None else []
    return [_cut(old), _cut(new), cells, line]


def _cut(cells: Cells | None) -> list[str | None] | None:
    if cells is None:
        return None
    return [
        cell if cell is None or len(cell) <= MOST_CELL else f"{cell[:MOST_CELL]}… ({len(cell):,} characters)"
        for cell in cells
    ]


def row_change(sent: Sequence[Any]) -> RowChange:
    """A row as it arrived."""
    old, new, cells, line = sent
    change = Change.CHANGED if old is not None and new is not None else Change.REMOVED if new is None else Change.ADDED
    return RowChange(
        change,
        None if old is None else tuple(old),
        None if new is None else tuple(new),
        frozenset(cells),
        line,
    )
