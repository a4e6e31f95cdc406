"""The rows of one section in a table: a page of them is read when one of its rows is drawn for the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.widgets.pages import Pages
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.engine.engine import Engine

PAGE = 200
"""Rows read at a time."""
T = TypeVar("T")


class PagedRows(Generic[T]):
    """Rows by number, as far as they were read. Another section gets another one."""

    def __init__(
        self,
        screen: DysnomiaScreen,
        table: RowTable,
        read: Callable[[Engine, int, int], Sequence[T]],
        columns: Callable[[Sequence[T]], Sequence[Column[int]]],
        failed: Callable[[str], None],
    ) -> None:
        """Read nothing yet.

        Args:
            screen: whose table it is; what comes after it was closed is dropped.
            table: lists the numbers of the rows.
            read: at most so many rows, from that one on (the engine, the first row's number, how many).
            columns: the table's, as wide as these rows need.
            failed: told why a page could not be read.
        """
        self._screen = screen
        self._table = table
        self._read_rows = read
        self._columns = columns
        self._failed = failed
        self._pages: Pages[T] = Pages(PAGE)
        self._ended = False

    def end(self) -> None:
        """Another section is shown: read nothing more, and drop what still comes."""
        self._ended = True

    def set_columns(self) -> None:
        """Give the table columns for the rows of the first page; none to look at before a page has come, since they
        would become wider under the eyes. Rows that are searched for come from elsewhere."""
        waits = not self._pages.came and not self._table.searching
        self._table.set_columns([self._waiting] if waits else self._columns(self._pages.first()))

    @property
    def _waiting(self) -> Column[int]:
        """Drawn, it asks for its row as the others do."""
        return Column("waiting", "", 1, lambda number: plain("" if self.row(number) or number else "…"), gap=0, flex=1)

    def row(self, number: int) -> T | None:
        """A row; None while it is read, which is begun here."""
        row = self._pages.get(number)
        if row is None:
            self._read(self._pages.page_of(number))
        return row

    def awaits(self, number: int) -> bool:
        """Whether a row is not there because it is being read."""
        return self._pages.awaits(number)

    def _read(self, page: int) -> None:
        if self._ended or not self._pages.begin(page):
            return
        start = page * PAGE

        def have(rows: Sequence[T]) -> None:
            is_first = page == 0 or not self._pages.came
            self._pages.put(page, rows)
            if self._ended:
                return
            if is_first:
                self.set_columns()
            if len(rows) < PAGE and not self._table.filter_text:
                self._table.set_items(range(start + len(rows)))
            self._table.invalidate()

        def failed(problem: str) -> None:
            self._pages.put(page, ())
            if not self._ended:
                self.set_columns()
                self._failed(problem)

        self._screen.ask(
            f"rows {id(self)} {page}", lambda engine: tuple(self._read_rows(engine, start, PAGE)), have, failed
        )
