"""The same rows in another order are the same; a row more, less or other is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_store.model import Form
from dysnomia_tui.engine.diff.compare import SAME_ROWS, Comparer
from dysnomia_tui.engine.diff.multiset import OrderCheck, RowSums
from tests.unit.engine.diff.tables import Table, TableReader, opened, text, write
from tests.unit.engine.diff.test_hash_sums import batches, quiet

rows = st.lists(st.binary(max_size=2), max_size=12)


@settings(max_examples=400, deadline=None)
@given(rows, rows, st.integers(1, 5), st.randoms())
def test_sums_are_equal_where_the_multisets_are(old: list[bytes], new: list[bytes], size: int, random: Random) -> None:
    sums = RowSums()
    first, second = sums.of(batches(old, size), quiet), sums.of(batches(new, 3), quiet)
    assert (first == second) == (Counter(old) == Counter(new))
    shuffled = random.sample(old, len(old))
    assert sums.of(batches(shuffled, 2), quiet) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([b"a", b"a"], [b"b", b"b"]),
        ([b"a", b"a", b"b"], [b"a", b"b", b"b"]),
        ([b"a", b"a"], []),
        ([b"", b""], [b""]),
        ([b"", b"a"], [b"a", b"a"]),
    ],
)
def test_how_often_a_row_is_there_counts(old: list[bytes], new: list[bytes]) -> None:
    sums = RowSums()
    assert sums.of([old], quiet) != sums.of([new], quiet)


def same_state(folder: Path, old: list[Table], new: list[Table]) -> bool:
    sides = [opened(write(folder / name, *tables)).stored for name, tables in (("old", old), ("new", new))]
    return OrderCheck(TableReader(3), sides[0], sides[1], folder, quiet).same_state()


ROWS = [b"%d\t%s" % (number, b"abc"[number % 3 : number % 3 + 1]) for number in range(10, 40)]
REVERSED = ROWS[::-1]


def test_all_tables_in_another_order_are_the_same_state(tmp_path: Path) -> None:
    old = [text("definitions", [b"CREATE"]), Table("a", ROWS), Table("b", ROWS[:9])]
    new = [text("definitions", [b"CREATE"]), Table("a", REVERSED), Table("b", ROWS[8::-1])]
    assert same_state(tmp_path, old, new)


@pytest.mark.parametrize(
    "other",
    [
        Table("a", [b"99\ta", *REVERSED[1:]]),
        Table("a", [REVERSED[1], *REVERSED[1:]]),
        Table("a", REVERSED[1:]),
        Table("a", REVERSED, columns=("value", "id")),
        Table("a", REVERSED, attributes={"next": "41"}),
        Table("a", REVERSED, form=Form.TEXT),
        Table("c", REVERSED),
    ],
)
def test_anything_else_is_a_change(tmp_path: Path, other: Table) -> None:
    assert not same_state(tmp_path, [Table("a", ROWS), Table("b", ROWS)], [other, Table("b", REVERSED)])


@pytest.mark.parametrize("small", [True, False])
def test_a_diff_says_that_only_the_order_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    if not small:
        monkeypatch.setattr("dysnomia_tui.engine.diff.compare.SMALL", -1)
    sides = [opened(write(tmp_path / name, Table("a", given))) for name, given in (("old", ROWS), ("new", REVERSED))]
    check = OrderCheck(TableReader(), sides[0].stored, sides[1].stored, tmp_path, quiet)
    (pair,) = check.changed()
    compared = Comparer(sides[0], sides[1], tmp_path, quiet).compare(pair)
    assert (compared.counts, compared.note) == ((0, 0, 0), SAME_ROWS)
    compared.close()
