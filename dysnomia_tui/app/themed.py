"""The app's colours: the theme that is configured, or that the operator chose and that is remembered."""

from __future__ import annotations

from collections.abc import Mapping

from dysnomia_tui.app import theme
from dysnomia_tui.app.remembered import Remembered
from dysnomia_tui.app.terminal.key_order import TypingAhead
from dysnomia_tui.config import Settings


class Themed(TypingAhead):
    """An app whose theme can be chosen while it runs."""

    settings: Settings
    _environ: Mapping[str, str]
    _remembered: Remembered
    _own_theme: str
    """What the operator chose; ``""`` where they did not."""

    def get_css_variables(self) -> dict[str, str]:
        variables = super().get_css_variables()
        if self.theme in theme.NATIVE:
            # Textual's own are black and white: lines that cannot be seen on a ground of that colour.
            variables["border-blurred"] = "ansi_bright_black"
        return variables

    @property
    def chosen_theme(self) -> str:
        return self._own_theme or theme.AUTOMATIC

    def themes(self) -> list[tuple[str, str, str]]:
        return [] if self.no_color else theme.listed(self.available_themes, self.settings.theme)

    def show_theme(self, name: str) -> None:
        wanted = self.settings.theme if name == theme.AUTOMATIC else name
        chosen = theme.pick(wanted, self._environ, self.no_color)
        self.ansi_color = None  # as the theme says: what was told at the start was about another
        self.theme = chosen if chosen in self.available_themes else theme.DARK.name

    def take_theme(self, name: str | None) -> None:
        if name is None:
            self.show_theme(self.chosen_theme)
            return
        self._own_theme = "" if name == theme.AUTOMATIC else name
        self.show_theme(name)
        try:
            self._remembered.keep("theme", self._own_theme)
        except OSError as error:
            words = f"it is not remembered: {error.filename}: {error.strerror}"
            self.notify(words, title="Theme", severity="warning", markup=False)
