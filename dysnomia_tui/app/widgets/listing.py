"""The items of a table and which of them it lists: filtered, sorted, marked, found by key. Nothing of a screen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from dysnomia_tui.app.present.columns import Column, Order

T = TypeVar("T")


class Listing(Generic[T]):
    """All items, and ``shown``: those that pass the filter, in the order of the screen."""

    def __init__(
        self,
        key: Callable[[T], Hashable],
        *,
        words: Callable[[T], str] | None = None,
        selectable: Callable[[T], bool] | None = None,
    ) -> None:
        """Make an empty one.

        Args:
            key: what identifies an item across reads.
            words: what a filter looks in; None takes the text of all cells.
            selectable: on which items a cursor may rest; None means all.
        """
        self.key = key
        self.items: Sequence[T] = ()
        self.shown: Sequence[T] = ()
        self.marks: set[Hashable] = set()
        """Keys, whether or not a filter hides their items."""
        self.order = Order()
        self.filter = ""
        """With a leading ``!``: only what does not hold the rest."""
        self._words = words
        self._selectable = selectable
        self._rows: dict[Hashable, int] = {}
        self._folded: list[str] = []
        """The words of all items, while a filter looks in them: each letter of it does."""

    def put(self, items: Sequence[T]) -> bool:
        """Take these items; they are not arranged yet. Returns whether marks are gone with their items."""
        self.items = items
        self._folded = []
        if not self.marks:
            return False
        kept = self.marks & {self.key(item) for item in items}
        lost_marks = kept != self.marks
        self.marks = kept
        return lost_marks

    def arrange(self, columns: Sequence[Column[T]], stay_on: Hashable | None, row: int) -> int:
        """Filter and sort again. Returns the row of the key ``stay_on``; where that is gone, the nearest to ``row``."""
        shown = self.items
        if wanted := self.filter.removeprefix("!").casefold():
            inverse = self.filter.startswith("!")
            words = self._all_words(columns)
            shown = [item for item, text in zip(shown, words, strict=True) if (wanted in text) != inverse]
        else:
            self._folded = []
        sort = next((column.sort for column in columns if column.id == self.order.column), None)
        if sort is not None:
            shown = sorted(shown, key=sort, reverse=self.order.reverse)
        self.shown = shown
        self._rows = {}
        row_of_key = self.row_of(stay_on) if stay_on is not None else None
        return self.nearest(row_of_key if row_of_key is not None else row, 1)

    def _all_words(self, columns: Sequence[Column[T]]) -> Sequence[str]:
        """Of all items, in small letters. What columns show can be another text each time."""
        if self._words is None:
            return [self._words_of(item, columns).casefold() for item in self.items]
        if len(self._folded) != len(self.items):
            self._folded = [self._words(item).casefold() for item in self.items]
        return self._folded

    def _words_of(self, item: T, columns: Sequence[Column[T]]) -> str:
        if self._words is not None:
            return self._words(item)
        return " ".join(column.cell(item).plain for column in columns)

    # --- rows ---------------------------------------------------------------------------------------------------

    def at(self, row: int) -> T | None:
        """The item in this row."""
        return self.shown[row] if 0 <= row < len(self.shown) else None

    def row_of(self, key: Hashable) -> int | None:
        """Where the item with this key is shown; None where it is not."""
        if not self._rows and self.shown:
            self._rows = {self.key(item): row for row, item in enumerate(self.shown)}
        return self._rows.get(key)

    def may_rest_on(self, row: int) -> bool:
        """Whether the cursor may rest on this row."""
        return self._selectable is None or self._selectable(self.shown[row])

    def nearest(self, row: int, direction: int) -> int:
        """The nearest row the cursor may rest on, looking in ``direction`` first; ``row`` itself may be outside."""
        last = len(self.shown) - 1
        row = max(min(row, last), 0)
        if self._selectable is None:
            return row
        for way in (direction, -direction):
            at = row
            while 0 <= at <= last:
                if self._selectable(self.shown[at]):
                    return at
                at += way
        return row

    # --- marks --------------------------------------------------------------------------------------------------

    def mark(self, item: T) -> None:
        """Mark it, or take its mark away."""
        self.marks ^= {self.key(item)}

    def mark_range(self, first: int, last: int) -> None:
        """Mark all rows from one to the other, both included."""
        low, high = sorted((first, last))
        self.marks |= {self.key(self.shown[row]) for row in range(low, high + 1) if self.may_be_marked(row)}

    def may_be_marked(self, row: int) -> bool:
        """Whether there is such a row and the cursor may rest on it."""
        return 0 <= row < len(self.shown) and self.may_rest_on(row)

    def mark_shown(self) -> None:
        """Mark all that is shown; if it is, take its marks away."""
        shown = {self.key(item) for item in self.shown}
        self.marks = self.marks - shown if shown <= self.marks else self.marks | shown
