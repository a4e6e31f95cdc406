"""A pin as it is typed: why, and until when it holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from dysnomia_base.durations import parse_keeping
from dysnomia_tui.app.present.times import Times, ZoneKind

_UNTIL = re.compile(r"(?P<why>.*?)(?:^|[\s,;]+)until\s+(?P<when>\S.*)", re.IGNORECASE | re.DOTALL)
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
LATEST = 2999
"""The last year that a pin may end in."""
EXAMPLE = "before the migration until 2w (or until 2026-01-31)"


class PinNotUnderstood(ValueError):
    """The time after ``until`` is none; the message says what would be."""


def parse_pin(typed: str, times: Times) -> tuple[str, datetime | None]:
    """The reason, and until when (UTC); None holds until the pin is taken away. A day is meant to its end.

    Raises PinNotUnderstood.
    """
    match = _UNTIL.fullmatch(typed.strip())
    if match is None:
        return typed.strip(), None
    when = match["when"].strip().casefold()
    shown = repr(when if len(when) <= 40 else f"{when[:40]}…")
    try:
        until = _after(when, times) or _end_of(when, times)
    except (OverflowError, ValueError, OSError) as problem:
        raise PinNotUnderstood(f"until {shown} is out of range; leave it out to hold the pin for good") from problem
    if until is None:
        raise PinNotUnderstood(f"until {shown} is not a time; try until 2w, until 36h or until 2026-01-31")
    if until <= times.now:
        raise PinNotUnderstood(f"until {shown} is past")
    if until.year > LATEST:
        raise PinNotUnderstood(f"until {shown} is after {LATEST}; leave it out to hold the pin for good")
    return match["why"].strip(), until


def _after(when: str, times: Times) -> datetime | None:
    try:
        return times.now + parse_keeping(when)
    except ValueError:
        return None


def _end_of(when: str, times: Times) -> datetime | None:
    day = _DAY.fullmatch(when)
    if day is None:
        return None
    try:
        naive = datetime.combine(date(int(day[1]), int(day[2]), int(day[3])), time(23, 59, 59))
    except (ValueError, OverflowError):
        return None
    if times.kind is ZoneKind.UTC:
        return naive.replace(tzinfo=UTC)
    return (naive.replace(tzinfo=times.server) if times.server is not None else naive.astimezone()).astimezone(UTC)
