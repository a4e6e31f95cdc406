"""Times as they are shown, and as they are typed: through a change of clocks as well."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_tui.app.present.sizes import age, duration, signed, size, tally
from dysnomia_tui.app.present.times import TimeNotUnderstood, Times, ZoneKind, parse_time
from dysnomia_tui.config import moments

NOW = datetime(2025, 11, 22, 14, 22, 7, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def utc(*parts: int) -> datetime:
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def times(kind: ZoneKind = ZoneKind.UTC, now: datetime = NOW) -> Times:
    return Times(kind, now, AMSTERDAM)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("14:05", utc(2025, 11, 22, 14, 5)),
        ("@14:05", utc(2025, 11, 22, 14, 5)),
        ("14:05:30", utc(2025, 11, 22, 14, 5, 30)),
        ("23:50", utc(2025, 11, 21, 23, 50)),
        ("yesterday 14:05", utc(2025, 11, 21, 14, 5)),
        ("today 01:00", utc(2025, 11, 22, 1)),
        ("yesterday", utc(2025, 11, 21, 23, 59, 59)),
        ("today", NOW),
        ("now", NOW),
        ("-2h", NOW - timedelta(hours=2)),
        ("-1.5d", NOW - timedelta(days=1.5)),
        ("- 30 m", NOW - timedelta(minutes=30)),
        ("22 Nov 14:05", utc(2025, 11, 22, 14, 5)),
        ("3 Dec 10:00", utc(2024, 12, 3, 10)),
        ("3 december 2023 10:00", utc(2023, 12, 3, 10)),
        ("2025-11-20 02:00", utc(2025, 11, 20, 2)),
        ("2025-11-20T02:00:05Z", utc(2025, 11, 20, 2, 0, 5)),
        ("2025-11-20", utc(2025, 11, 20, 23, 59, 59)),
    ],
)
def test_what_is_typed_is_understood(typed: str, meant: datetime) -> None:
    assert parse_time(typed, times()) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "25:00",
        "14:5",
        "12:60",
        "tomorrow 10:00",
        "2025-02-30 10:00",
        "31 Feb 10:00",
        "-2x",
        "-",
        "-1d-",
        "-" + "9" * 400 + "w",
        "-999999999999w",
        "-101y",
        "noon",
        "[b]",
        "today 23:00",
        "2026-01-01 00:00",
    ],
)
def test_what_is_no_time_is_refused_with_examples(typed: str) -> None:
    with pytest.raises(TimeNotUnderstood):
        parse_time(typed, times())


def test_how_long_ago_is_said_as_everywhere_else() -> None:
    assert parse_time("@ -1w3d", times()) == NOW - timedelta(days=10)
    assert parse_time("-1.5h", times()) == NOW - timedelta(minutes=90)
    with pytest.raises(TimeNotUnderstood, match="too long: 100 years at most"):
        parse_time("-999999999999w", times())
    with pytest.raises(TimeNotUnderstood, match="before 1970"):
        parse_time("-99w1000d30000d", times())


def test_the_servers_zone_is_meant_where_it_is_shown() -> None:
    assert parse_time("14:05", times(ZoneKind.SERVER)) == utc(2025, 11, 22, 13, 5)
    assert parse_time("14:05", times(ZoneKind.RELATIVE)) == utc(2025, 11, 22, 13, 5)
    assert parse_time("14:05 UTC", times(ZoneKind.SERVER)) == utc(2025, 11, 22, 14, 5)


@pytest.mark.parametrize("zone", [AMSTERDAM, None], ids=["named", "system's"])
def test_an_hour_that_a_change_of_clocks_leaves_out_is_that_change(
    zone: ZoneInfo | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the system's zone 02:30 was 01:30, and in a named one 03:30: half an hour before the change, or after it."""
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    try:
        change = utc(2027, 3, 28, 1)
        for typed in ("2027-03-28 02:00", "2027-03-28 02:30", "2027-03-28 02:59:59", "28 Mar 02:30"):
            assert moments.parse_time(typed, utc(2027, 3, 28, 8), zone) == change, typed
        assert moments.parse_time("02:30", utc(2027, 3, 28, 8), zone) == change
        assert moments.parse_time("2027-03-28 01:59:59", utc(2027, 3, 28, 8), zone) == change - timedelta(seconds=1)
        assert moments.parse_time("2027-03-28 03:00", utc(2027, 3, 28, 8), zone) == change
        assert moments.parse_time("2026-10-25 02:30", utc(2027, 3, 28, 8), zone) == utc(2026, 10, 25, 0, 30)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_hour_that_happens_twice_means_the_earlier_one() -> None:
    at = times(ZoneKind.SERVER, utc(2025, 10, 26, 12))
    assert parse_time("02:30", at) == utc(2025, 10, 26, 0, 30)


def test_yesterday_across_a_change_of_clocks_is_the_day_before() -> None:
    at = times(ZoneKind.SERVER, utc(2025, 10, 26, 12))
    assert parse_time("yesterday 12:00", at) == utc(2025, 10, 25, 10)


def test_times_are_shown_with_their_own_offset() -> None:
    at = times(ZoneKind.SERVER, utc(2025, 10, 26, 12))
    assert at.full(utc(2025, 10, 26, 0, 30)) == "26 Oct 2025 02:30:00 CEST"
    assert at.full(utc(2025, 10, 26, 1, 30)) == "26 Oct 2025 02:30:00 CET"
    assert at.name == "CET"


def test_zones_go_round() -> None:
    kind = ZoneKind.SERVER
    seen = [kind := kind.following for _ in range(3)]
    assert seen == [ZoneKind.UTC, ZoneKind.RELATIVE, ZoneKind.SERVER]


def test_short_times() -> None:
    assert times().short(utc(2025, 11, 2, 3, 4)) == " 2 Nov 03:04"
    assert times().short(utc(2024, 11, 2, 3, 4)) == " 2Nov24 03:04"
    assert times(ZoneKind.RELATIVE).short(NOW - timedelta(hours=3)) == "3h ago"
    assert times().clock() == "14:22:07 UTC"


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(list(ZoneKind)))
def test_short_times_fit_their_column(when: datetime, kind: ZoneKind) -> None:
    assert len(times(kind).short(when.replace(tzinfo=UTC))) <= 13


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "?"),
        (0, "0B"),
        (999, "999B"),
        (1000, "1.0K"),
        (1024, "1.0K"),
        (12_345, "12K"),
        (1_048_575, "1.0M"),
        (432_013_312, "412M"),
        (1_288_490_188, "1.2G"),
        (126_701_535_232, "118G"),
    ],
)
def test_sizes(count: int | None, shown: str) -> None:
    assert size(count) == shown


@given(st.integers(0, 2**70))
def test_sizes_fit_four_cells(count: int) -> None:
    assert len(size(min(count, 2**69))) <= 4
    assert len(tally(min(count, 10**20))) <= 4


def test_differences() -> None:
    assert [signed(n) for n in (0, 1204, -3, 3_111_404)] == ["±0", "+1,204", "-3", "+3.1M"]


def test_spans() -> None:
    assert [duration(n) for n in (0.42, 8, 200, 7500, 270000)] == ["0.4 s", "8 s", "3 min 20 s", "2 h 5 min", "3 d 3 h"]
    ages = [age(timedelta(seconds=n)) for n in (5, 720, 3 * 3600, 14 * 86400, 200 * 86400, 800 * 86400)]
    assert ages == ["now", "12m", "3h", "14d", "28w", "2y"]
