"""What a type tells an operator of a component as it is now: facts with their times, and the last lines it logged."""

from __future__ import annotations

import enum
from datetime import datetime

from dysnomia_base.records import dataclass


class Tone(enum.StrEnum):
    """How a fact is meant; the screen chooses the colour."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line. Times and sizes are values, so that the screen shows them in its own zone and units."""

    text: str
    at: datetime | None = None
    """The time that the text ends with (``web.service active since``); of a line of a log, when it was written."""
    memory: int | None = None
    """Bytes that it takes."""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Status:
    """How a component is. All of it is optional: a type tells what it knows."""

    word: str = ""
    """``active``, ``failed``: for the title."""
    tone: Tone = Tone.PLAIN
    facts: tuple[Fact, ...] = ()
    log: tuple[Fact, ...] = ()
    """The last lines it logged, oldest first."""
    log_note: str = ""
    """Where the lines come from, or why there are none."""
