"""The one key that is kept while what it needs is being read, and runs when that is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.selection import Selection

PATIENCE = timedelta(seconds=15)
"""After which nobody expects it any more."""


@dataclass(frozen=True, slots=True)
class KeptKey:
    """An action that waits."""

    action: Action
    carrier: object
    screen: int
    """In front when the key was typed."""
    of: ComponentKey | None
    """Under the cursor then; None where nothing was yet."""
    at: datetime

    def is_due(self, here: Selection, screen: int, now: datetime) -> bool:
        """Whether it means what it meant: the same screen, the same component, not long ago."""
        same = self.of is None or self.of == here.key
        return same and self.screen == screen and now - self.at < PATIENCE
