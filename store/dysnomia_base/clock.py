"""What time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives an aware time in UTC; tests and demos have their own."""


def utc_now() -> datetime:
    return datetime.now(UTC)
