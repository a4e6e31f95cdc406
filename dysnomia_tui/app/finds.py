"""What a search has found, as far as a screen lists it: so much and no more, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

MOST = 20_000
"""Finds listed."""
MOST_TEXT = 32 << 20
"""Characters in their cells, after which no more are taken."""
PIECE = 500
"""Finds taken at a time."""
Cells = Sequence[str | None]
T = TypeVar("T")


class Finds(Generic[T]):
    """Finds in the order they came, taken piece by piece."""

    def __init__(self, cells: Callable[[T], Iterable[Cells]], most_text: int = MOST_TEXT) -> None:
        """``cells``: what is kept in memory of a find."""
        self._cells = cells
        self._most_text = most_text
        self._text = 0
        self.items: list[T] = []

    @property
    def wanted(self) -> int:
        """How many to take next; 0 where no more are listed."""
        return min(PIECE, MOST - len(self.items)) if self._text < self._most_text else 0

    def complete(self, count: int) -> bool:
        """Whether all that are listed of ``count`` finds were taken."""
        return not self.wanted or len(self.items) >= count

    def take(self, taken: Sequence[T]) -> None:
        """The next of them."""
        self.items.extend(taken)
        self._text += sum(len(cell) for one in taken for cells in self._cells(one) for cell in cells if cell)
