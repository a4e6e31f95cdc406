"""What is told: which events, of which host, and the command that shows each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_base.records import dataclass
from dysnomia_base.secrets import Redactor
from dysnomia_tui.engine.records import Level

LONGEST, MOST = 500, 50
"""Characters of one event's text, and events that the text of a message lists."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that asks for a person, for as long as it lasts."""

    subject: str
    """What it is about, by which it is known again: ``component shop/orders``, ``task collect``, an alarm's topic."""
    what: str
    """The same for a person."""
    level: Level
    word: str
    """``failed``, ``stale``, ``never``, ``unknown``, ``review`` or ``alarm``."""
    text: str
    command: str
    """What shows it."""


_NEVER = "never"
"""The word of a component without any generation: alone it says nothing in a sentence."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A condition that began or changed (``well``: one that ended)."""

    condition: Condition
    well: bool = False

    @property
    def line(self) -> str:
        text = self.condition
        if text.word == _NEVER:
            return self.short
        if self.well:
            return f"{text.what}: this is over: {text.word}{f', {text.text}' if text.text else ''}"
        return f"{text.what} {text.word}: {text.text}" if text.text else f"{text.what} {text.word}"

    @property
    def short(self) -> str:
        """Of a title."""
        text = self.condition
        if text.word == _NEVER:
            return f"{text.what} {'has a snapshot now' if self.well else 'was never snapshotted'}"
        return f"{text.what} {f'no longer {text.word}' if self.well else text.word}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is told at once."""

    host: str
    at: datetime
    happenings: tuple[Happening, ...]
    test: bool = False

    @property
    def level(self) -> Level:
        return max((one.condition.level for one in self.happenings if not one.well), default=Level.OK)

    @property
    def event(self) -> str:
        """The events' words, each once."""
        words = {"well" if one.well else one.condition.word for one in self.happenings}
        return "test" if self.test else ",".join(sorted(words))

    @property
    def title(self) -> str:
        if self.test:
            return f"{self.host}: a test message of dysnomia-tui"
        first, more = self.happenings[0], len(self.happenings) - 1
        return f"{self.host}: {first.short}{f', and {more} more' if more else ''}"

    @property
    def text(self) -> str:
        """The whole message for people: a line an event, and the commands that show them."""
        if self.test:
            return f"Sent by dysnomia-tui notify --test on {self.host}: messages arrive here."
        lines = [one.line for one in self.happenings[:MOST]]
        if len(self.happenings) > MOST:
            lines.append(f"and {len(self.happenings) - MOST} more")
        return "\n".join([*lines, "", f"on {self.host}:", *(f"  {command}" for command in self.commands)])

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.condition.command for one in self.happenings[:MOST]))

    def document(self) -> Mapping[str, Any]:
        """The message for programs."""
        return {
            "host": self.host,
            "at": self.at.isoformat(),
            "event": self.event,
            "level": self.level.name.lower(),
            "title": self.title,
            "text": self.text,
            "events": [
                {
                    "event": "well" if one.well else one.condition.word,
                    "subject": one.condition.what,
                    "level": Level.OK.name.lower() if one.well else one.condition.level.name.lower(),
                    "text": one.condition.text,
                    "command": one.condition.command,
                }
                for one in self.happenings
            ],
        }


def clean(text: str, redactor: Redactor) -> str:
    """A text as it may be sent: without secrets and control characters, and of a bounded length."""
    shown = visible(redactor.hide(text))
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
