"""A table of rows that are read as they come on the screen: its items are their numbers, ``/`` asks for a search."""

from __future__ import annotations

from typing import TypeAlias

from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present.browse import found_words
from dysnomia_tui.app.widgets.table_messages import TableMessage
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class Sought(TableMessage, namespace="row_table"):
    """Rows with a text are wanted; ``""``: all of them again."""

    def __init__(self, table: RowTable, text: str) -> None:
        super().__init__(table)
        self.text = text


class RowTable(VirtualTable[int]):
    """Rows by number. What a filter would look in is not here: the screen looks for it, and lists what it finds."""

    BINDINGS = bindings("search")
    FILTER_HINT = "find a text or column=value (a leading ! finds the others); Enter finds, n and N go through the hits"
    Sought: TypeAlias = Sought

    def __init__(self, *, widget_id: str, markable: bool = False) -> None:
        super().__init__(key=lambda row: row, widget_id=widget_id, markable=markable)
        self._sought = ""
        self._found = (0, 0, False)

    @property
    def searching(self) -> bool:
        """Whether only rows that were found are listed."""
        return bool(self._sought)

    @property
    def marked_rows(self) -> list[int]:
        """The numbers of the marked rows."""
        return sorted(mark for mark in self.marks if isinstance(mark, int))

    @property
    def filter_text(self) -> str:
        return self._sought

    def filter_typed(self, text: str) -> None:
        """Nothing yet: a search begins when the text is there."""

    def set_filter(self, text: str) -> None:
        if text != self._sought:
            self._sought = text
            self.post_message(self.Sought(self, text))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Its keys for hits are the screen's own while nothing is searched for."""
        if action == "act" and parameters and str(parameters[0]).startswith("hit-"):
            return self.searching
        return super().check_action(action, parameters)

    def act_hit_next(self) -> None:
        self._turn(1)

    def act_hit_before(self) -> None:
        self._turn(-1)

    def _turn(self, direction: int) -> None:
        """To the next hit; after the last of those that are listed comes the first."""
        if self.shown:
            self._move((self.row + direction) % len(self.shown))

    def have_found(self, count: int, read: int, *, over: bool) -> None:
        """So many were found so far, in so many rows that were read."""
        self._found = (count, read, over)

    @property
    def hits(self) -> str:
        """Which hit of how many the cursor is on, in words; ``""`` where nothing is searched for."""
        count, read, over = self._found
        at = self.row + 1 if self.shown else 0
        return found_words(self._sought, at, count, read, over=over) if self.searching else ""

    def forget_filter(self) -> None:
        """Other rows are shown: what was looked for is over."""
        self._sought = ""
        self._found = (0, 0, False)
        self.border_subtitle = ""
