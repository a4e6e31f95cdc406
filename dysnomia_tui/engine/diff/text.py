"""Line differences of a text, in bounded memory and time.

Lines are compared by keyed 64-bit hash, 8 bytes a line, and read a second time for what is shown. Lines that both
sides have exactly once are the anchors (patience diff, Bram Cohen); the gaps between them are compared in turn. A gap
that has no anchors and is large is shown as removed and added as a whole: right, and longer than it need be.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher

from dysnomia_tui.engine.diff.hash_sums import Batches, Tick

MOST_LINES = 4_000_000
"""Of either side, behind what both begin with; more are compared as a set of rows is."""
MOST_BETWEEN = 200_000
"""Of either side, between what both begin and what both end with."""
_SMALL = 250_000
"""The product of lengths up to which a gap without anchors is compared line by line."""
_DEEPEST = 40

Hunk = tuple[int, int, int, int]
"""Lines ``a`` to ``b`` of the old side became lines ``c`` to ``d`` of the new one; counted from 0."""
LineChange = tuple[bytes | None, bytes | None, int]
"""A removed or an added line, and its number counted from 1."""


class TooLong(Exception):
    """More lines than an ordered comparison takes."""


def changed_lines(old: Callable[[], Batches], new: Callable[[], Batches], tick: Tick) -> Iterator[LineChange]:
    """Removed and added lines, hunk by hunk. Raises TooLong before anything was given."""
    hunks = line_hunks(old(), new(), tick)
    if not hunks:
        return
    before, after = _numbered(old(), tick), _numbered(new(), tick)
    for start, end, new_start, new_end in hunks:
        for number, line in _lines(before, start, end):
            yield line, None, number + 1
        for number, line in _lines(after, new_start, new_end):
            yield None, line, number + 1


def line_hunks(old: Batches, new: Batches, tick: Tick) -> list[Hunk]:
    """Where two texts differ. Raises TooLong."""
    before, after = _flat(old, tick), _flat(new, tick)
    same, first, second = _beginning(before, after)
    if first is None and second is None:
        return []
    left, right = _hashes(first, before), _hashes(second, after)
    while left and right and left[-1] == right[-1]:
        left.pop()
        right.pop()
    if max(len(left), len(right)) > MOST_BETWEEN:
        raise TooLong
    return [(a + same, b + same, c + same, d + same) for a, b, c, d in hunks_of(left, right)]


def _beginning(before: Iterator[bytes], after: Iterator[bytes]) -> tuple[int, bytes | None, bytes | None]:
    """How many lines both begin with, and the first that differ."""
    same = 0
    for first, second in itertools.zip_longest(before, after):
        if first != second:
            return same, first, second
        same += 1
    return same, None, None


def _hashes(first: bytes | None, rest: Iterator[bytes]) -> array[int]:
    hashes = array("q") if first is None else array("q", (hash(first),))
    hashes.extend(map(hash, itertools.islice(rest, MOST_LINES)))
    if len(hashes) > MOST_LINES:
        raise TooLong
    return hashes


def hunks_of(old: Sequence[int], new: Sequence[int]) -> list[Hunk]:
    """Where two sequences differ, in order, no two hunks touching."""
    hunks: list[Hunk] = []
    todo = [(0, len(old), 0, len(new), 0)]
    while todo:
        a, b, c, d, depth = todo.pop()
        while a < b and c < d and old[a] == new[c]:
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
        if a == b and c == d:
            continue
        if a == b or c == d:
            hunks.append((a, b, c, d))
            continue
        anchors = _anchors(old, new, (a, b, c, d)) if depth < _DEEPEST else []
        if anchors:
            for (i, j), (k, m) in itertools.pairwise([(a - 1, c - 1), *anchors, (b, d)]):
                todo.append((i + 1, k, j + 1, m, depth + 1))
        elif (b - a) * (d - c) <= _SMALL:
            matcher = SequenceMatcher(None, old[a:b], new[c:d], autojunk=False)
            for tag, i, k, j, m in matcher.get_opcodes():
                if tag != "equal":
                    hunks.append((a + i, a + k, c + j, c + m))
        else:
            hunks.append((a, b, c, d))
    return _touching_merged(sorted(hunks))


def _anchors(old: Sequence[int], new: Sequence[int], gap: Hunk) -> list[tuple[int, int]]:
    """Pairs of lines that each side has once, the longest run of them that is in order on both."""
    a, b, c, d = gap
    once_old = _once(old, a, b)
    once_new = _once(new, c, d)
    pairs = sorted((index, once_new[value]) for value, index in once_old.items() if value in once_new)
    ends: list[int] = []
    piles: list[int] = []
    previous: list[int] = []
    for number, (_, position) in enumerate(pairs):
        pile = bisect_left(ends, position)
        previous.append(piles[pile - 1] if pile else -1)
        if pile == len(ends):
            ends.append(position)
            piles.append(number)
        else:
            ends[pile] = position
            piles[pile] = number
    run: list[tuple[int, int]] = []
    number = piles[-1] if piles else -1
    while number >= 0:
        run.append(pairs[number])
        number = previous[number]
    return run[::-1]


def _once(values: Sequence[int], start: int, end: int) -> dict[int, int]:
    """Values that stand once in a range, and where."""
    part = values[start:end]
    counts = Counter(part)
    return {value: start + index for index, value in enumerate(part) if counts[value] == 1}


def _touching_merged(hunks: list[Hunk]) -> list[Hunk]:
    merged: list[Hunk] = []
    for hunk in hunks:
        if merged and merged[-1][1] == hunk[0] and merged[-1][3] == hunk[2]:
            last = merged.pop()
            hunk = (last[0], hunk[1], last[2], hunk[3])
        merged.append(hunk)
    return merged


def _flat(batches: Batches, tick: Tick) -> Iterator[bytes]:
    for batch in batches:
        yield from batch
        tick(len(batch))


def _numbered(batches: Batches, tick: Tick) -> Iterator[tuple[int, bytes]]:
    return enumerate(_flat(batches, tick))


def _lines(lines: Iterator[tuple[int, bytes]], start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Go on to ``start``, and give the lines from there to ``end``."""
    if start >= end:
        return
    for number, line in lines:
        if number >= start:
            yield number, line
        if number >= end - 1:
            return
