"""The panes side by side, and moving between them.

Pane 2 is the list of generations; where there can be none, of a container and of a component that holds no state, the
lines that its server or its type tells take that place.
"""

from __future__ import annotations

from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from dysnomia_tui.app.panes.components import ComponentsPane
from dysnomia_tui.app.panes.detail import DetailPane
from dysnomia_tui.app.panes.generations import GenerationsPane
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

PANES = {"tree": "-pane-1", "generations": "-pane-2", "told": "-pane-2", "detail": "-pane-3"}
"""By widget: the class of the screen while it has the focus."""
TOLD = "-told"
"""The class of a screen whose second pane tells lines."""


class Panes(Horizontal):
    """All panes of the main screen. Which of them are seen is CSS's affair, by classes of the screen."""

    def __init__(self) -> None:
        super().__init__(id="panes")
        self.units = ComponentsPane()
        self.generations = GenerationsPane()
        self.told = LinesView(widget_id="told")
        self.welcome = LinesView(widget_id="welcome")
        self.detail = DetailPane()

    def compose(self) -> ComposeResult:
        yield self.units
        with Vertical(id="right"):
            yield self.generations
            yield self.told
            yield self.welcome
            yield self.detail

    @property
    def second(self) -> VirtualTable[Any]:
        """What is in pane 2 now."""
        return self.told if self.screen.has_class(TOLD) else self.generations

    @property
    def order(self) -> tuple[VirtualTable[Any], ...]:
        """From left to right."""
        return self.units, self.second, self.detail

    def tell(self, detailed: bool) -> None:
        """Let pane 2 be the lines, or the list. The focus stays in the pane."""
        if detailed == self.screen.has_class(TOLD):
            return
        focused = self.second.has_focus
        self.screen.set_class(detailed, TOLD)
        if focused:
            self.go_to(self.second)

    def act_pane_1(self) -> None:
        self.go_to(self.units)

    def act_pane_2(self) -> None:
        self.go_to(self.second)

    def act_pane_3(self) -> None:
        self.go_to(self.detail)

    def act_pane_next(self) -> None:
        self._turn(1)

    def act_pane_before(self) -> None:
        self._turn(-1)

    def _turn(self, direction: int) -> None:
        at = next((index for index, table in enumerate(self.order) if table.has_focus), 0)
        self.go_to(self.order[(at + direction) % len(self.order)])

    def one_back(self) -> None:
        """To the pane on the left; never out of the app."""
        if self.detail.has_focus:
            self.go_to(self.second)
        elif self.second.has_focus:
            self.go_to(self.units)

    def go_to(self, table: VirtualTable[Any]) -> None:
        """Focus a pane, unhiding it first where the screen shows only one (a hidden widget takes no focus)."""
        self._now_in(table.id or "tree")
        # Now, not at the next refresh: the next key may be there already.
        self.app.stylesheet.update(self.screen)
        table.focus()

    def _now_in(self, pane: str) -> None:
        self.screen.remove_class(*PANES.values())
        self.screen.add_class(PANES[pane])

    @on(VirtualTable.Edge)
    def _edge(self, event: VirtualTable.Edge) -> None:
        at = self.order.index(event.table) + event.direction
        if 0 <= at < len(self.order):
            self.go_to(self.order[at])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        name = event.widget.id or ""
        if name in PANES:
            self._now_in(name)
