"""The times that an operator names after ``@`` and ``--at``: the grammar that all prompts and commands share."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from dysnomia_base.durations import parse_duration


class TimeNotUnderstood(ValueError):
    """What was typed after ``@`` is not a time; the message says what would be."""


_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLES = "14:05, yesterday 14:05, 22 Nov 14:05, 2025-11-22 14:05, -2h; in another zone: 14:05 UTC"


def parse_time(typed: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment an operator means, in UTC.

    A time of day alone is its last occurrence; a day alone is that day's end. Where a change of clocks makes a time
    of day happen twice, the earlier one is meant: what is looked for is a state from *before* the trouble. One that
    a change leaves out is the moment of that change: all before it was earlier than that by any clock.

    Args:
        now: aware.
        zone: in which a time that names none is meant; None takes the system's, with its changes of clocks.

    Raises:
        TimeNotUnderstood: with examples.
    """
    try:
        moment = _parse(typed, now, zone)
    except TimeNotUnderstood:
        raise
    except (OverflowError, OSError, ValueError) as problem:
        raise TimeNotUnderstood(
            f"{_short(typed)} is out of range in the time zone of this process (TZ); try {EXAMPLES}"
        ) from problem
    if moment < EARLIEST:
        raise TimeNotUnderstood(f"{_short(typed)} is before {EARLIEST:%Y}; try {EXAMPLES}")
    return moment


def _short(typed: str) -> str:
    """What was typed, cut where it would fill the screen."""
    text = typed.strip()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _parse(typed: str, now: datetime, zone: tzinfo | None) -> datetime:
    """Raises TimeNotUnderstood; ValueError, OverflowError, OSError at the edge of the calendar or of zones."""
    text = typed.strip().lower().removeprefix("@").strip()
    if text == "now":
        return now
    if text.startswith("-"):
        try:
            return now - parse_duration(text[1:])
        except ValueError as problem:
            raise TimeNotUnderstood(f"{problem} (after the minus: how long ago)") from None
    if text.endswith((" utc", "z")):
        text = text.removesuffix("z").removesuffix("utc").strip()
        zone = UTC
    today = now.astimezone(zone).date()
    words = text.replace("t", " ", 1) if re.match(r"\d{4}-\d\d-\d\dt", text) else text
    day, _, rest = words.rpartition(" ")
    clock = _CLOCK.fullmatch(rest)
    if clock is None:
        moment = _moment(_day(words, today, typed), (23, 59, 59), zone, typed)
        return min(moment, now)
    at = (int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0))
    if day:
        moment = _moment(_day(day.strip(), today, typed), at, zone, typed)
        if moment > now:
            raise TimeNotUnderstood(f"{_short(typed)} is in the future")
        return moment
    moment = _moment(today, at, zone, typed)
    return moment if moment <= now else _moment(today - timedelta(days=1), at, zone, typed)


def _moment(day: date, at: tuple[int, int, int], zone: tzinfo | None, typed: str) -> datetime:
    try:
        naive = datetime(day.year, day.month, day.day, *at)
    except ValueError:
        raise TimeNotUnderstood(f"{_short(typed)} is not a time of day; try {EXAMPLES}") from None
    first, last = sorted(_in_utc(naive.replace(fold=fold), zone) for fold in (0, 1))
    if _of_clock(first, zone) == naive:
        return first
    return _change(first, last, zone)  # clocks went from before it to after it


def _in_utc(naive: datetime, zone: tzinfo | None) -> datetime:
    return (naive.astimezone() if zone is None else naive.replace(tzinfo=zone)).astimezone(UTC)


def _of_clock(moment: datetime, zone: tzinfo | None) -> datetime:
    """What a clock in the zone shows then."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _change(first: datetime, last: datetime, zone: tzinfo | None) -> datetime:
    """When clocks were set between two moments, to the second."""
    before = first.astimezone(zone).utcoffset()
    while last - first > timedelta(seconds=1):
        middle = (first + (last - first) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            first = middle
        else:
            last = middle
    return last


def _day(words: str, today: date, typed: str) -> date:
    if words == "today":
        return today
    if words == "yesterday":
        return today - timedelta(days=1)
    numbers = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", words)
    named = re.fullmatch(r"(\d{1,2})\.?\s+([a-z]{3})[a-z]*\.?(?:\s+(\d{4}))?", words)
    try:
        if numbers:
            return date(int(numbers[1]), int(numbers[2]), int(numbers[3]))
        if named and named[2] in _MONTHS:
            month = _MONTHS.index(named[2]) + 1
            if named[3]:
                return date(int(named[3]), month, int(named[1]))
            day = date(today.year, month, int(named[1]))
            return day if day <= today else day.replace(year=today.year - 1)
    except ValueError:
        pass
    raise TimeNotUnderstood(f"{_short(typed)} is not a time; try {EXAMPLES}")
