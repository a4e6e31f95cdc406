"""Windows of text to be read: all of a row, and what was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from dysnomia_tui.app.present import said
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.present.whole_row import CellLine
from dysnomia_tui.app.services import Services, services_of
from dysnomia_tui.app.widgets.filter_line import FilterLine
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class ReadingScreen(ModalScreen[None]):
    """Lines in a frame as large as the terminal."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Close", show=False)]
    AUTO_FOCUS = "#reading"
    DEFAULT_CSS = """
    ReadingScreen { align: center middle; }
    ReadingScreen #reading { width: 100%; max-width: 140; height: auto; max-height: 90%; margin: 0 1 2 1;
        border: round $primary; background: $surface; padding: 0 1; border-subtitle-color: $text-muted; }
    """

    @property
    def services(self) -> Services:
        """What the app does for it."""
        return services_of(self)

    @property
    def lines(self) -> LinesView:
        return self.query_one("#reading", LinesView)

    def compose(self) -> ComposeResult:
        yield LinesView(widget_id="reading")
        yield FilterLine(widget_id="filter")

    @on(VirtualTable.FilterAsked)
    def _filter_asked(self, event: VirtualTable.FilterAsked) -> None:
        event.stop()
        self.query_one(FilterLine).open_for(event.table)

    def fill(self, title: str, foot: str, texts: Sequence[Text]) -> None:
        """Show these lines."""
        self.lines.border_title = escaped(title)
        self.lines.border_subtitle = escaped(foot)
        self.lines.show(lambda _cells: texts, top=True)

    def action_leave(self) -> None:
        """The filter first, then the window."""
        if self.lines.filter_text:
            self.lines.set_filter("")
        else:
            self.dismiss(None)


class RowScreen(ReadingScreen):
    """All of a row, a line a column; ``c`` copies the cell under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy the cell", show=False)]

    def __init__(self, title: str, lines: Sequence[CellLine]) -> None:
        super().__init__()
        self._title = title
        self._cells = lines

    def on_mount(self) -> None:
        self.fill(self._title, "c copies the cell, Esc closes", [line.text for line in self._cells])

    def action_copy(self) -> None:
        line = self.lines.item
        if line is not None:
            self.services.copy(self._cells[line.source].cell, "the cell")


class MessagesScreen(ReadingScreen):
    """What was said since the start."""

    def on_mount(self) -> None:
        self.fill("Messages", "Esc closes", said.all_said(self.services.messages.said, self.services.times))
