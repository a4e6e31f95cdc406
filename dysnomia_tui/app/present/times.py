"""Times on the screen: every one in a zone that is named, and the times that an operator types after ``@``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

from dysnomia_base.durations import parse_duration
from dysnomia_tui.app.present.sizes import age


class ZoneKind(StrEnum):
    """How times are shown; ``t`` goes round."""

    SERVER = "server"
    UTC = "utc"
    RELATIVE = "relative"

    @property
    def following(self) -> ZoneKind:
        kinds = list(ZoneKind)
        return kinds[(kinds.index(self) + 1) % len(kinds)]


@dataclass(frozen=True, slots=True)
class Times:
    """How times are written: the zone, and what time it is."""

    kind: ZoneKind
    now: datetime
    """Aware."""
    server: tzinfo | None = None
    """The server's zone; None takes the system's, with its changes of clocks."""

    def at(self, now: datetime) -> Times:
        """The same at another moment."""
        return replace(self, now=now)

    def local(self, when: datetime) -> datetime:
        """``when`` in the zone that is shown (the server's where times are relative)."""
        try:
            return when.astimezone(UTC) if self.kind is ZoneKind.UTC else when.astimezone(self.server)
        except (OverflowError, ValueError):
            return when  # at the very edge of the calendar there is no other zone to show it in

    @property
    def name(self) -> str:
        """The zone's name, as it stands on every screen."""
        if self.kind is ZoneKind.RELATIVE:
            return "relative"
        return self.local(self.now).tzname() or "local"

    def clock(self) -> str:
        """``14:22:07 UTC``: the time of day, and the zone's name."""
        return f"{self.local(self.now):%H:%M:%S} {self.local(self.now).tzname() or ''}".rstrip() + (
            " relative" if self.kind is ZoneKind.RELATIVE else ""
        )

    def clock_of(self, when: datetime) -> str:
        """``14:22:07``, the time of day alone (relative: how long ago)."""
        return self.ago(when) if self.kind is ZoneKind.RELATIVE else f"{self.local(when):%H:%M:%S}"

    def short(self, when: datetime) -> str:
        """In at most twelve cells: ``22 Nov 12:00``, ``3h ago``, ``22 Nov 2024`` for another year."""
        if self.kind is ZoneKind.RELATIVE:
            return self.ago(when)
        local = self.local(when)
        if local.year != self.local(self.now).year:
            return f"{local.day:2} {local:%b %Y}"
        return f"{local.day:2} {local:%b %H:%M}"

    def long(self, when: datetime) -> str:
        """To the second, with the year where it is another: ``22 Nov 12:00:04``; ``3h ago`` where relative."""
        if self.kind is ZoneKind.RELATIVE:
            return self.ago(when)
        local = self.local(when)
        if local.year != self.local(self.now).year:
            return f"{local.day:2} {local:%b %Y %H:%M}"
        return f"{local.day:2} {local:%b %H:%M:%S}"

    def full(self, when: datetime) -> str:
        """Whole, and with the zone: ``22 Nov 2025 12:00:04 UTC``, whatever the screen shows."""
        local = self.local(when)
        return f"{local.day} {local:%b %Y %H:%M:%S} {local.tzname() or ''}".rstrip()

    def ago(self, when: datetime) -> str:
        span = self.now - when
        if span < timedelta(0):
            return f"in {age(-span)}" if -span >= timedelta(minutes=1) else "now"
        short = age(span)
        return short if short == "now" else f"{short} ago"


class TimeNotUnderstood(ValueError):
    """What was typed after ``@`` is not a time; the message says what would be."""


_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLES = "14:05, yesterday 14:05, 22 Nov 14:05, 2025-11-22 14:05, -2h; in another zone: 14:05 UTC"


def parse_time(typed: str, times: Times) -> datetime:
    """The moment an operator means, in UTC.

    A time of day alone is its last occurrence; a day alone is that day's end. Where a change of clocks makes a time
    of day happen twice, the earlier one is meant: what is looked for is a state from *before* the trouble.

    Raises:
        TimeNotUnderstood: with examples.
    """
    try:
        moment = _parse(typed, times)
    except (OverflowError, OSError) as problem:
        raise TimeNotUnderstood(f"{_short(typed)} is out of range; try {EXAMPLES}") from problem
    if moment < EARLIEST:
        raise TimeNotUnderstood(f"{_short(typed)} is before {EARLIEST:%Y}; try {EXAMPLES}")
    return moment


def _short(typed: str) -> str:
    """What was typed, cut where it would fill the screen."""
    text = typed.strip()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _parse(typed: str, times: Times) -> datetime:
    """Raises TimeNotUnderstood, OverflowError, OSError."""
    text = typed.strip().lower().removeprefix("@").strip()
    if text == "now":
        return times.now
    if text.startswith("-"):
        try:
            return times.now - parse_duration(text[1:])
        except ValueError as problem:
            raise TimeNotUnderstood(f"{problem} (after the minus: how long ago)") from None
    if text.endswith((" utc", "z")):
        text = text.removesuffix("z").removesuffix("utc").strip()
        times = replace(times, kind=ZoneKind.UTC)
    today = times.local(times.now).date()
    words = text.replace("t", " ", 1) if re.match(r"\d{4}-\d\d-\d\dt", text) else text
    day, _, rest = words.rpartition(" ")
    clock = _CLOCK.fullmatch(rest)
    if clock is None:
        moment = _moment(_day(words, today, typed), (23, 59, 59), times, typed)
        return min(moment, times.now)
    at = (int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0))
    if day:
        moment = _moment(_day(day.strip(), today, typed), at, times, typed)
        if moment > times.now:
            raise TimeNotUnderstood(f"{_short(typed)} is in the future")
        return moment
    moment = _moment(today, at, times, typed)
    return moment if moment <= times.now else _moment(today - timedelta(days=1), at, times, typed)


def _moment(day: date, at: tuple[int, int, int], times: Times, typed: str) -> datetime:
    try:
        naive = datetime(day.year, day.month, day.day, *at)
    except ValueError:
        raise TimeNotUnderstood(f"{_short(typed)} is not a time of day; try {EXAMPLES}") from None
    if times.kind is ZoneKind.UTC:
        return naive.replace(tzinfo=UTC)
    if times.server is not None:
        return naive.replace(tzinfo=times.server).astimezone(UTC)
    return naive.astimezone().astimezone(UTC)


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
            found = date(today.year, month, int(named[1]))
            return found if found <= today else found.replace(year=today.year - 1)
    except ValueError:
        pass
    raise TimeNotUnderstood(f"{_short(typed)} is not a time; try {EXAMPLES}")
