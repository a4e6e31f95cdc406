"""Durations as an operator writes them: ``90s``, ``30m``, ``26h``, ``7d``, ``2w``, ``1w3d``."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"(\d{1,9})([smhdw])")


def parse_duration(text: str) -> timedelta:
    """Raises ValueError, naming what is understood."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(f"{text!r} is no duration: write 90s, 30m, 26h, 7d or 2w")
    return timedelta(seconds=sum(int(number) * UNITS[unit] for number, unit in parts))


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads as the same."""
    rest = int(value.total_seconds())
    text = ""
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(rest, UNITS[unit])
        if count:
            text += f"{count}{unit}"
    return text or "0s"
