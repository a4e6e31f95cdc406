"""Bytes and counts for people, in at most four cells: one form for the commands and the screens."""

from __future__ import annotations

import re

from dysnomia_base.patterns import pattern

_UNITS = "KMGTPE"


EXAMPLES = "500M, 50G or 1.5T"
_PARSED = pattern(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(?:([KMGTPE])(?:I?B)?|B)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Parse ``500M``, ``50G``, ``1.5TiB``, ``4096B`` by 1024. Raises ValueError, naming what is understood: also for a
    number alone, since who writes 500 for what a store may hold does not mean bytes."""
    match = _PARSED.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a size: write {EXAMPLES}")
    factor: int = 1024 ** f" {_UNITS}".index((match[2] or " ").upper())
    return round(float(match[1]) * factor)


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
