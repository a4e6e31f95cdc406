"""Rows read a page at a time as they come on the screen; pages out of use are forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Pages(Generic[T]):
    """The pages that were read, the last used kept."""

    def __init__(self, size: int, keep: int = 50) -> None:
        """``size`` rows a page, ``keep`` pages at most."""
        self.size = size
        self._keep = keep
        self._pages: OrderedDict[int, Sequence[T]] = OrderedDict()
        self._asked: set[int] = set()

    def page_of(self, row: int) -> int:
        return row // self.size

    def get(self, row: int) -> T | None:
        """A row, or None where its page was not read (or has no such row)."""
        page = self.page_of(row)
        rows = self._pages.get(page)
        if rows is None:
            return None
        self._pages.move_to_end(page)
        at = row - page * self.size
        return rows[at] if at < len(rows) else None

    def first(self) -> Sequence[T]:
        """The first page, as far as it was read."""
        return self._pages.get(0, ())

    @property
    def came(self) -> bool:
        """Whether any page has come."""
        return bool(self._pages)

    def begin(self, page: int) -> bool:
        """Whether the page is still to be asked for; from then on it counts as asked for."""
        if page in self._asked or page in self._pages:
            return False
        self._asked.add(page)
        return True

    def awaits(self, row: int) -> bool:
        """Whether the row's page was asked for and has not come."""
        return self.page_of(row) in self._asked

    def put(self, page: int, rows: Sequence[T]) -> None:
        """A page has come."""
        self._asked.discard(page)
        self._pages[page] = rows
        self._pages.move_to_end(page)
        while len(self._pages) > self._keep:
            self._pages.popitem(last=False)
