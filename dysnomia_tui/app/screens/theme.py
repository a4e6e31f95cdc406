"""The themes by name; each is shown while the cursor is on it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import OptionList

from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen
from dysnomia_tui.app.services import services_of


class ThemeScreen(ChoiceScreen):
    """Dismissed with the name of a theme, ``automatic``, or None on Esc."""

    def __init__(self, choices: Sequence[Choice], *, at: str) -> None:
        super().__init__("Theme", choices, at=at)

    @on(OptionList.OptionHighlighted)
    def _seen(self, event: OptionList.OptionHighlighted) -> None:
        services_of(self).show_theme(event.option_id or "")
