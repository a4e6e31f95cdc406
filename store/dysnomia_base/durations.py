"""Durations as an operator writes them: one grammar for config.toml, the commands and every prompt."""

from __future__ import annotations

import re
from datetime import timedelta

from dysnomia_base.patterns import pattern

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST = timedelta(days=36_525)
"""A hundred years. Longer ones are refused: added to a time they would leave the calendar."""
EXAMPLES = "90s, 30m, 26h, 1.5d, 2w or 1w3d"
_TEXT = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([smhdw])"
_PART = pattern(_TEXT, re.IGNORECASE)
_WHOLE = pattern(rf"(?:{_TEXT}\s*)+", re.IGNORECASE)


def parse_duration(text: str) -> timedelta:
    """Parse ``90s``, ``30m``, ``26h``, ``1.5d``, ``2w``, ``1w3d``. Raises ValueError, naming what is understood."""
    stripped = text.strip()
    if len(stripped) > 100 or not _WHOLE.fullmatch(stripped):
        raise ValueError(f"{text[:40]!r} is not a duration: write {EXAMPLES}")
    seconds = sum(float(number) * UNITS[unit.lower()] for number, unit in _PART.findall(stripped))
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{text[:40]!r} is too long: 100 years at most")
    return timedelta(seconds=seconds)


def parse_keeping(text: str) -> timedelta:
    """The same, of how long something is to be kept. Raises ValueError also for minutes: restic and borg take ``6m``
    for six months there, and whoever means these would lose everything that is older than six minutes."""
    span = parse_duration(text)
    if "m" in text.casefold():
        raise ValueError(f"{text[:40]!r} could be minutes or months: write days or weeks, such as 180d or 26w, or 90s")
    return span


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads as the same, to the second."""
    return _formatted(value, "wdhms")


def format_keeping(value: timedelta) -> str:
    """The same for ``parse_keeping``: without minutes."""
    return _formatted(value, "wdhs")


def _formatted(value: timedelta, units: str) -> str:
    rest = int(value.total_seconds())
    text = ""
    for unit in units:
        count, rest = divmod(rest, UNITS[unit])
        if count:
            text += f"{count}{unit}"
    return text or "0s"


def age_of(seconds: float) -> str:
    """The same of seconds, whatever another machine says they are."""
    return age(timedelta(seconds=min(max(seconds, 0.0), LONGEST.total_seconds())))


def age(span: timedelta) -> str:
    """How long ago, in at most three cells: ``now``, ``12m``, ``3h``, ``14d``, ``9w``, ``2y``."""
    seconds = span.total_seconds()
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)}h"
    days = int(seconds // 86400)
    if days < 100:
        return f"{days}d"
    return f"{days // 7}w" if days < 700 else f"{days // 365}y"
