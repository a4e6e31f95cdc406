"""What time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives an aware time in UTC; tests and demos have their own."""


def from_seconds(seconds: float) -> datetime:
    """A time of a file or a dump, whose owner may give it any: beyond the calendar it is its first or last."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return (datetime.min if seconds < 0 else datetime.max).replace(tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)
