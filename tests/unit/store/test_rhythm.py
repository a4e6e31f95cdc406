"""How often a component is usually snapshotted."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.catalog.rhythm import usual_distance

DAY = 86_400_000_000


def test_daily_generations() -> None:
    assert usual_distance([(DAY * n, DAY * n, 1) for n in range(5)]) == timedelta(days=1)


def test_a_state_that_was_seen_again_counts_as_often_as_it_was() -> None:
    assert usual_distance([(0, 4 * DAY, 5)]) == timedelta(days=1)
    assert usual_distance([(0, 6 * DAY, 7), (30 * DAY, 30 * DAY, 1)]) == timedelta(days=1)


def test_a_burst_of_guards_does_not_hide_the_rhythm() -> None:
    burst = [(4 * DAY + n, 4 * DAY + n, 1) for n in range(2)]
    assert usual_distance([*((DAY * n, DAY * n, 1) for n in range(4)), *burst]) == timedelta(days=1)


def test_too_few_show_none() -> None:
    assert usual_distance([]) is None
    assert usual_distance([(0, 0, 1), (DAY, DAY, 1), (2 * DAY, 2 * DAY, 1)]) is None


@given(st.lists(st.tuples(*3 * (st.integers(0, 1 << 55),)), max_size=20))
def test_any_times_have_a_distance_or_none(times: list[tuple[int, int, int]]) -> None:
    found = usual_distance(times)
    assert found is None or found >= timedelta(0)
