"""The line in which a filter is typed, over the path bar; what it finds is shown while it is typed."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class FilterLine(Input):
    """Filters the table that asked for it. Enter keeps the filter, Esc takes it away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "No filter", show=False),
        Binding("down,up,tab", "keep", "Keep the filter", show=False),
    ]
    DEFAULT_CSS = """
    FilterLine { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    FilterLine:focus { border: none; }
    """

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._table: VirtualTable[Any] | None = None

    def open_for(self, table: VirtualTable[Any]) -> None:
        """Begin to filter ``table``."""
        self._table = table
        self.placeholder = table.FILTER_HINT
        self.value = table.filter_text
        self.display = True
        # At once, so that the next key comes here.
        self.screen.set_focus(self)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._table is not None and self.display:
            self._table.filter_typed(event.value)

    @on(Input.Submitted)
    def action_keep(self, event: Input.Submitted | None = None) -> None:
        if event is not None:
            event.stop()
        if self._table is not None:
            self._table.set_filter(self.value)
        self._close()

    def action_clear(self) -> None:
        if self._table is not None:
            self._table.set_filter("")
        self._close()

    def _close(self) -> None:
        self.display = False
        if self._table is not None:
            self._table.focus()
        self._table = None
