"""What an action is: one entry of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dysnomia_tui.app.actions import reasons
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.engine.plans.plan import Grade


@dataclass(frozen=True, slots=True)
class Action:
    """Something an operator can do."""

    id: str
    """Stable: ``config.toml`` remaps by it."""
    title: str
    help: str
    """One sentence."""
    keys: tuple[str, ...]
    """In order; the first is the one shown. Plain characters and names that reach a server through ssh and tmux."""
    scope: str
    """Where it works: ``everywhere``, ``list``, or a screen's name."""
    grade: Grade = Grade.READ
    """The least grade of danger that what it starts can have: from ``ADDS`` on it is gated when read-only."""
    footer: str = ""
    """Its word in the footer; ``""`` keeps it out."""
    disabled_reason: Callable[[Selection], str] = reasons.never
    """Why it cannot be done here, or ``""``."""
    asks_for_text: bool = False
    """Whether the operator types words after its key. Where it is refused, those words must not run as keys."""

    @property
    def method(self) -> str:
        return "act_" + self.id.replace("-", "_")

    def why_not(self, here: Selection) -> str:
        """Why it cannot be done here, the read-only gate included; ``""`` if it can."""
        if self.grade >= Grade.ADDS and here.read_only:
            return f"read-only: {here.read_only}"
        return self.disabled_reason(here)

    def run(self, carrier: object) -> None:
        """Carry it out on what has its method: a screen, a widget, or a controller of one."""
        method: Callable[[], Any] = getattr(carrier, self.method)
        method()


def action(
    id_: str,
    keys: str,
    title: str,
    help_: str,
    scope: str,
    grade: Grade = Grade.READ,
    footer: str = "",
    why: Callable[[Selection], str] = reasons.never,
    text: bool = False,
) -> Action:
    """Make an action; its keys are given in one string, with blanks between them."""
    return Action(id_, title, help_, tuple(keys.split()), scope, grade, footer, why, text)
