"""The marks in a table: items that an action is to work on, kept by key whatever is read again, sorted or filtered."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from textual.scroll_view import ScrollView

from dysnomia_tui.app.widgets.listing import Listing

T = TypeVar("T")


class Markable(ScrollView, Generic[T]):
    """A list with a cursor, whose items can be marked.

    Args:
        markable: whether they can.
    """

    def __init__(self, listing: Listing[T], markable: bool, widget_id: str | None, classes: str | None) -> None:
        super().__init__(id=widget_id, classes=classes)
        self._listing = listing
        self._markable = markable
        self._cursor = 0
        self._anchor: Hashable | None = None

    @property
    def item(self) -> T | None:
        """The item under the cursor."""
        return self._listing.at(self._cursor)

    @property
    def markable(self) -> bool:
        """Whether its items can be marked."""
        return self._markable

    @property
    def marks(self) -> frozenset[Hashable]:
        """Keys of the marked items, whether or not a filter hides them."""
        return frozenset(self._listing.marks)

    def set_marks(self, keys: Sequence[Hashable]) -> None:
        self._listing.marks = set(keys)
        self._changed_marks()

    def act_down(self) -> None:
        """To the next item."""
        raise NotImplementedError

    def act_mark(self) -> None:
        if self._markable and self.item is not None:
            self._anchor = self._listing.key(self.item)
            self._listing.mark(self.item)
            self._changed_marks()
            self.act_down()

    def act_mark_range(self) -> None:
        """From the line that was marked last to the one under the cursor; the first time, this one alone."""
        if not self._markable or self.item is None:
            return
        begin = self._listing.row_of(self._anchor) if self._anchor is not None else None
        self._listing.mark_range(self._cursor if begin is None else begin, self._cursor)
        self._anchor = self._listing.key(self.item)
        self._changed_marks()

    def act_mark_all(self) -> None:
        if self._markable:
            self._listing.mark_shown()
            self._changed_marks()

    def act_unmark(self) -> None:
        if self._listing.marks:
            self._listing.marks.clear()
            self._changed_marks()

    def _changed_marks(self) -> None:
        """Say so, and draw the list again."""
        raise NotImplementedError
