"""The two readings of both sides of a large section: by this process alone, or with the help of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dysnomia_store import Pair
from dysnomia_tui.engine.diff.hash_file import Order
from dysnomia_tui.engine.diff.hash_sums import Tick, differing, read, sift
from dysnomia_tui.engine.diff.pairing import Side
from dysnomia_tui.engine.diff.rows import Excess, Hashes, buckets_for, fetch, join
from dysnomia_tui.engine.diff.second_process import Helper

Rows = tuple[Iterable[bytes], Iterable[bytes]]


class TwoPass(Protocol):
    """Finds the rows that only one side has."""

    def compare(self, only_old: Excess, only_new: Excess) -> None:
        """The first reading of both sides: how many rows there are on one side only, and their hashes."""

    def fetched(self, only_old: Excess, only_new: Excess) -> Rows:
        """The second: the rows themselves. The first side's are to be read before the second's."""

    def close(self) -> None:
        """Forget what was remembered between the readings."""


@dataclass(frozen=True)
class Alone:
    """One side after the other."""

    sides: tuple[Side, Side]
    folder: Path
    tick: Tick
    orders: list[Order] = field(default_factory=list)

    def compare(self, only_old: Excess, only_new: Excess) -> None:
        self.orders.extend(Order(self.folder) for _ in self.sides)
        old, new = (read(side.batches(), self.tick, order) for side, order in zip(self.sides, self.orders, strict=True))
        cells = differing(old, new)
        self.orders[:] = [sift(order, cells, self.tick, self.folder) for order in self.orders]
        buckets = buckets_for(max(order.hashes for order in self.orders))
        hashes = [Hashes(self.folder, buckets) for _ in self.sides]
        try:
            for hash_file, order in zip(hashes, self.orders, strict=True):
                hash_file.spread(order, self.tick)
            join(hashes[0], hashes[1], only_old, only_new, range(buckets))
        finally:
            for hash_file in hashes:
                hash_file.close()

    def fetched(self, only_old: Excess, only_new: Excess) -> Rows:
        old, new = (
            fetch(side.batches, only, self.tick, self.folder, order)
            for side, only, order in zip(self.sides, (only_old, only_new), self.orders, strict=True)
        )
        return old, new

    def close(self) -> None:
        for order in self.orders:
            order.close()


@dataclass(frozen=True)
class ByTwo:
    """The old side here, the new one there; then half of the buckets each."""

    pair: Pair
    sides: tuple[Side, Side]
    folder: Path
    tick: Tick
    helper: Helper
    orders: list[Order] = field(default_factory=list)
    """Of the old side. The other process remembers that of the new one."""

    def compare(self, only_old: Excess, only_new: Excess) -> None:
        self.helper.read(1, self.pair)
        self.orders.append(Order(self.folder))
        sums = read(self.sides[0].batches(), self.tick, self.orders[0])
        others_sums, rows = self.helper.sums(self.tick)
        cells = differing(sums, others_sums)
        buckets = buckets_for(max(self.orders[0].hashes, rows) * sum(cells) // len(cells))
        self.helper.spread(cells, buckets)
        self.orders[0] = sift(self.orders[0], cells, self.tick, self.folder)
        old = Hashes(self.folder, buckets)
        try:
            old.spread(self.orders[0], self.tick)
            new = self.helper.hashes(self.tick)
            try:
                self.helper.join(old, new, range(1, buckets, 2))
                join(old, new, only_old, only_new, range(0, buckets, 2))
                others = self.helper.excess(self.tick)
            finally:
                new.close()
        finally:
            old.close()
        only_old.adopt(others[0])
        only_new.adopt(others[1])

    def fetched(self, only_old: Excess, only_new: Excess) -> Rows:
        self.helper.fetch(1, self.pair, only_new)
        here = fetch(self.sides[0].batches, only_old, self.tick, self.folder, self.orders[0])
        return here, self.helper.rows(self.tick)

    def close(self) -> None:
        for order in self.orders:
            order.close()
        self.helper.forget(self.tick)
