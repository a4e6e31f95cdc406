"""What is listed of a search is bounded, in number and in text."""

from __future__ import annotations

import pytest

from dysnomia_tui.app import finds
from dysnomia_tui.app.finds import MOST, PIECE, Finds
from tests.app.driving import driven
from tests.app.test_history import browsing
from tests.memory import at_most

Row = tuple[str, ...]


def taken(rows: int, width: int, most_text: int) -> Finds[Row]:
    """What a screen holds at the end of a search that finds so many rows of so many characters."""
    found: Finds[Row] = Finds(lambda row: (row,), most_text)
    while not found.complete(rows):
        found.take([(f"{number:>{width}}",) for number in range(min(found.wanted, rows - len(found.items)))])
    return found


def test_of_a_hundred_thousand_rows_a_part_is_listed() -> None:
    with at_most(20):
        assert len(taken(100_000, 8, 1 << 30).items) == MOST
    with at_most(20):
        assert len(taken(100_000, 10_000, 4 << 20).items) == PIECE


def test_all_rows_are_taken_where_there_is_room() -> None:
    assert len(taken(PIECE * 2 + 1, 8, 1 << 20).items) == PIECE * 2 + 1
    assert taken(0, 8, 1 << 20).items == []


async def test_hits_are_taken_piece_by_piece_and_all_of_them_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finds, "PIECE", 3)
    monkeypatch.setattr(finds, "MOST", 7)
    async with driven() as run:
        screen = await browsing(run)
        await run.press("slash", *"NAME [12", "enter")
        await run.until(lambda: list(screen.rows.shown) == [12, *range(120, 126)])
        assert "/NAME [12: 1 of 11" in run.text()
