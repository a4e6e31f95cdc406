"""Order is by number whatever the clocks did, and the lookup by time is right across their changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.catalog.component import ComponentReading, GenerationRow
from dysnomia_store.catalog.generations import monotonic_times, newest_good_before
from dysnomia_store.model import Marks, Verdict
from tests.unit.store.shop import HOUR, KEY, START, Shop, rows

MINUTE = timedelta(minutes=1)


def reading(times: Sequence[datetime], bad: frozenset[int] = frozenset()) -> ComponentReading:
    found = ComponentReading()
    for number, at in enumerate(times, 1):
        found.gens[number] = GenerationRow(number, f"id{number}", round(at.timestamp() * 1e6), good=number not in bad)
    return found


def every_minute(start: datetime, count: int) -> list[datetime]:
    return [start + MINUTE * number for number in range(count)]


def test_the_newest_good_one_at_or_before(shop: Shop) -> None:
    for count in (100, 101, 102):
        shop.commit(rows(count))
    shop.store.mark(KEY, 2, Marks(verdict=Verdict.BAD), who="alice")
    find = shop.store.newest_good_before

    def number(when: datetime) -> int | None:
        found = find(KEY, when)
        return None if found is None else found.number

    assert number(START + HOUR - MINUTE) is None
    assert number(START + HOUR) == 1
    assert number(START + 2 * HOUR) == 1
    assert number(START + 3 * HOUR) == 3
    assert number(START + 900 * HOUR) == 3


def test_3000_generations_across_a_clock_set_back() -> None:
    """An hour too fast, then put right: from there on the later ones are believed."""
    times = every_minute(START, 1500) + every_minute(START + MINUTE * 1440, 1500)
    found = reading(times)
    assert newest_good_before(found, START + MINUTE * 1439) == 1440
    for minute in (1440, 1450, 1499, 1500, 2000, 2939):
        assert newest_good_before(found, START + MINUTE * minute) == minute + 61, minute


def test_3000_generations_across_a_clock_set_forth() -> None:
    times = every_minute(START, 1500) + every_minute(START + MINUTE * 1560, 1500)
    found = reading(times)
    assert newest_good_before(found, START + MINUTE * 1530) == 1500
    assert newest_good_before(found, START + MINUTE * 1560) == 1501


def test_a_clock_that_began_at_1970_for_a_while() -> None:
    """A server without a battery: what it wrote before it asked the time is not from before everything."""
    times = every_minute(START, 1000)
    times += every_minute(datetime(1970, 1, 1, tzinfo=UTC), 10)
    times += every_minute(START + MINUTE * 1010, 1990)
    found = reading(times)
    assert newest_good_before(found, START + MINUTE * 500) == 501
    assert newest_good_before(found, START + MINUTE * 1009) == 1000
    assert newest_good_before(found, START + MINUTE * 1010) == 1011
    assert newest_good_before(found, START - MINUTE) is None


def test_one_from_the_future() -> None:
    times = every_minute(START, 3000)
    times[1499] = datetime(2036, 1, 1, tzinfo=UTC)
    found = reading(times, bad=frozenset({3000}))
    assert newest_good_before(found, START + MINUTE * 1499) == 1499
    assert newest_good_before(found, START + MINUTE * 1500) == 1501
    assert newest_good_before(found, START + MINUTE * 5000) == 2999


@given(st.lists(st.integers(0, 50), max_size=60))
def test_believed_times_rise_and_keep_all_that_agree(times: list[int]) -> None:
    found = monotonic_times(times)
    assert len(found) == len(times)
    assert found == sorted(found)
    assert monotonic_times(found) == found
    if times == sorted(times):
        assert found == times


@given(st.lists(st.integers(0, 30), min_size=1, max_size=9))
def test_as_few_as_can_be_are_disbelieved(times: list[int]) -> None:
    longest = 0
    for chosen in range(1 << len(times)):
        picked = [time for at, time in enumerate(times) if chosen >> at & 1]
        if picked == sorted(picked):
            longest = max(longest, len(picked))
    assert sum(a == b for a, b in zip(monotonic_times(times), times, strict=True)) >= longest


def test_order_is_by_number(shop: Shop) -> None:
    shop.commit(rows(100))
    shop.now -= timedelta(days=400)
    shop.commit(rows(101))
    assert [one.number for one in shop.store.generations(KEY)] == [1, 2]
    summary = shop.store.summary(KEY)
    assert summary.newest is not None
    assert summary.newest.number == 2
