"""A pane of lines that scrolls: prose is wrapped, rows are drawn to the width."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from rich.text import Text

from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

UNKNOWN_WIDTH = 80
"""Cells that are reckoned with as long as a pane has no width."""


@dataclass(frozen=True)
class Line:
    """One line on the screen."""

    number: int
    text: Text
    source: int
    """Which of the lines given it is (part of)."""


def _number(line: Line) -> Hashable:
    return line.number


def _text(line: Line) -> Text:
    return line.text


class LinesView(VirtualTable[Line]):
    """Lines of text with a cursor, so that they can be read and copied by keys."""

    DEFAULT_CSS = """
    LinesView > .virtual-table--cursor-blurred { background: transparent; text-style: none; }
    LinesView:light > .virtual-table--cursor-blurred { background: transparent; }
    LinesView:ansi > .virtual-table--cursor-blurred { text-style: none; }
    LinesView:nocolor > .virtual-table--cursor-blurred { text-style: none; }
    """

    def __init__(self, *, widget_id: str | None = None, empty: str = "") -> None:
        super().__init__(
            (Column("text", "", 1, _text, gap=0, flex=1),), key=_number, head=False, empty=empty, widget_id=widget_id
        )
        self._make: Callable[[int], Sequence[Text]] = lambda _cells: ()

    def show(self, make: Callable[[int], Sequence[Text]], *, top: bool = False) -> None:
        """Show what ``make(cells)`` gives for the pane's width; called again when that changes.

        Args:
            make: the lines for a width.
            top: whether to go back to the first line (other content).
        """
        self._make = make
        self._fill(top)

    def _fill(self, top: bool = False) -> None:
        lines = self._wrapped(self.scrollable_content_region.width)
        self.set_items(lines, to=0 if top else None)
        if top:
            self.scroll_to(y=0, animate=False)

    def _lay_out_columns(self, width: int) -> None:
        if width != self._laid_out_for and width > 0 and self._listing.items:
            self._listing.put(self._wrapped(width))
            self._cursor = self._listing.arrange(self._columns, self._cursor, self._cursor)
        super()._lay_out_columns(width)

    def _wrapped(self, width: int) -> list[Line]:
        """The lines for a width; for that of no pane where it has none yet, never one letter a line."""
        cells = width if width > 0 else UNKNOWN_WIDTH
        lines: list[Line] = []
        for source, text in enumerate(self._make(cells)):
            text = text.copy()
            text.no_wrap = False
            parts = text.wrap(self.app.console, cells) if text.cell_len > cells else [text]
            for part in parts:
                part.no_wrap = True
                part.rstrip()
                lines.append(Line(len(lines), part, source))
        return lines

    def on_resize(self) -> None:
        self._fill()
