"""Waiting for a condition: the one place of the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 60.0, interval: float = 0.02) -> T:
    """Poll until ``condition()`` is true, and return what it gave.

    Raises AssertionError after ``timeout`` seconds (generous: the machine may be loaded)."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain")
        time.sleep(interval)
