"""A look into a generation: its sections at the left, the rows or lines of one at the right, read as one scrolls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from rich.text import Text
from textual import on
from textual.containers import Horizontal
from textual.widget import Widget

from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import browse
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.widgets.pages import Pages
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

AT_MOST = 100_000
"""Sections listed."""
Cells = tuple[str | None, ...]


class BrowseScreen(DysnomiaScreen):
    """What is in one generation."""

    SCOPE = "browse"
    BINDINGS = bindings("browse", "everywhere")
    AUTO_FOCUS = "#sections"
    DEFAULT_CSS = """
    BrowseScreen #sections { width: 32; height: 100%; border: round $border-blurred; scrollbar-size: 0 0; }
    BrowseScreen #rows { width: 1fr; height: 100%; border: round $border-blurred; overflow-x: auto;
        scrollbar-size-horizontal: 1; scrollbar-size-vertical: 1; }
    BrowseScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    BrowseScreen VirtualTable:focus { border: round $primary; border-title-color: $text; }
    BrowseScreen.-narrow #sections { width: 24; }
    """

    def __init__(self, key: ComponentKey, number: int, section: Section | None = None) -> None:
        super().__init__()
        self._of = key
        self._number = number
        self._first = section
        self._section: Section | None = None
        self._pages: Pages[Cells] = Pages(200)

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal():
            yield VirtualTable[Section](
                key=browse.section_key,
                words=browse.section_words,
                head=False,
                widget_id="sections",
                empty="reading what is in it…",
            )
            yield VirtualTable[int](key=lambda row: row, filterable=False, widget_id="rows")

    @property
    def sections(self) -> VirtualTable[Section]:
        return self.query_one("#sections", VirtualTable)

    @property
    def rows(self) -> VirtualTable[int]:
        return self.query_one("#rows", VirtualTable)

    def on_mount(self) -> None:
        self.sections.border_title = escaped(f"{self._of.component} generation {self._number}")
        key, number = self._of, self._number
        self.ask(
            f"sections {id(self)}",
            lambda engine: tuple(islice(engine.sections(key, number), AT_MOST)),
            self._have,
            lambda problem: self.sections.set_empty(Text(problem, style="bold red")),
        )
        self.set_path(f"{key}/{number}")

    def on_resize(self) -> None:
        self.call_after_refresh(self._set_columns)

    def _set_columns(self) -> None:
        self.sections.set_columns(browse.section_columns(self.sections.scrollable_content_region.width))

    def _have(self, sections: tuple[Section, ...]) -> None:
        self.sections.set_empty(Text("nothing is in it", style="dim"))
        first = browse.section_key(self._first) if self._first is not None else None
        self.sections.set_items(sections, to=first)
        self._set_columns()

    @on(VirtualTable.Highlighted, "#sections")
    def _section_changed(self, event: VirtualTable.Highlighted) -> None:
        section: Section | None = event.item
        if section is None or section == self._section:
            return
        self._section = section
        self._pages = Pages(200)
        count = browse.row_count(section)
        self.rows.border_title = escaped(browse.title(section))
        self.rows.set_columns(browse.row_columns(section, self._cells))
        self.rows.set_empty(Text(browse.why_empty(section), style="dim"))
        self.rows.set_items(range(count), to=0)
        self.set_path(f"{self._of}/{self._number}/{section.name}")

    @on(VirtualTable.Chosen, "#sections")
    def _section_chosen(self) -> None:
        self.rows.focus()

    @on(VirtualTable.Edge)
    def _edge(self, event: VirtualTable.Edge) -> None:
        (self.sections if event.direction < 0 else self.rows).focus()

    def _cells(self, row: int) -> Sequence[str | None] | None:
        """The cells of a row; None while they are read, which is begun here."""
        found = self._pages.get(row)
        if found is None and self._section is not None:
            self._read(self._pages.page_of(row))
        return found

    def _read(self, page: int) -> None:
        section, pages = self._section, self._pages
        if section is None or not pages.begin(page):
            return
        key, number = self._of, self._number

        def have(rows: Sequence[Cells]) -> None:
            pages.put(page, rows)
            if pages is self._pages:
                if page == 0:
                    self.rows.set_columns(browse.row_columns(section, self._cells, rows))
                if len(rows) < pages.size:
                    self.rows.set_items(range(page * pages.size + len(rows)))
                self.rows.invalidate()

        def failed(problem: str) -> None:
            pages.put(page, ())
            if pages is self._pages:
                self.services.trouble(problem)

        self.ask(
            f"browse {id(pages)} {page}",
            lambda engine: tuple(engine.browse(key, number, section, page * pages.size, pages.size)),
            have,
            failed,
        )
