"""The lines of a table as Textual draws them: text in the styles of its component classes, kept once rendered."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

MOST_KEPT = 500
"""Rendered rows that are kept: more than any screen has."""


class RowLook(NamedTuple):
    """Which row a strip is of, and how it looks."""

    row: int
    under_cursor: bool
    marked: bool


class RowStrips:
    """Renders the lines of one table."""

    def __init__(self, table: Widget) -> None:
        self._table = table
        self._rows: dict[RowLook, Strip] = {}

    def clear(self) -> None:
        """Render every row again when it is next asked for."""
        self._rows.clear()

    def head(self, titles: Text, offset: int, width: int) -> Strip:
        """The line of column titles."""
        return self._cut(self._strip(titles, self._component("head")), offset, width, self._component("head"))

    def empty(self, words: Text, line: int, width: int) -> Strip:
        """One line of the words that are shown while there are no rows."""
        lines = words.wrap(self._table.app.console, max(width, 1))
        return self._cut(self._strip(lines[line] if line < len(lines) else Text(""), Style()), 0, width, Style())

    def blank(self, width: int) -> Strip:
        """A line below the last row."""
        return Strip.blank(width, self._table.rich_style)

    def row(self, look: RowLook, render: Callable[[], tuple[Text, bool]], offset: int, width: int) -> Strip:
        """A row. ``render`` is called where it is not kept: its line, and whether that is a head, without cells."""
        strip = self._rows.get(look)
        if strip is None:
            if len(self._rows) > MOST_KEPT:
                self._rows.clear()
            strip = self._rows[look] = self._rendered(look, *render())
        style = self._row_style(look.under_cursor)
        return strip.crop(offset, offset + width).extend_cell_length(width, style)

    def _rendered(self, look: RowLook, line: Text, is_head: bool) -> Strip:
        style = self._row_style(look.under_cursor)
        if is_head:
            return self._strip(line, style)
        if look.marked and not look.under_cursor:
            style = style + self._component("marked", partial=True)
        if look.under_cursor and self._table.has_focus:
            # One colour on the cursor's ground, or half of the states could not be read on it; glyph and word stay.
            line.stylize(Style(color=style.color, bold=True, dim=False))
        return self._strip(line, style)

    def _row_style(self, under_cursor: bool) -> Style:
        if not under_cursor:
            return self._table.rich_style
        return self._table.rich_style + self._component("cursor" if self._table.has_focus else "cursor-blurred")

    def _component(self, name: str, *, partial: bool = False) -> Style:
        return self._table.get_component_rich_style(f"virtual-table--{name}", partial=partial)

    def _strip(self, text: Text, style: Style) -> Strip:
        return Strip(text.render(self._table.app.console)).apply_style(self._table.rich_style + style)

    def _cut(self, strip: Strip, offset: int, width: int, style: Style) -> Strip:
        return strip.crop(offset, offset + width).extend_cell_length(width, self._table.rich_style + style)
