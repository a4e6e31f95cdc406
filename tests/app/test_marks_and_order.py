"""Marks, filters and the order of the lists on the main screen."""

from __future__ import annotations

from tests.app.driving import driven
from tests.app.fake_world import (
    ORDERS,
)


async def test_marks_show_exactly_what_their_deletion_would_free() -> None:
    async with driven() as run:
        # 211 and 213 share one snapshot: only both together free it.
        await run.press("2", "j", "space")
        await run.until(lambda: "1 marked: to trash: 0B" in run.text())
        await run.press("j", "space")
        await run.until(lambda: "2 marked: to trash: 1" in run.text())
        line = next(line for line in run.text().splitlines() if "marked" in line)
        assert line.split("to trash: ")[1].startswith("119M")


async def test_marks_survive_sort_filter_and_a_visit_elsewhere() -> None:
    async with driven() as run:
        await run.press("2", "space", "S", "enter", "slash", *"guard", "enter")
        assert run.main.here().marks == (214,)
        await run.press("escape", "1", "j", "k")
        assert run.main.here().marks == (214,)
        await run.press("U") if run.main.list.has_focus else await run.press("2", "U")
        assert run.main.here().marks == ()


async def test_a_filter_is_live_shown_and_taken_away_by_escape() -> None:
    async with driven() as run:
        await run.press("2", "slash", *"guard")
        assert [g.number for g in run.main.list.shown] == [212]
        await run.press("enter")
        assert "1/1 of 40, filter: guard" in run.text()
        await run.press("escape")
        assert len(run.main.list.shown) == 40


async def test_a_filter_of_the_tree_is_shown_as_long_as_it_hides_something() -> None:
    async with driven() as run:
        await run.press("slash", *"orders", "enter")
        await run.until(lambda: "filter: orders" in run.text())
        assert [str(row.key) for row in run.main.units.shown] == ["postgresql/orders"]
        await run.press("escape")
        await run.until(lambda: "filter: orders" not in run.text())
        assert len(run.main.units.shown) > 1


async def test_sorting_by_the_same_column_turns_it_and_escape_ends_it() -> None:
    async with driven() as run:
        await run.press("2", "S", "enter")
        assert run.main.list.order.column == "number"
        assert run.main.list.shown[0].number == 214
        assert "▼" in run.text()
        await run.press("S", "enter")
        assert run.main.list.shown[0].number == 175
        assert "▲" in run.text()
        await run.press("R")
        assert run.main.list.shown[0].number == 214
        await run.press("escape")
        assert not run.main.list.order.column
        assert "▼" not in run.text()
        assert run.main.list.has_focus


async def test_a_narrow_column_shows_its_arrow_and_each_component_has_its_own_order() -> None:
    async with driven() as run:
        await run.press("2", "S", *"jjjj", "enter")
        assert run.main.list.order.column == "size"
        assert "siz▼" in run.text()
        await run.press("1", "j", "2")
        assert not run.main.list.order.column
        await run.press("1", "k", "2")
        assert "siz▼" in run.text()


async def test_a_range_is_marked() -> None:
    async with driven() as run:
        await run.press("2", "j", "space", "j", "j", "j", "V")
        assert run.main.here().marks == (209, 210, 211, 212, 213)


async def test_a_list_without_a_head_has_one_while_it_is_sorted() -> None:
    async with driven() as run:
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        assert "section" not in run.text().splitlines()[3]
        await run.press("S", "enter")
        assert "section▲" in run.text().splitlines()[3]
        await run.press("escape")
        assert "section▲" not in run.text()


async def test_a_click_on_a_head_sorts_and_on_a_row_goes_there() -> None:
    async with driven() as run:
        table = run.main.list
        await run.pilot.click(table, offset=(35, 1))
        await run.settled()
        assert table.order.column == "size"
        await run.pilot.click(table, offset=(10, 4))
        await run.settled()
        assert table.row == 2
        assert table.has_focus
