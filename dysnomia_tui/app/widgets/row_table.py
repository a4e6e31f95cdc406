"""A table of rows that are read as they come on the screen: its items are their numbers, ``/`` asks for a search."""

from __future__ import annotations

from typing import TypeAlias

from dysnomia_tui.app.widgets.table_messages import TableMessage
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class Sought(TableMessage, namespace="row_table"):
    """Rows with a text are wanted; ``""``: all of them again."""

    def __init__(self, table: RowTable, text: str) -> None:
        super().__init__(table)
        self.text = text


class RowTable(VirtualTable[int]):
    """Rows by number. What a filter would look in is not here: the screen looks for it, and lists what it finds."""

    Sought: TypeAlias = Sought

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(key=lambda row: row, widget_id=widget_id)
        self._sought = ""

    @property
    def filter_text(self) -> str:
        return self._sought

    def filter_typed(self, text: str) -> None:
        """Nothing yet: a search begins when the text is there."""

    def set_filter(self, text: str) -> None:
        if text != self._sought:
            self._sought = text
            self.post_message(self.Sought(self, text))

    def forget_filter(self) -> None:
        """Other rows are shown: what was looked for is over."""
        self._sought = ""
        self.border_subtitle = ""
