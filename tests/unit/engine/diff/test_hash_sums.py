"""Hash sums: what both sides have alike is left out, and nothing that one side has alone is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_tui.engine.diff import hash_sums as sieve
from dysnomia_tui.engine.diff.hash_file import Order

rows = st.lists(st.binary(max_size=2), max_size=30)


def quiet(_: int) -> None:
    return


def batches(given: list[bytes], size: int) -> list[list[bytes]]:
    return [given[start : start + size] for start in range(0, len(given), size)]


def hashes(order: Order) -> Counter[int]:
    return Counter(value for data, _ in order.batches() for value in memoryview(data).cast("q"))


def sifted(folder: Path, sides: Iterable[list[bytes]], size: int) -> list[Order]:
    orders = [Order(folder) for _ in range(2)]
    sums = [sieve.read(batches(side, size), quiet, order) for side, order in zip(sides, orders, strict=True)]
    cells = sieve.differing(*sums)
    return [sieve.sift(order, cells, quiet, folder) for order in orders]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rows, rows, st.integers(1, 10), st.sampled_from([1, 4, 1 << 16]))
def test_what_one_side_has_more_often_is_left(
    tmp_path_factory: pytest.TempPathFactory, old: list[bytes], new: list[bytes], size: int, cells: int
) -> None:
    folder = tmp_path_factory.mktemp("d")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "CELLS", cells)
        patch.setattr(sieve, "SUMMED_AT_ONCE", 24)
        orders = sifted(folder, (old, new), size)
    left, right = map(hashes, orders)
    before, after = Counter(map(hash, old)), Counter(map(hash, new))
    assert (left - right, right - left) == (before - after, after - before)
    for order, side in zip(orders, (old, new), strict=True):
        assert [count for _, count in order.batches()] == [len(batch) for batch in batches(side, size)]
        order.close()


def test_what_both_have_in_any_order_falls_through(tmp_path: Path) -> None:
    given = [b"%d" % number for number in range(5000)]
    orders = sifted(tmp_path, (given, [*reversed(given), b"one more"]), 100)
    assert orders[0].hashes <= 5
    assert orders[1].hashes - orders[0].hashes == 1
    for order in orders:
        order.close()
