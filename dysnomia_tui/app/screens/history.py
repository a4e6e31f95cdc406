"""The history of a row, a line or a section: in which generations it was, and what it was in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual import on
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.controllers.changes import undo_newest
from dysnomia_tui.app.controllers.putting_back import put_line_back
from dysnomia_tui.app.finds import Cells, Finds, Looked
from dysnomia_tui.app.present import history as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import escaped, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.reading_pane import ReadingPane
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import HistoryAsked, Search
from dysnomia_tui.engine.records import HistoryLine

EVERY = 0.2
"""Seconds between two looks at a search under way."""


def _cells(line: HistoryLine) -> Iterable[Cells]:
    return (cells for cells in (line.row.old, line.row.new) if cells is not None)


class HistoryScreen(DysnomiaScreen):
    """One line a change, newest first; below it what it was and became."""

    SCOPE = "history"
    PANES = ("lines", "about")
    STACKED = True
    BINDINGS = bindings("history", "everywhere")
    AUTO_FOCUS = "#lines"
    DEFAULT_CSS = """
    HistoryScreen #lines { height: 1fr; min-height: 5; border: round $border-blurred; border-title-color: $text-muted;
        border-subtitle-color: $text-disabled; }
    HistoryScreen #lines:focus { border: round $primary; border-title-color: $text; }
    HistoryScreen #about { height: auto; max-height: 45%; padding: 0 1; }
    HistoryScreen #about Static { height: auto; }
    HistoryScreen #about:focus { background: $boost; }
    """

    def __init__(self, key: ComponentKey, asked: HistoryAsked, title: str) -> None:
        super().__init__()
        self._of = key
        self._asked = asked
        self._title = title
        self._search: Search[HistoryLine] | None = None
        self._found = Finds(_cells)
        self._ended = False

    def compose_body(self) -> Iterable[Widget]:
        yield VirtualTable[HistoryLine](
            key=present.line_key, words=present.line_words, widget_id="lines", empty="reading the generations…"
        )
        with ReadingPane(id="about"):
            yield Static(id="detail")

    @property
    def lines(self) -> VirtualTable[HistoryLine]:
        return self.query_one("#lines", VirtualTable)

    def here(self) -> Selection:
        state = self.services.state
        return Selection(
            component=state.component(self._of),
            container=state.container(self._of.container),
            reading=not self._ended and not self.lines.items,
            undo=state.undoable(self._of),
        )

    def on_mount(self) -> None:
        self.lines.border_title = escaped(f"{self._of.component}: history of {self._title}")
        self.set_path(f"{self._of}/history of {self._title}")
        key, asked = self._of, self._asked
        self.services.client.ask(
            f"history {id(self)}", lambda engine: engine.history(key, asked), self._begun, self._failed
        )
        self.set_interval(EVERY, self._look)

    def on_unmount(self) -> None:
        search, self._search = self._search, None
        self._ended = True
        if search is not None:
            self._close(search)

    def _close(self, search: Search[HistoryLine]) -> None:
        self.services.client.ask(f"history close {id(self)}", lambda _engine: search.close(), lambda _none: None)

    # --- the search under way -----------------------------------------------------------------------------------

    def _begun(self, search: Search[HistoryLine]) -> None:
        if not self.is_attached:
            self._close(search)
            return
        self._search = search
        self._look()

    def _failed(self, problem: str) -> None:
        self._ended = True
        self.lines.set_empty(plain(problem, styles.BAD))
        if self.lines.items:
            self.services.trouble(problem)

    def _look(self) -> None:
        """Take what was found since the last look."""
        search = self._search
        if search is None or self._ended:
            return

        self.ask(f"history look {id(self)}", self._found.look(search), self._have)

    def _have(self, looked: Looked[HistoryLine]) -> None:
        if not self.is_attached or self._ended or not self._found.have(looked):
            return
        complete = self._found.complete(looked.count)
        if looked.items:
            lines = tuple(self._found.items)
            self._set_columns(self.services.times, lines)
            self.lines.set_items(lines)
            self._show(self.lines.item, self.services.times)
        if looked.error and complete:
            self._failed(looked.error)
            return
        self._ended = looked.over and complete
        if self._ended:
            notes = looked.notes
            self.lines.set_empty(Text("\n").join([plain("no generation has it", styles.DIM), *map(plain, notes)]))
            for note in notes:
                self.services.trouble(note)
        left = present.outcome(len(self._found.items), looked.count, looked.notes)
        self.lines.border_subtitle = escaped(left if self._ended else present.working(*looked.progress))
        if not complete:
            self._look()

    # --- panes -------------------------------------------------------------------------------------------------

    @on(VirtualTable.Edge, "#lines")
    def _to_detail(self, event: VirtualTable.Edge) -> None:
        if event.direction > 0 and self.lines.item is not None:
            self.query_one("#about", ReadingPane).show()

    @on(ReadingPane.Left)
    def _to_lines(self) -> None:
        self.lines.focus()

    def act_history_pane(self) -> None:
        if self.lines.has_focus and self.lines.item is not None:
            self.query_one("#about", ReadingPane).show()
        else:
            self.lines.focus()

    def act_back(self) -> None:
        if self.lines.has_focus:
            super().act_back()
        else:
            self.lines.focus()

    # --- one line -----------------------------------------------------------------------------------------------

    @on(VirtualTable.Highlighted, "#lines")
    def _line_changed(self, event: VirtualTable.Highlighted) -> None:
        self._show(event.item, self.services.times)

    def _show(self, line: HistoryLine | None, times: Times) -> None:
        self.query_one("#about").styles.min_height = present.height(self.lines.items)
        self.query_one("#detail", Static).update(self._detail(line, times) if line is not None else Text(""))

    def _detail(self, line: HistoryLine, times: Times) -> Text:
        view = self.services.state.component(self._of)
        newest = view.newest.number if view is not None and view.newest is not None else None
        return present.detail(line, times, present.last_seen(line, self.lines.items, newest))

    def _set_columns(self, times: Times, lines: Sequence[HistoryLine]) -> None:
        several = not self._asked.section and self._asked.row is None
        self.lines.set_columns(present.columns(times, lines, several=several))

    def on_times(self, times: Times) -> None:
        self._set_columns(times, self.lines.items)
        self._show(self.lines.item, times)

    @on(VirtualTable.Chosen, "#lines")
    def act_history_diff(self) -> None:
        """The comparison that shows this change."""
        line: HistoryLine | None = self.lines.item
        if line is None:
            return
        if line.before is None:
            self.services.trouble(f"generation {line.generation} is the oldest: there is nothing to compare it with")
            return
        self.services.go.diff(self._of, line.before, line.generation, line)

    def act_history_copy(self) -> None:
        """The row as the line under the cursor has it."""
        line: HistoryLine | None = self.lines.item
        if line is not None:
            self.services.copy(self._detail(line, self.services.times).plain, "the line")

    def act_history_put(self) -> None:
        """The row as this line has it, into what is live."""
        line: HistoryLine | None = self.lines.item
        if line is not None:
            put_line_back(self.services, self._of, self._asked, line)

    def act_history_undo(self) -> None:
        undo_newest(self.services)
