"""Which rows of a section are on one side only: a multiset difference in bounded memory.

Two readings of each side. The first keeps 8 bytes a row, a keyed 64-bit hash (SipHash with a key of this process, so
that nobody can make rows collide), spread over buckets in one file; each bucket is then joined alone, which gives the
hashes that one side has more often, and how much more. The second reading fetches the rows those stand for.

A hash that differs means a row that differs. Equal hashes are taken for equal rows: that a changed row goes unseen
needs a collision among the *differing* rows, of which 5,000 collide with a probability of 1 in 10^12.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from dysnomia_tui.engine.diff.spill import temporary

Batches = Iterable[Sequence[bytes]]
Tick = Callable[[int], None]
"""Told of the rows read since it was last told; may raise to stop."""

HELD_HASHES = 1 << 18
"""Hashes held before they are written out: 2 MB."""
PACKED_HASHES = 1 << 14
"""Hashes held as objects, before they are packed."""
BUCKET_HASHES = 40_000
MOST_BUCKETS = 1024
MOST_FILES = 128
"""Of each kind that are open at once."""
MOST_WANTED = 300_000
"""Hashes looked for at a time in the second reading: some 35 MB."""
_WIDTH = 8


def buckets_for(rows: int) -> int:
    """How many buckets suit a section of so many rows; a power of two."""
    wanted = 1
    while wanted * BUCKET_HASHES < rows and wanted < MOST_BUCKETS:
        wanted *= 2
    return wanted


class Hashes:
    """The hashes of one side's rows, by bucket, in one unlinked file."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self.buckets = buckets
        self.rows = 0
        self._segments: list[array[int]] = [array("Q") for _ in range(buckets)]
        """Of each bucket: offset and length in bytes, one pair a flush."""
        self._file = temporary(folder, buffering=0)

    @classmethod
    def of(cls, folder: Path, buckets: int, rows: int, segments: list[array[int]], file: IO[bytes]) -> Hashes:
        """Those another process has made."""
        made = cls(folder, buckets)
        made._file.close()
        made.rows, made._segments, made._file = rows, segments, file
        return made

    @property
    def parts(self) -> tuple[int, int, list[array[int]]]:
        """All but the file, for ``of``."""
        return self.buckets, self.rows, self._segments

    def fileno(self) -> int:
        return self._file.fileno()

    def scan(self, batches: Batches, tick: Tick) -> None:
        """Read a side for the first time."""
        mask = self.buckets - 1
        now: list[list[int]] = [[] for _ in range(self.buckets)]
        adders = [bucket.append for bucket in now]
        held = [array("q") for _ in now]
        count = 0
        for batch in batches:
            # The one loop over every row: nothing may be added here that is not needed.
            for value in map(hash, batch):
                adders[value & mask](value)
            count += len(batch)
            if count >= PACKED_HASHES:
                _pack(now, held)
                self.rows += count
                count = 0
                if len(held[0]) * self.buckets >= HELD_HASHES:
                    self._flush(held)
            tick(len(batch))
        _pack(now, held)
        self._flush(held)
        self.rows += count

    def _flush(self, held: list[array[int]]) -> None:
        offset = self._file.tell()
        pieces: list[bytes] = []
        for bucket, segments in zip(held, self._segments, strict=True):
            if bucket:
                piece = bucket.tobytes()
                pieces.append(piece)
                segments.extend((offset, len(piece)))
                offset += len(piece)
                del bucket[:]
        view = memoryview(b"".join(pieces))
        while view:
            view = view[self._file.write(view) :]

    def bucket(self, number: int) -> Iterator[array[int]]:
        """A bucket's hashes, a piece at a time: one may be huge, if one row is repeated millions of times."""
        segments = self._segments[number]
        for index in range(0, len(segments), 2):
            piece = array("q")
            piece.frombytes(os.pread(self._file.fileno(), segments[index + 1], segments[index]))
            yield piece

    def __len__(self) -> int:
        return self.rows

    def close(self) -> None:
        self._file.close()


def _pack(lists: list[list[int]], arrays: list[array[int]]) -> None:
    """Move hashes from lists, where each is an object, into arrays, while they are still near the processor."""
    for packed, bucket in zip(arrays, lists, strict=True):
        packed.fromlist(bucket)
        bucket.clear()


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
            while data := os.pread(file.fileno(), most * 2 * _WIDTH, offset):
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
        before, after = _counts(old.bucket(number)), _counts(new.bucket(number))
        if isinstance(before, set) and isinstance(after, set):
            one_side = before ^ after
            only_old.add(dict.fromkeys(one_side & before, 1))
            only_new.add(dict.fromkeys(one_side & after, 1))
        else:
            first, second = Counter(before), Counter(after)
            only_old.add(dict(first - second))
            only_new.add(dict(second - first))


def _counts(pieces: Iterator[array[int]]) -> set[int] | Counter[int]:
    """The hashes as a set where none is repeated, else counted."""
    seen: set[int] = set()
    total = 0
    held: list[array[int]] = []
    for piece in pieces:
        held.append(piece)
        total += len(piece)
        seen.update(piece)
    if len(seen) == total:
        return seen
    counts: Counter[int] = Counter()
    for piece in held:
        counts.update(piece)
    return counts


def fetch(read: Callable[[], Batches], excess: Excess, tick: Tick, folder: Path) -> Iterator[bytes]:
    """The rows that an excess stands for: the second reading. Which of several equal rows is meant does not matter.

    Where there are too many to look for at once, the rows are first spread over files by hash.
    """
    if excess.hashes == 0:
        return
    if excess.hashes <= MOST_WANTED:
        wanted: dict[int, int] = {}
        for part in excess.parts():
            wanted.update(part)
        yield from _matching(read(), wanted, tick)
        return
    yield from _fetch_many(read(), excess, tick, folder)


def _matching(batches: Batches, wanted: dict[int, int], tick: Tick) -> Iterator[bytes]:
    left = sum(wanted.values())
    for batch in batches:
        for row in [row for row in batch if hash(row) in wanted]:
            value = hash(row)
            if wanted[value] > 0:
                wanted[value] -= 1
                left -= 1
                yield row
        tick(len(batch))
        if left == 0:
            return


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
            yield from _matching(batches_in(spread), wanted, _quiet)
    finally:
        for file in files:
            file.close()


def write_rows(file: IO[bytes], rows: Iterable[bytes]) -> None:
    """Add rows to a file, each behind its length."""
    for row in rows:
        file.write(len(row).to_bytes(_WIDTH, "little"))
        file.write(row)


def batches_in(file: IO[bytes]) -> Iterator[list[bytes]]:
    """The rows of such a file."""
    batch: list[bytes] = []
    size = 0
    while head := file.read(_WIDTH):
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
