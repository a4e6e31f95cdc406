"""A look into a generation: its sections at the left, the rows or lines of one at the right, read as one scrolls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from rich.text import Text
from textual import on
from textual.containers import Horizontal
from textual.widget import Widget

from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.finds import Finds, Looked
from dysnomia_tui.app.paged_rows import PagedRows
from dysnomia_tui.app.present import browse, whole_row
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.reading import RowScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import FindAsked, Search
from dysnomia_tui.engine.records import FoundRow

AT_MOST = 100_000
"""Sections listed."""
A_PART = 300
"""Sections of which is asked at once what tells which they are."""
EVERY = 0.2
"""Seconds between two looks at a search under way."""
Cells = tuple[str | None, ...]


def _cells_of(row: FoundRow) -> Iterable[Cells]:
    return (row.cells,)


class BrowseScreen(DysnomiaScreen):
    """What is in one generation."""

    SCOPE = "browse"
    SCOPES = ("search", "list", "everywhere")
    PANES = ("sections", "rows")
    BINDINGS = bindings("browse", "everywhere")
    AUTO_FOCUS = "#sections"
    DEFAULT_CSS = """
    BrowseScreen #sections { width: 32; height: 100%; border: round $border-blurred; scrollbar-size: 0 0; }
    BrowseScreen #rows { width: 1fr; height: 100%; border: round $border-blurred; overflow-x: auto;
        scrollbar-size-horizontal: 1; scrollbar-size-vertical: 1; }
    BrowseScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    BrowseScreen VirtualTable:focus { border: round $primary; border-title-color: $text; }
    BrowseScreen.-narrow #sections { width: 24; }
    BrowseScreen.-told #sections { width: 2fr; }
    """

    def __init__(self, key: ComponentKey, number: int, section: Section | None = None) -> None:
        super().__init__()
        self._of = key
        self._number = number
        self._first = section
        self._section: Section | None = None
        self._listed = False
        self._all_rows: PagedRows[Cells] | None = None
        self._search: Search[FoundRow] | None = None
        self._finds = Finds(_cells_of)
        self._found: dict[int, Cells] = {}
        """What a search has found, by the number of the row."""
        self._remarks: dict[str, str] = {}

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal():
            yield VirtualTable[Section](
                key=browse.section_key,
                words=lambda section: browse.section_words(section, self._remarks),
                head=False,
                widget_id="sections",
                empty="reading what is in it…",
                hint=browse.IN_ROWS,
            )
            yield RowTable(widget_id="rows")

    @property
    def sections(self) -> VirtualTable[Section]:
        return self.query_one("#sections", VirtualTable)

    @property
    def rows(self) -> RowTable:
        return self.query_one("#rows", RowTable)

    def here(self) -> Selection:
        return Selection(reading=self._is_reading)

    @property
    def _is_reading(self) -> bool:
        """Whether the section, or the row, that a key would be about is still being read."""
        if self._section is None:
            return not self._listed or bool(self.sections.items)
        row = self.rows.item if self.rows.has_focus else None
        return (
            row is not None and self._cells(row) is None and self._all_rows is not None and self._all_rows.awaits(row)
        )

    def on_mount(self) -> None:
        self.sections.border_title = escaped(f"{self._of.component} generation {self._number}")
        key, number = self._of, self._number
        self.ask(
            f"sections {id(self)}",
            lambda engine: tuple(islice(engine.sections(key, number), AT_MOST)),
            self._have,
            self._failed,
        )
        self.set_path(f"{key}/{number}")
        self.set_interval(EVERY, self._look)

    def on_unmount(self) -> None:
        self._end_search()

    def _set_columns(self) -> None:
        self.sections.set_columns_by_width(lambda cells: browse.section_columns(cells, self._remarks))

    def _failed(self, problem: str) -> None:
        self._listed = True
        self.sections.set_empty(Text(problem, style="bold red"))

    def _have(self, sections: tuple[Section, ...]) -> None:
        self._listed = True
        self.sections.set_empty(Text("nothing is in it", style="dim"))
        first = browse.section_key(self._first) if self._first is not None else None
        self.sections.set_items(sections, to=first)
        self._set_columns()
        self._ask_remarks(sections, 0)
        if first is not None:
            self.rows.focus()  # it is this section that was asked for

    def _ask_remarks(self, sections: tuple[Section, ...], at: int) -> None:
        """What tells which sections they are, part by part."""
        key, number, part = self._of, self._number, sections[at : at + A_PART]
        if part:
            self.ask(
                f"remarks {id(self)} {at}",
                lambda engine: engine.remarks(key, number, part),
                lambda remarks: self._have_remarks(sections, at, remarks),
                lambda _problem: None,
            )

    def _have_remarks(self, sections: tuple[Section, ...], at: int, remarks: Mapping[str, str] | None) -> None:
        if remarks is None:
            return
        self._remarks |= remarks
        if remarks:
            self.add_class("-told")
            self._set_columns()
            self._say_section()
        self._ask_remarks(sections, at + A_PART)

    def _say_section(self) -> None:
        if self._section is not None:
            remark = self._remarks.get(self._section.name)
            title = browse.title(self._section)
            self.rows.border_title = escaped(f"{remark}  {title}" if remark else title)

    @on(VirtualTable.Highlighted, "#sections")
    def _section_changed(self, event: VirtualTable.Highlighted) -> None:
        section: Section | None = event.item
        if section is None or section == self._section:
            return
        early = self.rows.filter_text if self._section is None else ""  # typed before there was anything to look in
        self._section = section
        self._begin_rows(section)
        self._say_section()
        self._show_all(section)
        self.rows.set_filter(early)
        self.set_path(f"{self._of}/{self._number}/{section.name}")

    def _show_all(self, section: Section, at: int = 0) -> None:
        """All rows of the section, the cursor on the one with this number: nothing is looked for."""
        self._end_search()
        self.rows.forget_filter()
        if self._all_rows is not None:
            self._all_rows.set_columns()
        self.rows.set_empty(Text(browse.why_empty(section), style="dim"))
        self.rows.set_items(range(browse.row_count(section)), to=at)

    @on(VirtualTable.Chosen, "#sections")
    def _section_chosen(self) -> None:
        self.rows.focus()

    @on(VirtualTable.Edge)
    def _edge(self, event: VirtualTable.Edge) -> None:
        (self.sections if event.direction < 0 else self.rows).focus()

    # --- rows with a text ---------------------------------------------------------------------------------------

    @on(RowTable.Sought)
    def _sought(self, event: RowTable.Sought) -> None:
        section = self._section
        if section is None:
            return
        if not event.text:
            self._show_all(section, self.rows.item or 0)  # its neighbours are seen now
            return
        self._end_search()
        self.rows.set_items(())
        if self._all_rows is not None:
            self._all_rows.set_columns()
        self.rows.set_empty(Text("looking…", style="dim"))
        key, asked = self._of, FindAsked(self._number, event.text, f"{section.kind}:{section.name}")
        self.services.client.ask(
            f"find {id(self)}", lambda engine: engine.find(key, asked), self._search_begun, self.services.trouble
        )

    def _search_begun(self, search: Search[FoundRow]) -> None:
        if not self.is_attached or not self.rows.filter_text:
            self._close(search)
            return
        self._end_search()
        self._search = search
        self._look()

    def _look(self) -> None:
        """Take what was found since the last look."""
        search, known = self._search, len(self._finds.items)
        if search is not None:
            self.ask(f"find look {id(search)} {known}", self._finds.look(search), self._have_found)

    def _have_found(self, looked: Looked[FoundRow]) -> None:
        if looked.search is not self._search or not self._finds.have(looked):
            return
        self._found |= {row.number - 1: row.cells for row in looked.items}
        complete = self._finds.complete(looked.count)
        self.rows.have_found(looked.count, looked.progress[0], over=looked.over)
        if looked.items:
            self.rows.set_items(tuple(self._found))
        self._say_hits()
        if not complete:
            self._look()
        elif looked.error or looked.over:
            style = "bold red" if looked.error else "dim"
            self.rows.set_empty(Text(looked.error or browse.NONE_FOUND, style=style))
            self._search = None
            self._close(looked.search)

    @on(VirtualTable.Highlighted, "#rows")
    def _say_hits(self) -> None:
        """Which hit of how many the cursor is on."""
        self.rows.border_subtitle = escaped(self.rows.hits)

    def _end_search(self) -> None:
        search, self._search = self._search, None
        self._found, self._finds = {}, Finds(_cells_of)
        if search is not None:
            self._close(search)

    def _close(self, search: Search[FoundRow]) -> None:
        self.services.client.ask(f"find close {id(search)}", lambda _engine: search.close(), lambda _none: None)

    def act_browse_history(self) -> None:
        """Of the row under the cursor; of the section where the sections have the focus."""
        section, row = self._section, self.rows.item
        if section is None:
            return
        if self.rows.has_focus and row is None and self.rows.filter_text:
            self.services.go.history(self._of, *browse.history_of_text(section, self.rows.filter_text))
            return
        if not self.rows.has_focus or row is None:
            self.services.go.history(self._of, *browse.history_of_section(section))
            return
        cells = self._cells(row)
        if cells is not None:
            self.services.go.history(self._of, *browse.history_of(section, cells))

    # --- one row, all of it ---------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#rows")
    def _row_chosen(self) -> None:
        section, row = self._section, self.rows.item
        cells = self._cells(row) if row is not None else None
        if section is not None and row is not None and cells is not None:
            title = f"{section.kind} {section.name}, row {row + 1:,}"
            self.services.push_screen(RowScreen(title, whole_row.of_row(section.columns, cells)))

    def act_browse_copy(self) -> None:
        """The row under the cursor; where the sections have the focus, the path."""
        row = self.rows.item
        cells = self._cells(row) if row is not None and self.rows.has_focus else None
        if cells is not None:
            self.services.copy(whole_row.as_text(cells), "the row")
        elif self._section is not None:
            self.services.copy(f"{self._of}/{self._number}/{self._section.name}", "the path")

    def act_back(self) -> None:
        """A filter, what is searched for, the screen."""
        if self.take_back():
            return
        if self.rows.searching:
            self.rows.set_filter("")
        else:
            self.act_quit()

    # --- all rows -----------------------------------------------------------------------------------------------

    def _cells(self, row: int) -> Sequence[str | None] | None:
        """The cells of a row; None while they are read, which is begun here."""
        if row in self._found:
            return self._found[row]
        return self._all_rows.row(row) if self._all_rows is not None else None

    def _begin_rows(self, section: Section) -> None:
        """The rows of another section, of which none is read yet."""
        if self._all_rows is not None:
            self._all_rows.end()
        key, number = self._of, self._number
        self._all_rows = PagedRows(
            self,
            self.rows,
            lambda engine, start, count: engine.browse(key, number, section, start, count),
            lambda rows: browse.row_columns(section, self._cells, rows),
            self.services.trouble,
        )
