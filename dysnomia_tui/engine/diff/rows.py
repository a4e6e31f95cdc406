"""Which rows of a section are on one side only: a multiset difference in bounded memory.

Two readings of each side. The first keeps 8 bytes a row, a keyed 64-bit hash (SipHash with a key of this process, so
that nobody can make rows collide). Hash sums take away what both sides have alike; the hashes that are left are spread
over buckets in one file, and each bucket is joined alone, which gives those that one side has more often, and how much
more. The second reading fetches the rows they stand for, and looks only into the batches that hold one.

A hash that differs means a row that differs. Equal hashes are taken for equal rows, so two things may go wrong by
chance alone. A change goes unseen where a row of one side only collides with one of the other side only: of 5,000
with 5,000, that is a probability of 10^-12. A row that both sides have is shown as removed or added, in the place of
one that was, where the two collide: of 10 million with 10,000, 10^-8.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import accumulate, chain, compress
from pathlib import Path
from typing import IO

from dysnomia_tui.engine.diff.hash_file import WIDTH, Order, packed
from dysnomia_tui.engine.diff.hash_sums import Batches, Tick
from dysnomia_tui.engine.diff.spill import temporary

HELD_HASHES = 1 << 16
"""Hashes held as objects before they are written out; or ``HELD_A_BUCKET`` for each bucket, if that is more."""
HELD_A_BUCKET = 64
BUCKET_HASHES = 10_000
"""Few enough that the sets of a bucket stay near the processor."""
MOST_BUCKETS = 4096
MOST_FILES = 128
"""Of each kind that are open at once."""
MOST_WANTED = 300_000
"""Hashes looked for at a time in the second reading: some 35 MB."""
PIECE_HASHES = 1 << 16
"""Hashes of a bucket that are read at a time: it may be huge, if one row is repeated millions of times."""


def buckets_for(rows: int) -> int:
    """How many buckets suit a section of so many rows; a power of two."""
    wanted = 1
    while wanted * BUCKET_HASHES < rows and wanted < MOST_BUCKETS:
        wanted *= 2
    return wanted


class Hashes:
    """Hashes of one side, by bucket, in one unlinked file."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self.buckets = buckets
        self.rows = 0
        self._cuts: list[array[int]] = []
        """Of each flush: how many of its hashes come before each bucket, and how many there are."""
        self._file = temporary(folder, buffering=0)

    @classmethod
    def of(cls, folder: Path, buckets: int, rows: int, cuts: list[array[int]], file: IO[bytes]) -> Hashes:
        """Those another process has made."""
        made = cls(folder, buckets)
        made._file.close()
        made.rows, made._cuts, made._file = rows, cuts, file
        return made

    @property
    def parts(self) -> tuple[int, int, list[array[int]]]:
        """All but the file, for ``of``."""
        return self.buckets, self.rows, self._cuts

    def fileno(self) -> int:
        return self._file.fileno()

    def spread(self, order: Order, tick: Tick) -> None:
        """Put hashes into their buckets."""
        most = max(HELD_HASHES, HELD_A_BUCKET * self.buckets)
        held: list[list[int]] = [[] for _ in range(self.buckets)]
        # A bucket is told by the first byte or two of a hash, as they lie in memory.
        few = self.buckets <= 256
        by_byte = [held[number % self.buckets] for number in range(256 if few else 65536)]
        count = 0
        for data, _ in order.batches():
            firsts: Iterable[int] = data[::WIDTH] if few else memoryview(data).cast("H")[:: WIDTH // 2]
            for first, value in zip(firsts, memoryview(data).cast("q"), strict=True):
                by_byte[first].append(value)
            count += len(data) // WIDTH
            if count >= most:
                self._flush(held, count)
                count = 0
            tick(0)
        self._flush(held, count)

    def _flush(self, held: list[list[int]], count: int) -> None:
        self._cuts.append(array("I", accumulate(map(len, held), initial=0)))
        view = memoryview(packed(tuple(chain.from_iterable(held))))
        while view:
            view = view[self._file.write(view) :]
        self.rows += count
        for bucket in held:
            bucket.clear()

    def bucket(self, number: int) -> Iterator[array[int]]:
        """A bucket's hashes, a piece at a time."""
        held = array("q")
        start = 0
        for cuts in self._cuts:
            first, last = cuts[number], cuts[number + 1]
            if last > first:
                held.frombytes(os.pread(self._file.fileno(), (last - first) * WIDTH, (start + first) * WIDTH))
            start += cuts[-1]
            if len(held) >= PIECE_HASHES:
                yield held
                held = array("q")
        yield held

    def __len__(self) -> int:
        return self.rows

    def close(self) -> None:
        self._file.close()


class Excess:
    """The hashes one side has more often than the other, and how much more, in a file or two."""

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        """Rows too many, repetitions counted."""
        self.hashes = 0
        self._files = [temporary(folder)]

    @classmethod
    def of(cls, folder: Path, rows: int, hashes: int, *descriptors: int) -> Excess:
        """What another process has found."""
        made = cls(folder)
        made.rows, made.hashes = rows, hashes
        made._files.extend(os.fdopen(descriptor, "rb") for descriptor in descriptors)
        return made

    def adopt(self, other: Excess) -> None:
        """Add what another process has found, in other buckets."""
        self.rows += other.rows
        self.hashes += other.hashes
        self._files.extend(other._files)

    def add(self, excess: dict[int, int]) -> None:
        pairs = array("q")
        for value, count in excess.items():
            pairs.append(value)
            pairs.append(count)
        self._files[0].write(pairs.tobytes())
        self.hashes += len(excess)
        self.rows += sum(excess.values())

    def filenos(self) -> list[int]:
        """Of all its files, written out."""
        self._files[0].flush()
        return [file.fileno() for file in self._files]

    def one_file(self) -> int:
        """A descriptor of the file this process has written, for another."""
        self._files[0].flush()
        return os.dup(self._files[0].fileno())

    def parts(self, most: int = MOST_WANTED) -> Iterator[dict[int, int]]:
        """All of it, at most ``most`` hashes at a time."""
        self._files[0].flush()
        for file in self._files:
            offset = 0
            while data := os.pread(file.fileno(), most * 2 * WIDTH, offset):
                offset += len(data)
                pairs = array("q")
                pairs.frombytes(data)
                yield dict(zip(pairs[::2], pairs[1::2], strict=True))

    def close(self) -> None:
        for file in self._files:
            file.close()


def join(old: Hashes, new: Hashes, only_old: Excess, only_new: Excess, which: Iterable[int]) -> None:
    """Compare buckets of the two sides."""
    for number in which:
        before, after = _distinct(old, number), _distinct(new, number)
        if before is None or after is None:
            first, second = _counted(old, number), _counted(new, number)
            only_old.add(dict(first - second))
            only_new.add(dict(second - first))
        else:
            before ^= after  # in place: what one side has alone
            only_old.add(dict.fromkeys(before - after, 1))
            only_new.add(dict.fromkeys(before & after, 1))


def _distinct(hashes: Hashes, number: int) -> set[int] | None:
    """A bucket's hashes, or None where one is repeated."""
    seen: set[int] = set()
    total = 0
    for piece in hashes.bucket(number):
        total += len(piece)
        seen.update(piece)
        if len(seen) < total:
            return None
    return seen


def _counted(hashes: Hashes, number: int) -> Counter[int]:
    counts: Counter[int] = Counter()
    for piece in hashes.bucket(number):
        counts.update(piece)
    return counts


def fetch(
    read: Callable[[], Batches], excess: Excess, tick: Tick, folder: Path, order: Order | None = None
) -> Iterator[bytes]:
    """The rows that an excess stands for: the second reading. Which of several equal rows is meant does not matter.

    Where there are too many to look for at once, the rows are first spread over files by hash.
    """
    if excess.hashes == 0:
        return
    if excess.hashes > MOST_WANTED:
        yield from _fetch_many(read(), excess, tick, folder)
        return
    wanted: dict[int, int] = {}
    for part in excess.parts():
        wanted.update(part)
    left = excess.rows
    if order is not None:
        left = yield from _matching(order.holding(read(), wanted), wanted, left, tick)
    if left:  # nobody remembers the order, or the rows did not come in it again
        yield from _matching(_all(read()), wanted, left, tick)


def _all(batches: Batches) -> Iterator[tuple[Sequence[bytes], int]]:
    return ((batch, len(batch)) for batch in batches)


def _matching(
    batches: Iterable[tuple[Sequence[bytes] | None, int]], wanted: dict[int, int], left: int, tick: Tick
) -> Generator[bytes, None, int]:
    """Rows that are wanted, each as often as it is; returns how many were not found. None is a batch without any."""
    for batch, size in batches:
        rows = list(batch) if batch is not None else ()
        for row in compress(rows, map(wanted.__contains__, map(hash, rows))):
            value = hash(row)
            if wanted[value] > 0:
                wanted[value] -= 1
                left -= 1
                yield row
        tick(size)
        if left == 0:
            break
    return left


def _fetch_many(batches: Batches, excess: Excess, tick: Tick, folder: Path) -> Iterator[bytes]:
    parts = min(buckets_for(excess.hashes), MOST_FILES)
    files: list[IO[bytes]] = []
    try:
        files = [temporary(folder, buffering=1 << 14) for _ in range(2 * parts)]
        rows, counts = files[:parts], files[parts:]
        mask = parts - 1
        for batch in batches:
            for row in batch:
                write_rows(rows[hash(row) & mask], (row,))
            tick(len(batch))
        for part in excess.parts():
            for value, count in part.items():
                counts[value & mask].write(array("q", (value, count)).tobytes())
        for spread, counted in zip(rows, counts, strict=True):
            counted.seek(0)
            pairs = array("q")
            pairs.frombytes(counted.read())
            wanted = dict(zip(pairs[::2], pairs[1::2], strict=True))
            spread.seek(0)
            yield from _matching(_all(batches_in(spread)), wanted, sum(wanted.values()), _quiet)
    finally:
        for file in files:
            file.close()


def write_rows(file: IO[bytes], rows: Iterable[bytes]) -> None:
    """Add rows to a file, each behind its length."""
    for row in rows:
        file.write(len(row).to_bytes(WIDTH, "little"))
        file.write(row)


def batches_in(file: IO[bytes]) -> Iterator[list[bytes]]:
    """The rows of such a file."""
    batch: list[bytes] = []
    size = 0
    while head := file.read(WIDTH):
        row = file.read(int.from_bytes(head, "little"))
        batch.append(row)
        size += len(row)
        if size >= 1 << 20 or len(batch) >= 10_000:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _quiet(_: int) -> None:
    return
