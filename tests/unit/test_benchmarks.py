"""The benchmarks' own: which parts there are, and the table. Nothing is measured here."""

from __future__ import annotations

from tests.benchmarks.__main__ import found_parts
from tests.benchmarks.measure import absolute, conditions, ratio, table


def test_parts_are_found_where_they_are_defined_and_come_in_their_order() -> None:
    parts = found_parts()
    assert {"postgres", "store", "check", "diff"} <= parts.keys()
    orders = [part.order for part in parts.values()]
    assert orders == sorted(orders)


def test_the_table_says_which_figures_are_over() -> None:
    figures = [ratio("a | b", 1.2, "sort", 1.0, 1.25), ratio("c", 3.0, "sort", 1.0, 2), absolute("m", 151, 150, "MB")]
    rows = table(figures).splitlines()[2:]
    assert rows[0] == "| a \\| b | 1.20 s | sort: 1.00 s | 1.20 x | ≤ 1.25 x |  |"
    assert [row.endswith("**over** |") for row in rows] == [False, True, True]


def test_what_it_is_measured_on_is_one_sentence() -> None:
    assert conditions().startswith("Measured on ")
    assert "\n" not in conditions()
