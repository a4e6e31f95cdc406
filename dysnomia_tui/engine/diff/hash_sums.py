"""The first reading of one side, and what it can tell at once: which hashes both sides have alike.

A hash belongs to one of 65,536 cells, by its low 16 bits, and each cell has the sum of its hashes. Where both sides
have the same sum, they have the same hashes there, but for a chance of 2^-48 where each side has rows of its own in
that cell: of 5,000 with 5,000, that is 10^-12 in all. Where few rows differ, few cells do, and most hashes need not be
compared at all.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dysnomia_tui.engine.diff.hash_file import Order, packed

Batches = Iterable[Sequence[bytes]]
Tick = Callable[[int], None]
"""Told of the rows read since it was last told; may raise to stop."""
Sums = Sequence[int]
"""Of every cell. They are exact: no row can be repeated so often that it adds nothing."""

CELLS = 1 << 16
SUMMED_AT_ONCE = 1 << 22
"""Bytes of hashes. The sums fill the processor's cache, and rows read in between would drive them out of it."""


def read(batches: Batches, tick: Tick, order: Order) -> Sums:
    """Read a side for the first time: its hashes go to ``order``."""
    sums = [0] * CELLS
    waiting = bytearray()
    for batch in batches:
        hashes = list(map(hash, batch))
        data = packed(hashes)
        order.add(data, len(hashes))
        waiting += data
        if len(waiting) >= SUMMED_AT_ONCE:
            _sum(sums, waiting)
            waiting.clear()
        tick(len(hashes))
    _sum(sums, waiting)
    return sums


def _sum(sums: list[int], data: bytes | bytearray) -> None:
    """The one loop over every row: nothing may be added here that is not needed."""
    low = len(sums) - 1
    with memoryview(data) as view, view.cast("Q") as hashes:
        for value in hashes:
            sums[value & low] += value


def differing(old: Sums, new: Sums) -> list[bool]:
    """Of each cell, whether the sides may differ there. In the first they always may: a row of no bytes has the hash 0,
    and adds nothing to its sum."""
    cells = list(map(operator.ne, old, new))
    cells[0] = True
    return cells


def sift(order: Order, cells: Sequence[bool], tick: Tick, folder: Path) -> Order:
    """The hashes of the cells that differ; ``order`` is closed. Where most differ it would take longer than it saves,
    and ``order`` itself is returned."""
    if 2 * sum(cells) > len(cells):
        return order
    low = len(cells) - 1
    left = Order(folder)
    for data, rows in order.batches():
        differing = [value for value in memoryview(data).cast("Q") if cells[value & low]]
        left.add(array("Q", differing).tobytes(), rows)
        tick(0)
    order.close()
    return left
