"""Looking through the rows of a comparison for some, a stretch at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.engine import Diff, Wanted
from dysnomia_tui.engine.records import HistoryLine, RowChange, SectionChange

PAGE = 500
STRETCH = 0.2
"""Seconds until what was found so far is handed over."""
MOST_FOUND = 20_000
"""Rows that are listed of those that were found."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that were looked through."""

    numbers: tuple[int, ...]
    """Their numbers."""
    next: int
    """Where to go on."""
    ended: bool


def scan(diff: Diff, change: SectionChange, wanted: Callable[[RowChange], bool], start: int, most: int) -> Stretch:
    """Look through the changed rows of a section from ``start``, for at most ``most``. Raises EngineError."""
    end = time.monotonic() + STRETCH
    rows: list[int] = []
    while True:
        page = diff.rows(change, start, PAGE)
        rows.extend(start + at for at, row in enumerate(page) if wanted(row))
        start += len(page)
        ended = len(page) < PAGE or len(rows) >= most
        if ended or time.monotonic() >= end:
            return Stretch(tuple(rows[:most]), start, ended)


Have = Callable[[tuple[int, ...], int, bool], None]
"""Told the numbers of all rows that were found, how many were looked through, and whether that was all."""


class Scanner:
    """Looks through a section, stretch by stretch, until it has ended or something else is looked for."""

    def __init__(self, screen: DysnomiaScreen) -> None:
        self._screen = screen
        self._turn = 0

    def begin(
        self, diff: Diff, change: SectionChange, wanted: Callable[[RowChange], bool], have: Have, most: int = MOST_FOUND
    ) -> None:
        """Look for ``most`` rows at most; what was looked for before is given up."""
        self._turn += 1
        self._go_on(diff, change, wanted, have, most, (), 0)

    def end(self) -> None:
        """Give up what is looked for."""
        self._turn += 1

    def _go_on(
        self,
        diff: Diff,
        change: SectionChange,
        wanted: Callable[[RowChange], bool],
        have: Have,
        most: int,
        numbers: tuple[int, ...],
        start: int,
    ) -> None:
        turn = self._turn

        def looked(stretch: Stretch) -> None:
            if turn != self._turn:
                return
            both = numbers + stretch.numbers
            have(both, stretch.next, stretch.ended)
            if not stretch.ended:
                self._go_on(diff, change, wanted, have, most, both, stretch.next)

        self._screen.ask(
            f"scan {id(self)} {turn} {start}",
            lambda _engine: scan(diff, change, wanted, start, most - len(numbers)),
            looked,
            self._screen.services.trouble,
        )


def holds(text: str, columns: Sequence[str]) -> Callable[[RowChange], bool]:
    """Whether a row holds a text before or after the change; with a leading ``!``: neither time."""
    inverse, wanted = text.startswith("!"), Wanted(text.removeprefix("!"), columns)
    return lambda row: any(wanted(cells) for cells in (row.old, row.new) if cells is not None) != inverse


def is_change(line: HistoryLine, row: RowChange) -> bool:
    """Whether a row of a comparison is the change that a history tells of."""
    return (row.old, row.new) == (line.row.old, line.row.new)
