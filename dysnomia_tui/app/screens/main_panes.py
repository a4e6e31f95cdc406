"""The panes of the main screen: which they are, and moving between them.

Pane 2 is the list of generations; where there can be none, of a container and of a component that holds no state, the
lines that its server or its type tells take that place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.screen import Screen

from dysnomia_store.model import Generation
from dysnomia_tui.app.present.components import TreeRow
from dysnomia_tui.app.widgets.host import ActionHost
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

if TYPE_CHECKING:
    from dysnomia_tui.app.screens.main import MainScreen

PANES = {"tree": "-pane-1", "generations": "-pane-2", "told": "-pane-2", "detail": "-pane-3"}
TOLD = "-told"
"""The class of a screen whose second pane tells lines."""


class MainPanes(ActionHost):
    """Three panes, and the keys that go from one to another."""

    @property
    def _screen(self) -> MainScreen:
        return cast("MainScreen", self)

    @property
    def units(self) -> VirtualTable[TreeRow]:
        return self._screen.query_one("#tree", VirtualTable)

    @property
    def list(self) -> VirtualTable[Generation]:
        return self._screen.query_one("#generations", VirtualTable)

    @property
    def told(self) -> LinesView:
        return self._screen.query_one("#told", LinesView)

    @property
    def detail(self) -> LinesView:
        return self._screen.query_one("#detail", LinesView)

    @property
    def second(self) -> VirtualTable[Any]:
        """What stands in pane 2 now."""
        return self.told if self._screen.has_class(TOLD) else self.list

    @property
    def order(self) -> tuple[VirtualTable[Any], ...]:
        return self.units, self.second, self.detail

    def tell(self, told: bool) -> None:
        """Let pane 2 be the lines, or the list. The focus stays in the pane."""
        if told == self._screen.has_class(TOLD):
            return
        focused = self.second.has_focus
        self._screen.set_class(told, TOLD)
        if focused:
            self.go_to_pane(self.second)

    def act_pane_1(self) -> None:
        self.go_to_pane(self.units)

    def act_pane_2(self) -> None:
        self.go_to_pane(self.second)

    def act_pane_3(self) -> None:
        self.go_to_pane(self.detail)

    def act_pane_next(self) -> None:
        self._turn(1)

    def act_pane_before(self) -> None:
        self._turn(-1)

    def _turn(self, direction: int) -> None:
        at = next((index for index, table in enumerate(self.order) if table.has_focus), 0)
        self.go_to_pane(self.order[(at + direction) % len(self.order)])

    def one_pane_back(self) -> None:
        """To the pane on the left; never out of the app."""
        if self.detail.has_focus:
            self.go_to_pane(self.second)
        elif self.second.has_focus:
            self.go_to_pane(self.units)

    def go_to_pane(self, table: VirtualTable[Any]) -> None:
        """Focus a pane, unhiding it first where the screen shows only one (a hidden widget takes no focus)."""
        self.now_in(table.id or "tree")
        # Now, not at the next refresh: the next key may be there already.
        self._screen.app.stylesheet.update(cast(Screen[None], self))
        table.focus()

    def now_in(self, pane: str) -> None:
        self._screen.remove_class(*PANES.values())
        self._screen.add_class(PANES[pane])
