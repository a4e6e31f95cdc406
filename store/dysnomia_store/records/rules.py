"""The rules of retention: one table, read by the collection, config.toml, the commands and the review's prompt.

A new rule is a line here and a field of ``Policy``. Imports little: a command reads it to name its options.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_MONDAY = 3
"""1970-01-01 was a Thursday: days since then plus three fall into weeks that start on Mondays."""


COUNT, DURATION, SIZE, TAG = "count", "duration", "size", "tag"


class Rule(NamedTuple):
    """One rule. ``name`` is its field in ``Policy``, its key in config.toml, its word in the review."""

    name: str
    help: str
    period: Callable[[int], int] | None = None
    """For a rule that keeps the newest good one of each period: the period of a time (µs since 1970, UTC)."""
    takes: str = COUNT
    """What its value is: ``COUNT``, ``DURATION``, ``SIZE`` (bytes) or ``TAG``."""

    @property
    def option(self) -> str:
        """Of the command line."""
        return f"--keep-{self.name.replace('_', '-')}"


def _hour(micros: int) -> int:
    return micros // _HOUR


def _day(micros: int) -> int:
    return micros // _DAY


def _week(micros: int) -> int:
    return (micros // _DAY + _MONDAY) // 7


def _month(micros: int) -> int:
    year, month = _calendar(micros // _DAY)
    return year * 12 + month


def _year(micros: int) -> int:
    return _calendar(micros // _DAY)[0]


@lru_cache(maxsize=4096)
def _calendar(day: int) -> tuple[int, int]:
    """Year and month of a day since 1970; a clock far out of range stays within what a calendar has."""
    from datetime import date, timedelta

    first = date(1970, 1, 1)
    at = first + timedelta(days=max(date.min.toordinal() - first.toordinal(), min(day, 2_900_000)))
    return at.year, at.month


RULES = (
    Rule("last", "keep the newest N"),
    Rule("hourly", "keep the newest of each of N hours", _hour),
    Rule("daily", "keep the newest of each of N days", _day),
    Rule("weekly", "keep the newest of each of N weeks", _week),
    Rule("monthly", "keep the newest of each of N months", _month),
    Rule("yearly", "keep the newest of each of N years", _year),
    Rule("within", "keep all that are younger than a duration, such as 2d or 36h", takes=DURATION),
    Rule("tagged", "keep all that have a tag (several tags: one after the other)", takes=TAG),
    Rule("at_least", "keep the newest N good ones, whatever max_size says"),
    Rule("min_age", "keep all that are younger than a duration, whatever max_size says", takes=DURATION),
    Rule("max_size", "a component may take so much disk, such as 50G: the oldest go first", takes=SIZE),
)
