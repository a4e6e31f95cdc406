"""The virtual table: any length, the cursor and the marks by key, only what is on the screen rendered."""

from __future__ import annotations

from typing import Any

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from dysnomia_tui.app.present.columns import Column, Order, lay_out
from dysnomia_tui.app.widgets.listing import Listing
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

ROWS = 120_000


class Counted:
    """Cells that count how often they were asked for."""

    def __init__(self) -> None:
        self.cells = 0

    def columns(self) -> tuple[Column[int], ...]:
        return (
            Column("mark", "", 1, lambda n: Text(""), gap=0, is_mark=True),
            Column("n", "n", 8, self.cell, lambda n: n, "right", descending=True),
            Column("odd", "odd", 4, lambda n: Text("odd" if n % 2 else ""), lambda n: n % 2, flex=1),
        )

    def cell(self, number: int) -> Text:
        self.cells += 1
        return Text(f"[b]{number}[/x]")


class TableApp(App[None]):
    """A table alone."""

    def __init__(self, items: range, **more: Any) -> None:
        super().__init__()
        self.counted = Counted()
        self.table = VirtualTable[int](self.counted.columns(), key=lambda n: n, words=str, markable=True, **more)
        self.first = items
        self.seen: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.set_items(self.first)

    @property
    def services(self) -> Any:
        """Itself: of what the app does for its widgets, a table needs to know the size and to perform."""
        return self

    @property
    def actions(self) -> Any:
        """Itself again: the gate that actions pass."""
        return self

    def perform(self, action: Any, carrier: Any) -> None:
        action.run(carrier)

    def on_virtual_table_chosen(self, event: VirtualTable.Chosen) -> None:
        self.seen.append(f"chosen {event.item}")

    def on_virtual_table_edge(self, event: VirtualTable.Edge) -> None:
        self.seen.append(f"edge {event.direction}")


async def test_a_step_of_the_cursor_draws_two_lines_and_the_screen_is_as_if_all_were_drawn() -> None:
    app = TableApp(range(ROWS))
    async with app.run_test(size=(80, 20)) as pilot:
        for key in ("j", "j", "k", "space", "G", "k", "k", "g", "j"):
            await pilot.press(key)
            await pilot.pause()
            drawn = [strip.text for strip in app.screen._compositor.render_strips()]
            styles = [strip._segments for strip in app.screen._compositor.render_strips()]
            app.table.invalidate()
            await pilot.pause()
            assert [strip.text for strip in app.screen._compositor.render_strips()] == drawn, key
            assert [strip._segments for strip in app.screen._compositor.render_strips()] == styles, key
        lines: list[int] = []
        render = app.table.render_line
        app.table.render_line = lambda y: lines.append(y) or render(y)  # type: ignore[method-assign,func-returns-value]
        await pilot.press("j")
        await pilot.pause()
        assert sorted(set(lines)) == [2, 3]


async def test_only_the_rows_on_the_screen_are_rendered_however_long_the_list() -> None:
    app = TableApp(range(ROWS))
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        assert app.counted.cells <= 100
        app.counted.cells = 0
        await pilot.press("G")
        await pilot.pause()
        assert app.table.item == ROWS - 1
        assert app.counted.cells <= 100
        app.counted.cells = 0
        for _ in range(50):
            await pilot.press("k")
        await pilot.pause()
        # A step renders at most the screen; the row cache keeps it to the few rows that changed.
        assert app.counted.cells <= 50 * 6 + 100


async def test_the_end_of_a_list_that_is_still_read_is_its_end_when_it_is_whole() -> None:
    app = TableApp(range(0))
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.set_growing(True)
        await pilot.press("G")
        for count in (1, 3, 5):
            app.table.set_items(range(count))
            assert app.table.item == count - 1
        await pilot.press("k")
        app.table.set_items(range(7))
        assert app.table.item == 3, "another key was pressed since"
        await pilot.press("G")
        app.table.set_growing(False)
        app.table.set_items(range(9))
        assert app.table.item == 6, "what comes to a list that was whole moves nothing"


async def test_moving() -> None:
    app = TableApp(range(ROWS))
    async with app.run_test(size=(80, 21)) as pilot:
        await pilot.press("j", "j", "down", "k")
        assert app.table.row == 2
        await pilot.press("ctrl+d")
        assert app.table.row == 12
        await pilot.press("ctrl+u", "ctrl+u")
        assert app.table.row == 0
        await pilot.press("pagedown", "pagedown")
        assert app.table.row == 40
        await pilot.press("g")
        assert app.table.row == 0
        assert app.table.scroll_offset.y == 0
        await pilot.press("k", "enter", "h", "l")
        await pilot.pause()
        assert app.seen == ["chosen 0", "edge -1", "edge 1"]


async def test_cursor_and_marks_are_by_key_through_refresh_sort_and_filter() -> None:
    app = TableApp(range(1000))
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.go_to(500)
        await pilot.press("space", "space")
        assert app.table.marks == {500, 501}
        assert app.table.item == 502
        app.table.set_items(range(400, 2000))
        assert app.table.item == 502
        app.table.set_order(Order("n", reverse=True))
        assert app.table.item == 502
        assert app.table.shown[0] == 1999
        app.table.set_filter("50")
        assert app.table.item == 502
        assert app.table.marks == {500, 501}
        app.table.set_filter("!5")
        assert all("5" not in str(n) for n in app.table.shown)
        app.table.set_filter("")
        app.table.set_items(range(501, 600))
        assert app.table.marks == {501}, "what is gone is not marked"


async def test_mark_all_means_what_is_shown() -> None:
    app = TableApp(range(100))
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.set_filter("9")
        await pilot.press("asterisk")
        assert app.table.marks == {n for n in range(100) if "9" in str(n)}
        await pilot.press("asterisk")
        assert app.table.marks == frozenset()


async def test_when_the_row_under_the_cursor_goes_the_next_one_is_taken() -> None:
    app = TableApp(range(10))
    async with app.run_test(size=(80, 20)):
        app.table.go_to(5)
        app.table.set_items([n for n in range(10) if n != 5])
        assert app.table.item == 6
        app.table.set_items([])
        assert not app.table.shown
        app.table.set_items(range(3))
        assert app.table.item == 0


@pytest.mark.parametrize(
    "keys", [("j", "k", "g", "G", "ctrl+d", "ctrl+u", "space", "asterisk", "U", "S", "R", "enter")]
)
async def test_an_empty_table_takes_every_key(keys: tuple[str, ...]) -> None:
    app = TableApp(range(0), empty="nothing [here]")
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press(*keys)
        assert app.table.item is None
        assert app.table.marks == frozenset()


def test_columns_share_what_is_left_over() -> None:
    columns = [
        Column[int]("a", "", 3, lambda n: Text("")),
        Column[int]("b", "", 3, lambda n: Text(""), flex=1),
        Column[int]("c", "", 3, lambda n: Text(""), flex=2),
    ]
    assert lay_out(columns, 12) == (3, 3, 3)
    assert lay_out(columns, 22) == (3, 7, 9)
    assert sum(lay_out(columns, 50)) + 3 == 50
    assert lay_out(columns, 5) == (3, 3, 3)


def test_a_filter_asks_each_line_for_its_words_once_and_not_with_every_letter() -> None:
    asked: list[str] = []

    def words(item: str) -> str:
        asked.append(item)
        return item

    listing = Listing(str, words=words)
    listing.put(["One", "Two", "Three"])
    for text in ("t", "tw", "!tw", "t"):
        listing.filter = text
        listing.arrange((), None, 0)
    assert (list(listing.shown), asked) == (["Two", "Three"], ["One", "Two", "Three"])
    listing.put(["Twelve"])
    listing.arrange((), None, 0)
    assert list(listing.shown) == ["Twelve"]
