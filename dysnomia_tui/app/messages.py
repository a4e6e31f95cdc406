"""What is said to the operator: one message an event, gone with the screen it is about, kept to be read again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["information", "warning", "error"]
REMEMBERED = 200
"""Messages that can be read again."""
DEFAULT = 5.0
"""Seconds that a message is shown where nobody says for how long."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    title: str
    text: str
    severity: Severity
    at: datetime
    seconds: float
    """For how long it is still to be shown."""
    screen: int | None = None
    """On which screen it was raised; None: it is about no screen, and stays when one is closed."""

    @property
    def words(self) -> str:
        """Title and text in one line."""
        return ": ".join(filter(None, (self.title, self.text)))


class Messages:
    """What is shown now, and what was shown before."""

    def __init__(self) -> None:
        self.shown: list[Said] = []
        """Oldest first."""
        self.said: deque[Said] = deque(maxlen=REMEMBERED)

    def say(self, message: Said) -> None:
        """Show a message. The same one again takes the place of the first, and so does a newer one that is no error of
        the screen: what was said of the key before is over."""
        self.shown = [one for one in self.shown if not _over(one, message)]
        self.shown.append(message)
        self.said.append(message)

    def front(self, screen: int) -> tuple[Said, ...]:
        """What is shown on a screen."""
        return tuple(one for one in self.shown if one.screen in (None, screen))

    def passed(self, seconds: float, screen: int) -> bool:
        """Time has passed with a screen in front: only what could be seen grows old. Whether anything is gone."""
        before = len(self.shown)
        aged = [
            replace(one, seconds=one.seconds - seconds) if one.screen in (None, screen) else one for one in self.shown
        ]
        self.shown = [one for one in aged if one.seconds > 0]
        return len(self.shown) != before

    def closed(self, screen: int) -> None:
        """A screen is closed: what it said goes with it."""
        self.shown = [one for one in self.shown if one.screen != screen]

    def forget(self, text: str) -> None:
        """What was said is over: show it no more."""
        self.shown = [one for one in self.shown if one.text != text]

    def clear(self) -> None:
        """Show nothing but errors."""
        self.shown = [one for one in self.shown if one.severity == "error"]


def _over(old: Said, new: Said) -> bool:
    if (old.title, old.text) == (new.title, new.text):
        return True
    return old.screen is not None and old.screen == new.screen and old.severity != "error"
