"""Bytes, counts, rates and spans of time in few cells."""

from __future__ import annotations

from datetime import timedelta

from dysnomia_base.durations import age
from dysnomia_base.sizes import scaled, size

__all__ = ["age", "duration", "signed", "size", "tally"]


def tally(count: int) -> str:
    """A count in at most four cells, by 1000: ``999``, ``1.2K``, ``12M``."""
    return str(count) if count < 1000 else scaled(count, 1000)


def signed(count: int) -> str:
    """A difference with its sign in at most seven cells: ``+1,204``, ``-3``, ``+3.1M``, ``±0``."""
    if count == 0:
        return "±0"
    sign = "+" if count > 0 else "-"
    magnitude = abs(count)
    return f"{sign}{magnitude:,}" if magnitude < 100_000 else f"{sign}{tally(magnitude)}"


def duration(span: timedelta | float) -> str:
    """How long something took or takes: ``0.4 s``, ``8 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 0.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for unit, length, lower, lower_length in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // lower_length
            return f"{whole // length} {unit}" + (f" {rest} {lower}" if rest else "")
    return f"{whole} s"
