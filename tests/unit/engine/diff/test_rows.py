"""Rows: a multiset difference that agrees with the naive one, whatever the rows are and whichever way it is made."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_store.content.index_diff import Pair, changed_sections
from dysnomia_tui.engine.diff import compare, pairing, rows, spill
from dysnomia_tui.engine.diff import hash_sums as sieve
from dysnomia_tui.engine.diff.compare import Compared, Comparer
from dysnomia_tui.engine.diff.hash_file import Order
from dysnomia_tui.engine.diff.rows import Excess, fetch
from dysnomia_tui.engine.diff.second_process import Helper
from tests.unit.engine.diff.tables import Table, opened, write

hostile = st.binary(max_size=6) | st.sampled_from(
    [
        b"\t",
        b"\\t",
        b"\\N",
        b"\\N\t\\N",
        b"\0",
        b"\n",
        b"\r\n",
        b"\\\\",
        b"\xff\xfe",
        b"1\ta",
        b"1\tb",
        b"01\ta",
        b"-1\tz",
    ]
)
tables = st.lists(hostile, max_size=25)
ways = st.sampled_from(["in memory", "hashed", "hashed, many", "hashed, postponed"])
by_two = st.sampled_from(["by two", "by two, many", "by two, postponed"])


@dataclass(frozen=True)
class Case:
    """Two tables, and how they are read."""

    old: list[bytes]
    new: list[bytes]
    keyed: bool
    batch: int
    """Rows that come at a time."""
    cells: int
    """Of the sieve: in one cell everything differs, in many nearly nothing."""


cases = st.builds(Case, tables, tables, st.booleans(), st.integers(1, 30), st.sampled_from([1, 8, 1 << 16]))


def quiet(_: int) -> None:
    return


def compared(
    folder: Path, old: Table, new: Table, way: str = "in memory", batch: int = 3, cells: int = sieve.CELLS
) -> Compared | None:
    """Compare two tables, one of four ways. None where the sections are equal."""
    sides = [opened(write(folder / name, table), batch) for name, table in (("old", old), ("new", new))]
    pairs: list[Pair] = list(changed_sections(sides[0].stored.sections(), sides[1].stored.sections()))
    if not pairs:
        return None
    with pytest.MonkeyPatch.context() as patch:
        if way != "in memory":
            patch.setattr(compare, "SMALL", -1)
            patch.setattr(sieve, "CELLS", cells)
            patch.setattr(sieve, "SUMMED_AT_ONCE", 40)
            patch.setattr(rows, "HELD_HASHES", 4)
            patch.setattr(rows, "HELD_A_BUCKET", 2)
            patch.setattr(rows, "PIECE_HASHES", 3)
            patch.setattr(rows, "BUCKET_HASHES", 3)
            patch.setattr(spill, "RUN_BYTES", 50)
        if way.endswith("many"):
            patch.setattr(rows, "MOST_WANTED", 2)
        if way.endswith("postponed"):
            patch.setattr(compare, "MOST_EAGER", 0)
        comparer = Comparer(sides[0], sides[1], folder, quiet)
        if not way.startswith("by two"):
            return twice_if_postponed(comparer, pairs[0])
        patch.setattr(compare, "WORTH_IT", 0)
        helper = Helper(folder, comparer.side)
        try:
            return twice_if_postponed(replace(comparer, helper=helper), pairs[0])
        finally:
            helper.close()


def twice_if_postponed(comparer: Comparer, pair: Pair) -> Compared:
    first = comparer.compare(pair)
    if not first.postponed:
        return first
    found = comparer.compare(pair, whole=True)
    assert first.added == (found.added or 0) + (found.changed or 0)
    assert first.removed == (found.removed or 0) + (found.changed or 0)
    return found


def raw_changes(found: Compared | None) -> list[tuple[bytes | None, bytes | None]]:
    if found is None:
        return []
    assert found.rows is not None
    return [record[:2] for record in found.rows.page(0, len(found.rows))]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(cases, ways)
def test_it_agrees_with_the_naive_multiset_difference(
    tmp_path_factory: pytest.TempPathFactory, case: Case, way: str
) -> None:
    agree(tmp_path_factory.mktemp("d"), case, way)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(cases, by_two)
def test_so_do_two_processes(tmp_path_factory: pytest.TempPathFactory, case: Case, way: str) -> None:
    agree(tmp_path_factory.mktemp("d"), case, way)


def agree(folder: Path, case: Case, way: str) -> None:
    key = ("id",) if case.keyed else ()
    old, new = (Table("t", given, key=key) for given in (case.old, case.new))
    found = compared(folder, old, new, way, case.batch, case.cells)
    changes = raw_changes(found)
    removed = Counter(was for was, _ in changes if was is not None)
    added = Counter(now for _, now in changes if now is not None)
    assert removed == Counter(case.old) - Counter(case.new)
    assert added == Counter(case.new) - Counter(case.old)
    paired = [(was, now) for was, now in changes if was is not None and now is not None]
    assert all(case.keyed and _first(was) == _first(now) for was, now in paired)
    alone = [(was, now) for was, now in changes if was is None or now is None]
    gone = {_first(was) for was, _ in alone if was is not None}
    come = {_first(now) for _, now in alone if now is not None}
    assert not case.keyed or not gone & come
    if found is not None:
        assert found.added == sum(was is None for was, _ in alone)
        assert found.removed == sum(now is None for _, now in alone)
        assert found.changed == len(paired)


def _first(row: bytes) -> bytes:
    return row.split(b"\t")[0]


def test_rows_that_only_moved_are_no_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, Table("t", [b"1\ta", b"2\tb"]), Table("t", [b"2\tb", b"1\ta"]))
    assert found is not None
    assert found.counts == (0, 0, 0)


def test_repeated_rows_are_counted(tmp_path: Path) -> None:
    found = compared(tmp_path, Table("t", [b"x"] * 5), Table("t", [b"x"] * 3 + [b"y"] * 2), "hashed")
    assert found is not None
    assert found.counts == (2, 2, 0)


@pytest.mark.worlds
def test_one_row_repeated_very_often_is_counted_in_little_memory(tmp_path: Path) -> None:
    sides = [
        opened(write(tmp_path / name, Table("t", [b"often"] * count + [b"%d" % n for n in range(1000)])))
        for name, count in (("old", 300_000), ("new", 300_007))
    ]
    (pair,) = changed_sections(sides[0].stored.sections(), sides[1].stored.sections())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "SMALL", -1)
        patch.setattr(rows, "PIECE_HASHES", 1 << 10)
        tracemalloc.start()
        found = Comparer(sides[0], sides[1], tmp_path, quiet).compare(pair)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found.counts == (7, 0, 0)
    assert peak < 10 << 20


def test_more_buckets_than_a_byte_tells(tmp_path: Path) -> None:
    old = [b"%d\ta" % number for number in range(3000)]
    new = [b"%d\ta" % number for number in range(1, 3001)] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "buckets_for", lambda _: 1024)
        patch.setattr("dysnomia_tui.engine.diff.two_passes.buckets_for", lambda _: 1024)
        patch.setattr(rows, "HELD_HASHES", 700)
        patch.setattr(rows, "HELD_A_BUCKET", 1)
        patch.setattr(compare, "SMALL", -1)
        sides = [opened(write(tmp_path / str(n), Table("t", given))) for n, given in enumerate((old, new))]
        (pair,) = changed_sections(sides[0].stored.sections(), sides[1].stored.sections())
        found = Comparer(sides[0], sides[1], tmp_path, quiet).compare(pair)
    changes = raw_changes(found)
    assert Counter(was for was, _ in changes if was) == Counter(old) - Counter(new)
    assert Counter(now for _, now in changes if now) == Counter(new) - Counter(old)


def test_rows_that_come_in_another_order_the_second_time_are_found_all_the_same(tmp_path: Path) -> None:
    given = [[b"%d" % number] for number in range(100)]
    order, only = Order(tmp_path), Excess(tmp_path)
    sieve.read(given, quiet, order)
    only.add({hash(b"3"): 1, hash(b"70"): 1})
    found = fetch(lambda: reversed(given), only, quiet, tmp_path, order)
    assert sorted(found) == [b"3", b"70"]
    for opened_file in (order, only):
        opened_file.close()


def test_the_second_reading_looks_only_into_batches_that_hold_what_is_wanted(tmp_path: Path) -> None:
    class Counting(list[bytes]):
        looked = 0

        def __iter__(self) -> Iterator[bytes]:
            Counting.looked += 1
            return super().__iter__()

    given = [Counting([b"%d" % number]) for number in range(100)]
    order, only = Order(tmp_path), Excess(tmp_path)
    sieve.read(given, quiet, order)
    Counting.looked = 0
    only.add({hash(b"3"): 1, hash(b"70"): 1})
    assert list(fetch(lambda: iter(given), only, quiet, tmp_path, order)) == [b"3", b"70"]
    assert Counting.looked == 2
    for opened_file in (order, only):
        opened_file.close()


def test_keys_are_in_order_numbers_as_numbers(tmp_path: Path) -> None:
    old = [b"%d\ta" % number for number in (10, 9, 100, -3)] + [b"\\N\ta", b"x\ta"]
    found = compared(tmp_path, Table("t", old, key=("id",)), Table("t", [row + b"!" for row in old], key=("id",)))
    assert [now for _, now in raw_changes(found)] == [
        b"\\N\ta!", b"-3\ta!", b"9\ta!", b"10\ta!", b"100\ta!", b"x\ta!",
    ]  # fmt: skip


def test_keys_that_begin_alike_are_not_confused(tmp_path: Path) -> None:
    long = b"k" * 500
    found = compared(
        tmp_path,
        Table("t", [long + b"1\ta", long + b"2\ta"], key=("id",)),
        Table("t", [long + b"2\tb", long + b"1\tb"], key=("id",)),
    )
    assert sorted(raw_changes(found)) == [(long + b"1\ta", long + b"1\tb"), (long + b"2\ta", long + b"2\tb")]


def test_null_is_not_the_text_that_looks_like_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, Table("t", [b"\\N\ta"], key=("id",)), Table("t", [b"\ta"], key=("id",)))
    assert found is not None
    assert found.counts == (1, 1, 0)


def test_a_new_column_that_is_null_changes_no_row(tmp_path: Path) -> None:
    old = Table("t", [b"1\ta", b"2\tb", b"3\tc"], columns=("id", "value"), key=("id",))
    new = Table("t", [b"\\N\t1\ta", b"new\t2\tb", b"\\N\t3\tC"], columns=("extra", "id", "value"), key=("id",))
    for way in ("in memory", "hashed"):
        folder = tmp_path / way
        folder.mkdir()
        found = compared(folder, old, new, way)
        assert found is not None
        assert found.counts == (0, 0, 2)
        assert found.sides is not None
        before, after = found.sides
        assert before.shape.columns == ("extra", "id", "value")
        cells = [(before.cells(was or b""), after.cells(now or b"")) for was, now in raw_changes(found)]
        assert cells == [((None, "2", "b"), ("new", "2", "b")), ((None, "3", "c"), (None, "3", "C"))]
        assert [pairing.changed_cells(*pair) for pair in cells] == [{0}, {2}]


def test_a_column_that_went_is_shown_behind_the_others(tmp_path: Path) -> None:
    old = Table("t", [b"1\ta", b"2\t\\N"], columns=("id", "gone"), key=("id",))
    new = Table("t", [b"1", b"2"], columns=("id",), key=("id",))
    found = compared(tmp_path, old, new)
    assert found is not None
    assert found.counts == (0, 0, 1)
    assert found.sides is not None
    assert found.sides[0].shape.columns == ("id", "gone")


def test_a_row_of_many_megabytes(tmp_path: Path) -> None:
    big = b"1\t" + b"x" * (100 << 20)
    found = compared(
        tmp_path,
        Table("t", [big, b"2\ta"], key=("id",)),
        Table("t", [b"2\ta", big[:-1] + b"y"], key=("id",)),
        batch=1,
    )
    assert found is not None
    assert found.counts == (0, 0, 1)


def test_a_hundred_thousand_rows_take_little_memory(tmp_path: Path) -> None:
    old = [b"%d\tsome value %d" % (number, number) for number in range(120_000)]
    new = [row + b"!" if number % 100 == 0 else row for number, row in enumerate(reversed(old))]
    sides = [opened(write(tmp_path / str(n), Table("t", given, key=("id",)))) for n, given in enumerate((old, new))]
    (pair,) = changed_sections(sides[0].stored.sections(), sides[1].stored.sections())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "SMALL", -1)
        patch.setattr(rows, "HELD_HASHES", 1 << 14)
        tracemalloc.start()
        found = Comparer(sides[0], sides[1], tmp_path, quiet).compare(pair)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found.counts == (0, 0, 1200)
    assert peak < 24 << 20


def test_rows_that_nobody_has_leave_no_file(tmp_path: Path) -> None:
    found = compared(tmp_path, Table("t", [b"a"] * 100), Table("t", [b"b"] * 100), "hashed, many")
    assert found is not None
    found.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
