"""Finding a row, and what became of it: by keys, from the contents of a generation and from a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from dysnomia_tui.app.present.history import last_seen
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.browse import BrowseScreen
from dysnomia_tui.app.screens.diff import DiffScreen
from dysnomia_tui.app.screens.history import HistoryScreen
from dysnomia_tui.engine import HistoryAsked
from dysnomia_tui.engine.records import Change
from tests.app.driving import Driven, driven
from tests.app.fake_reading import history_of
from tests.app.fake_world import ORDERS

Shown = TypeVar("Shown", bound=DysnomiaScreen)


def front(run: Driven, kind: type[Shown]) -> Shown:
    """The screen in front, which is one of these."""
    screen = run.screen
    assert isinstance(screen, kind)
    return screen


async def browsing(run: Driven) -> BrowseScreen:
    """In the rows of the first table of a generation."""
    run.app.go.browse(ORDERS, 214)
    await run.settled()
    screen = front(run, BrowseScreen)
    while screen.sections.item is None or screen.sections.item.kind != "table":
        await run.press("j")
    await run.press("enter")
    assert screen.rows.has_focus
    return screen


async def test_slash_lists_the_rows_that_hold_a_text_and_escape_all_of_them_again() -> None:
    async with driven() as run:
        screen = await browsing(run)
        every = len(screen.rows.shown)
        await run.press("slash", *"NAME [12", "enter")
        await run.until(lambda: list(screen.rows.shown) == [12, *range(120, 130)])
        assert "/NAME [12: 1 of 11" in run.text()
        assert "name [125]" in run.text()
        assert screen.rows.has_focus
        await run.press("n", "n")
        assert "/NAME [12: 3 of 11" in run.text()
        assert screen.rows.item == 121
        await run.press("escape")
        assert len(screen.rows.shown) == every
        assert screen.rows.item == 121, "what stands beside the hit is seen"
        assert "of 11" not in run.text()
        assert run.screen is screen


async def test_n_goes_through_the_hits_and_has_its_own_meaning_back_when_the_search_ends() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        screen = front(run, DiffScreen)
        first = screen.sections.item
        footer = run.text().splitlines()[-1]
        assert "n next" in footer
        assert "next hit" not in footer
        await run.press("enter", "slash", *"pending", "enter")
        await run.until(lambda: "1 of 803" in run.text())
        footer = run.text().splitlines()[-1]
        assert "n next hit" in footer
        assert "N hit before" in footer
        assert footer.count("next") == 1
        await run.press("N")
        assert "803 of 803" in run.text(), "before the first comes the last"
        await run.press("n", "n")
        assert "/pending: 2 of 803" in run.text()
        at = screen.rows.item
        assert screen.sections.item == first
        await run.press("question_mark")
        assert "Next hit" in run.text()
        await run.press(*"next section")
        assert "its key goes to the next hit" in run.text()
        await run.press("escape", "escape")
        assert screen.rows.item == at
        assert len(screen.rows.shown) > 1000
        await run.press("n")
        assert screen.sections.item != first, "n is the next section again"
        await run.press("N")
        assert run.screen is screen


async def test_a_search_is_ended_from_the_sections_too() -> None:
    async with driven() as run:
        screen = await browsing(run)
        await run.press("slash", *"name [12", "enter")
        await run.until(lambda: screen.rows.searching)
        screen.sections.focus()
        await run.press("escape")
        assert not screen.rows.searching
        assert run.screen is screen


async def test_where_a_filter_hides_everything_it_says_so() -> None:
    async with driven(size=(120, 40)) as run:
        screen = await browsing(run)
        screen.sections.focus()
        count = len(screen.sections.items)
        await run.press("slash", *"nope", "enter")
        said = " ".join(line[:34].strip("│ ") for line in run.text().splitlines())
        assert f"no line has nope: the filter hides all {count}" in said
        assert "Enter goes into the rows, where / finds in them" in said, "who wanted a row is told where they are"
        await run.press("escape", "slash", "exclamation_mark", "e", "enter")
        assert len(screen.sections.shown) < count


async def test_words_that_are_looked_for_run_nothing() -> None:
    async with driven() as run:
        screen = await browsing(run)
        await run.burst("slash", *"call first", "enter")
        await run.until(lambda: screen.rows.filter_text == "call first")
        await run.settled()
        assert run.engine.submitted == []
        assert run.screen is screen
        assert "no row holds it" in run.text()
        await run.press("H")
        assert run.engine.followed == [HistoryAsked("call first", "table:orders")], "it may be in another generation"


async def test_the_history_of_a_row_is_a_key_away_and_enter_shows_the_change() -> None:
    async with driven() as run:
        screen = await browsing(run)
        section = screen.sections.item
        assert section is not None
        await run.press("j", "H")
        front(run, HistoryScreen)
        assert run.engine.followed == [HistoryAsked("", f"table:{section.name}", ("1",))]
        text = run.text()
        assert "- gone" in text
        assert text.index("- gone") < text.index("state pending → shipped") < text.index("+ oldest")
        assert "last seen in 213" in text
        await run.press("j", "enter")
        diff = front(run, DiffScreen)
        assert (diff._old, diff._new) == (204, 205)
        await run.press("q", "G", "enter")
        front(run, HistoryScreen)
        assert "generation 1 is the oldest" in run.toasts()
        await run.press("q")
        assert run.screen is screen


async def test_each_line_says_up_to_which_generation_the_row_is_so_and_nothing_jumps() -> None:
    async with driven() as run:
        run.app.go.history(ORDERS, HistoryAsked("7"), "7")
        await run.settled()
        screen = front(run, HistoryScreen)
        tall = screen.lines.size.height
        assert "section" in run.text(), "of one that was looked for everywhere, also where it is in one alone"
        assert "last seen in 213" in run.text()
        await run.press("j")
        assert "changed between 204 and 205; as here up to 213" in run.text()
        await run.press("j")
        assert "the oldest generation; as here up to 204" in run.text()
        assert screen.lines.size.height == tall


def test_a_row_that_is_there_still_is_so_up_to_the_newest() -> None:
    _, changed, oldest = history_of("7")
    assert last_seen(changed, [changed, oldest], 214) == "as here up to 214, the newest"
    assert last_seen(changed, [changed, oldest], None) == ""
    elsewhere = replace(changed, name="customers")
    assert last_seen(oldest, [elsewhere, oldest], 214) == "as here up to 214, the newest"


async def test_the_history_of_a_section_is_asked_for_where_the_sections_are() -> None:
    async with driven() as run:
        screen = await browsing(run)
        section = screen.sections.item
        assert section is not None
        screen.sections.focus()
        await run.press("H")
        assert run.engine.followed == [HistoryAsked(f"table:{section.name}")]


async def test_a_change_is_found_in_a_comparison() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        screen = front(run, DiffScreen)
        await run.press("enter", "slash", *"1199", "enter")
        await run.until(lambda: list(screen.rows.shown) == [1199])
        assert "/1199: 1 of 1" in run.text()
        await run.press("H")
        assert run.engine.followed[0].row == ("1199",)
        await run.press("q", "escape")
        assert len(screen.rows.shown) > 1000
        assert screen.rows.has_focus
        await run.press("slash", *"!pending", "enter")
        await run.until(lambda: len(screen.rows.shown) == 401, "of 1,204 changes every third only came")


async def test_the_comparison_of_a_history_begins_on_its_row() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        diff = front(run, DiffScreen)
        assert diff._right.row(900) is None, "it is read"
        await run.settled()
        row = diff._right.row(900)
        assert row is not None
        await run.press("q")
        line = replace((run.engine.history(ORDERS, HistoryAsked("7"))).page(0, 1)[0], row=row)
        run.app.go.diff(ORDERS, 213, 214, line)
        await run.settled()
        screen = front(run, DiffScreen)
        await run.until(lambda: screen.rows.item == 900)
        assert screen.rows.has_focus


async def test_a_row_is_put_back_from_its_history_as_it_was() -> None:
    """Of the line that says that it went: as it was in the generation before."""
    async with driven() as run:
        run.app.go.history(ORDERS, HistoryAsked("", "table:orders", ("7",)), "orders 7")
        await run.settled()
        lines = [line for line in history_of("7") if not line.whole]
        gone = next(at for at, line in enumerate(lines) if line.row.change is Change.REMOVED)
        await run.press(*("j" * gone), "r")
        screen = await run.confirmation()
        assert f"of generation {lines[gone].before} back" in screen.plan.title
        assert screen.plan.params["asked"][0]["keys"] == [["7"]]
