"""What a search has found, as far as a screen lists it: so much and no more, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dysnomia_tui.engine import Search

MOST = 20_000
"""Finds listed."""
MOST_TEXT = 32 << 20
"""Characters in their cells, after which no more are taken."""
PIECE = 500
"""Finds taken at a time."""
Cells = Sequence[str | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Looked(Generic[T]):
    """What a search under way has to tell."""

    search: Search[T]
    known: int
    """Finds that were taken before."""
    items: Sequence[T]
    """The next."""
    count: int
    """All that were found."""
    over: bool
    error: str
    notes: tuple[str, ...]
    progress: tuple[int, int | None]


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

    def look(self, search: Search[T]) -> Callable[[object], Looked[T]]:
        """What is to be called, in the engine's thread, to learn of a search what was not taken yet."""
        known, wanted = len(self.items), self.wanted

        def read(_engine: object) -> Looked[T]:
            over, error = search.ready, search.error  # before the rest: what is over has found no more since
            items, count = search.page(known, wanted), len(search)
            return Looked(search, known, items, count, over, error, search.notes, search.progress())

        return read

    def have(self, looked: Looked[T]) -> bool:
        """Take what a look has brought; False, and nothing is taken, where others were taken since it was asked for."""
        if looked.known != len(self.items):
            return False
        self.take(looked.items)
        return True

    def take(self, taken: Sequence[T]) -> None:
        """The next of them."""
        self.items.extend(taken)
        self._text += sum(len(cell) for one in taken for cells in self._cells(one) for cell in cells if cell)
