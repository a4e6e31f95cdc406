"""One pane at a time: by ``z``, and everywhere where the terminal has no room for more."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from dysnomia_tui.engine import HistoryAsked
from tests.app.driving import Driven, driven
from tests.app.fake_world import NOW, ORDERS, shop_world


def widgets(run: Driven, *ids: str) -> list[bool]:
    """Whether each of them is on the screen."""
    return [bool(run.screen.query_one(f"#{name}").region) for name in ids]


async def test_z_shows_the_pane_with_the_focus_alone_and_all_again() -> None:
    async with driven() as run:
        await run.press("2", "z")
        assert widgets(run, "tree", "generations", "detail") == [False, True, False]
        await run.press("3")
        assert widgets(run, "tree", "generations", "detail") == [False, False, True]
        await run.press("1")
        assert widgets(run, "tree", "generations", "detail") == [True, False, False]
        await run.press("z")
        assert widgets(run, "tree", "generations", "detail") == [True, True, True]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_z_on_a_comparison(size: tuple[int, int]) -> None:
    async with driven(size=size) as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        assert widgets(run, "left", "right") == [True, True]
        await run.press("z")
        assert widgets(run, "left", "right") == [True, False]
        await run.press("enter")
        assert widgets(run, "left", "right") == [False, True]
        assert run.app.focused is not None
        assert run.app.focused.id == "rows"
        await run.press("escape", "z")
        assert widgets(run, "left", "right") == [True, True]


async def test_a_small_terminal_shows_one_pane_at_a_time() -> None:
    async with driven(size=(60, 15)) as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        assert widgets(run, "left", "right") == [True, False]
        await run.press("l")
        assert widgets(run, "left", "right") == [False, True]
        await run.press("h")
        assert widgets(run, "left", "right") == [True, False]
        await run.press("q")
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        await run.press("enter")
        assert widgets(run, "sections", "rows") == [False, True]
        await run.press("q")
        run.app.go.jobs()
        await run.settled()
        assert widgets(run, "list", "log") == [True, False]
        await run.press("tab")
        assert widgets(run, "list", "log") == [False, True]
        await run.press("q")
        run.app.go.store()
        await run.settled()
        assert widgets(run, "shares", "trash") == [True, False]
        assert "postgresql/orders" in run.text()
        await run.press("tab")
        assert widgets(run, "shares", "trash") == [False, True]


async def test_a_small_terminal_shows_target_or_plan_of_a_restore() -> None:
    async with driven(size=(60, 15)) as run:
        run.app.go.restore(ORDERS, 211)
        await run.settled()
        assert widgets(run, "targets", "plan") == [True, False]
        await run.press("l")
        assert widgets(run, "targets", "plan") == [False, True]
        assert run.screen.query_one("#plan").size.height > 5
        before = run.screen.query_one("#plan").scroll_offset
        await run.press("j")
        assert run.screen.query_one("#plan").scroll_offset.y in (before.y, before.y + 1)
        await run.press("h")
        assert widgets(run, "targets", "plan") == [True, False]
        await run.press("l", "escape")
        assert widgets(run, "targets", "plan") == [True, False]
        await run.press("j", "j", "enter")
        assert widgets(run, "targets", "choose", "plan") == [False, True, False]
        await run.press("escape")
        assert widgets(run, "targets", "choose", "plan") == [True, False, False]
        await run.press("k", "k", "enter")
        await run.confirmation()
        await run.press(*"211", "enter")
        await run.until(lambda: run.engine.submitted)
        await run.settled()
        assert widgets(run, "targets", "plan", "job") == [False, False, True]


async def test_a_plan_is_read_to_its_end_by_keys_where_there_is_room_for_both() -> None:
    async with driven() as run:
        run.app.go.restore(ORDERS, 211)
        await run.settled()
        assert widgets(run, "targets", "plan") == [True, True]
        await run.press("l")
        assert run.screen.query_one("#plan").has_focus
        await run.press("h", "z")
        assert widgets(run, "targets", "plan") == [True, False]
        await run.press("z")
        assert widgets(run, "targets", "plan") == [True, True]


async def test_a_small_terminal_shows_table_or_log_of_a_group() -> None:
    async with driven(shop_world(), size=(60, 15)) as run:
        run.app.go.whole("shop", NOW - timedelta(hours=2))
        await run.settled()
        assert widgets(run, "stood", "job") == [True, False]
        await run.press("s")
        await run.confirmation()
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        await run.settled()
        assert widgets(run, "stood", "job") == [True, False]
        await run.press("tab")
        assert widgets(run, "stood", "job") == [False, True]
        await run.press("tab")
        assert widgets(run, "stood", "job") == [True, False]


async def test_a_small_terminal_shows_the_lines_of_a_history_or_what_one_tells() -> None:
    async with driven(size=(60, 15)) as run:
        run.app.go.history(ORDERS, HistoryAsked("", "table:orders", ("1",)), "orders 1")
        await run.settled()
        assert widgets(run, "lines", "about") == [True, False]
        await run.press("tab")
        assert widgets(run, "lines", "about") == [False, True]
        await run.press("escape")
        assert widgets(run, "lines", "about") == [True, False]


async def test_no_text_is_ever_drawn_in_columns_of_another_width() -> None:
    async with driven() as run:
        table = run.main.detail
        await run.press("2", "z", "3", "z")
        assert table._laid_out_for == table.scrollable_content_region.width
        assert max(line.text.cell_len for line in table.items) > 20


async def test_at_200_columns_notes_have_a_column_and_the_tree_has_grown() -> None:
    async with driven(size=(200, 60)) as run:
        await run.press("2")
        text = run.text()
        assert "note, pins, tags" in text
        assert "the migration dropped half of [orders]" in text
        assert "P before migration" in text
        assert run.main.units.size.width > 45


async def test_the_lines_above_a_list_are_whole_in_a_small_terminal() -> None:
    """Or end with a mark: a time that is cut without one is read as another."""
    async with driven(size=(60, 15)) as run:
        run.app.go.diff(ORDERS, 212, 214)
        await run.settled()
        assert re.search(r"^ 212 as of [12]\d Nov \d\d:\d\d → 214 as of 2\d Nov \d\d:\d\d$", run.text(), re.M)
        await run.press("escape")
        run.app.go.gc((ORDERS,), tuple((ORDERS, number) for number in range(180, 200)))
        await run.settled()
        assert "what config.toml says; e types another\n" in run.text()
        lines = run.text().splitlines()
        at = next(number for number, line in enumerate(lines) if "would delete" in line)
        assert " ".join(lines[at : at + 2]).rstrip().endswith(":22")
        run.app.pop_screen()
        run.app.go.restore(ORDERS, 211)
        await run.settled()
        line = next(line for line in run.text().splitlines() if "generation 211" in line and "as of" in line)
        assert line.endswith(("…", "G", "M"))
