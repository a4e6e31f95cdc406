"""The right pane of a comparison: what is to be said of one section, and its changed rows.

Rows are read a page at a time, as they are drawn; a text is looked for stretch by stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from dysnomia_store.model import Form
from dysnomia_tui.app.paged_rows import PagedRows
from dysnomia_tui.app.present import diff as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.browse import NONE_FOUND
from dysnomia_tui.app.present.text import escaped, plain
from dysnomia_tui.app.scanning import Scanner, holds, is_change
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import Diff
from dysnomia_tui.engine.records import HistoryLine, RowChange, SectionChange


class ChangedRows(Vertical):
    """One section of a comparison, or nothing yet."""

    DEFAULT_CSS = """
    ChangedRows { width: 1fr; height: 100%; border: round $border-blurred; border-title-color: $text-muted; }
    ChangedRows:focus-within { border: round $primary; border-title-color: $text; }
    ChangedRows #about { height: auto; max-height: 6; }
    ChangedRows #rows { height: 1fr; overflow-x: auto; scrollbar-size-horizontal: 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self, screen: DysnomiaScreen, widget_id: str) -> None:
        """``screen``: what is read is read for it, and dropped once it is closed."""
        super().__init__(id=widget_id)
        self.change: SectionChange | None = None
        """The section that is shown."""
        self._for = screen
        self._diff: Diff | None = None
        self._paged: PagedRows[RowChange] | None = None
        self._scanner = Scanner(screen)

    def compose(self) -> ComposeResult:
        yield Static(id="about")
        yield RowTable(widget_id="rows", markable=True)

    @property
    def rows(self) -> RowTable:
        """The numbers of the changed rows, as they are listed."""
        return self.query_one("#rows", RowTable)

    @property
    def here(self) -> RowChange | None:
        """The row under the cursor, where the rows have the focus and it has been read."""
        at = self.rows.item
        return self.row(at) if at is not None and self.rows.has_focus else None

    @property
    def is_reading(self) -> bool:
        """Whether the row that a key would be about is still being read."""
        at = self.rows.item if self.rows.has_focus else None
        paged = self._paged
        return at is not None and paged is not None and paged.row(at) is None and paged.awaits(at)

    def row(self, number: int) -> RowChange | None:
        """A changed row; None while it is read, which is begun here."""
        return self._paged.row(number) if self._paged is not None else None

    # --- a section, and none ------------------------------------------------------------------------------------

    def show(self, diff: Diff | None, change: SectionChange, *, wanted: HistoryLine | None = None) -> None:
        """Show a section, or what more is known of the one that is shown.

        Args:
            diff: the comparison; None where it failed.
            change: the section.
            wanted: the change that the cursor is to be on.
        """
        before, self.change = self.change, change
        if before is not None and present.change_key(change) == present.change_key(before):
            count = present.row_count(change)
            if count not in (present.row_count(before), present.UNKNOWN_ROWS) and not self.rows.filter_text:
                self.rows.set_items(range(count))
            return
        early = self.rows.filter_text if before is None else ""  # typed before there was anything to look in
        self._begin(diff, change)
        self.rows.set_marks(())  # they are numbers, and would be of other rows
        self.border_title = escaped(present.title(change))
        self._say_about(change)
        self._show_all(change)
        self.rows.set_filter(early)
        if wanted is not None:
            self._go_to(wanted, change)

    def forget(self) -> None:
        """Show nothing of the comparison before: what it found is of the past."""
        self._scanner.end()
        self.change = None
        self.rows.set_marks(())
        self.rows.set_empty(Text(""))
        self.rows.set_items(())
        self.border_title = self.border_subtitle = ""
        self.tell(Text(""))

    def close(self) -> None:
        """The comparison is closed: read nothing more of it."""
        if self._paged is not None:
            self._paged.end()

    def tell(self, lines: Text) -> None:
        """Above the rows: what is to be said of the section, or of the whole comparison."""
        about = self.query_one("#about", Static)
        about.update(lines)
        about.display = bool(lines)

    def _begin(self, diff: Diff | None, change: SectionChange) -> None:
        """The changed rows of another section, of which none is read yet."""
        self.close()
        self._diff, self._paged = diff, None
        if diff is None:
            return
        self._paged = PagedRows(
            self._for,
            self.rows,
            lambda _engine, start, count: diff.rows(change, start, count),
            lambda rows: present.row_columns(change, self.row, rows),
            self._failed,
        )

    def _failed(self, problem: str) -> None:
        self.rows.set_empty(plain(problem, styles.BAD))
        self.rows.set_items(())

    def _show_all(self, change: SectionChange, at: int = 0) -> None:
        """All changed rows of the section, the cursor on the one with this number: nothing is looked for."""
        self._scanner.end()
        self.rows.forget_filter()
        self.border_subtitle = ""
        self._set_columns()
        self.rows.set_empty(plain(present.why_empty(change), styles.DIM))
        self.rows.set_items(range(present.row_count(change)), to=at)

    def _set_columns(self) -> None:
        if self._paged is not None:
            self._paged.set_columns()

    def _say_about(self, change: SectionChange) -> None:
        diff = self._diff
        if diff is None:
            self._show_about(change, "")
            return
        show: Callable[[str], None] = partial(self._show_about, change)
        self._for.ask(f"diff note {id(self)}", lambda _engine: diff.note(change), show)

    def _show_about(self, change: SectionChange, note: str) -> None:
        if self.change is not None and present.change_key(change) == present.change_key(self.change):
            self.tell(Text("\n").join(present.about(change, note)))

    # --- rows with a text, and the one that is wanted ------------------------------------------------------------

    @on(RowTable.Sought)
    def _sought(self, event: RowTable.Sought) -> None:
        change, diff = self.change, self._diff
        if change is None or diff is None:
            return
        if not event.text:
            self._show_all(change, self.rows.item or 0)  # its neighbours are seen now
            return
        self.rows.set_items(())
        self._set_columns()
        self.rows.set_empty(Text("looking…", style="dim"))
        self._scanner.begin(diff, change, holds(event.text, present.columns_of(change)), self._have_found)

    def _have_found(self, numbers: tuple[int, ...], read: int, ended: bool) -> None:
        self.rows.have_found(len(numbers), read, over=ended)
        if ended:
            self.rows.set_empty(plain(NONE_FOUND, styles.DIM))
        if len(numbers) != len(self.rows.items):
            self.rows.set_items(numbers)
        self._say_hits()

    @on(VirtualTable.Highlighted, "#rows")
    def _say_hits(self) -> None:
        """Which hit of how many the cursor is on."""
        self.border_subtitle = escaped(self.rows.hits)

    def _go_to(self, line: HistoryLine, change: SectionChange) -> None:
        """Look for the row that a history tells of, and put the cursor on it."""
        if self._diff is not None and not line.whole and change.section.form is not Form.BYTES:
            self.rows.focus()
            self._scanner.begin(self._diff, change, partial(is_change, line), self._have_row, 1)

    def _have_row(self, numbers: tuple[int, ...], _read: int, _ended: bool) -> None:
        if numbers:
            self.rows.go_to(numbers[0])
