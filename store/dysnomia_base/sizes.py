"""Bytes and counts for people, in at most four cells: one form for the commands and the screens."""

from __future__ import annotations

_UNITS = "KMGTPE"


def size(count: int | None) -> str:
    """Bytes by 1024: ``0B``, ``999B``, ``1.2K``, ``10K``, ``1.0G``; ``?`` where they are not known."""
    if count is None:
        return "?"
    if count < 1000:
        return f"{count}B"
    return scaled(count, 1024)


def scaled(count: int, base: int) -> str:
    """A number of 1,000 or more with its unit."""
    value = float(min(count, 1 << 100))  # what a broken record claims may be more than a float holds
    for unit in _UNITS:
        value /= base
        if value < 9.95:
            return f"{value:.1f}{unit}"
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{value:.0f}{_UNITS[-1]}"
