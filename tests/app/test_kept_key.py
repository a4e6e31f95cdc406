"""A key that is typed while something is read is kept, and runs when that is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dysnomia_tui.app.navigation import Navigation
from dysnomia_tui.app.screens.browse import BrowseScreen
from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.app.screens.diff import DiffScreen
from dysnomia_tui.app.screens.history import HistoryScreen
from dysnomia_tui.app.screens.prompt import ChoiceScreen
from dysnomia_tui.app.screens.restore import RestoreScreen
from dysnomia_tui.engine import HistoryAsked
from tests.app.driving import Driven, driven
from tests.app.fake_world import CRM, NOW, ORDERS


async def test_a_key_typed_before_the_store_was_read_runs_when_it_is() -> None:
    async with driven(wait=False) as run:
        run.engine.gate.clear()
        await run.pilot.press("s")
        await run.until(lambda: "still being read" in run.toasts())
        run.engine.gate.set()
        screen = await run.confirmation()
        assert screen.plan.keys == (ORDERS,)


async def test_a_key_typed_while_the_generations_are_read_runs_on_the_newest() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        await run.pilot.press("j")
        await run.pilot.press("r")
        await run.until(lambda: "its generations are still being read" in run.toasts())
        run.engine.gate.set()
        await run.until(lambda: isinstance(run.screen, RestoreScreen) and run.screen.is_mounted, "the restore screen")
        screen = run.screen
        assert isinstance(screen, RestoreScreen)
        assert screen.here().key == CRM


async def test_only_the_last_key_is_kept_and_not_on_another_component() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        await run.pilot.press("j")
        await run.pilot.press("r")
        await run.pilot.press("k")
        run.engine.gate.set()
        await run.settled()
        assert run.screen is run.main


async def test_enter_on_a_list_that_is_still_read_counts() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        run.app.go.browse(ORDERS, 214)
        await run.until(lambda: run.screen is not run.main)
        await run.pilot.press("enter")
        run.engine.gate.set()
        await run.settled()
        assert run.app.focused is not None
        assert run.app.focused.id == "rows"


async def test_a_screen_whose_lists_are_not_mounted_yet_ends_nothing() -> None:
    """Its bars are mounted first, and ask where the operator is."""
    async with driven() as run:
        unmounted = RestoreScreen(ORDERS, 214)
        run.app._screen_stack.append(unmounted)
        try:
            here = run.app.here()
        finally:
            run.app._screen_stack.remove(unmounted)
        assert (here.component, here.loaded) == (None, True)


def _history(go: Navigation) -> None:
    go.history(ORDERS, HistoryAsked("", "table:orders", ("7",)), "orders 7")


EARLY: tuple[tuple[str, Callable[[Navigation], None], str, type], ...] = (
    ("history of a section", lambda go: go.browse(ORDERS, 214), "H", HistoryScreen),
    ("history of a section that differs", lambda go: go.diff(ORDERS, 212, 214), "H", HistoryScreen),
    ("comparison of a line of a history", _history, "d", DiffScreen),
    ("Enter on a line of a history", _history, "enter", DiffScreen),
    ("a line of a history put back", _history, "r", ConfirmScreen),
    ("comparison of a component of a group with live", lambda go: go.whole("postgresql", NOW), "D", DiffScreen),
    ("all of a group restored", lambda go: go.whole("postgresql", NOW), "r", ConfirmScreen),
    ("a review carried out", lambda go: go.gc((ORDERS,), ((ORDERS, 200),)), "X", ConfirmScreen),
    ("the store optimised", lambda go: go.store(), "O", ChoiceScreen),
    ("the trash emptied", lambda go: go.store(), "E", ConfirmScreen),
    ("a deployment", lambda go: go.deploy(), "X", ConfirmScreen),
)
SELDOM = {
    "Enter on a line of a history",
    "a line of a history put back",
    "comparison of a component of a group with live",
    "the store optimised",
}
"""Whose like is tried anyway: these are for `make test-all`."""


@pytest.mark.parametrize(
    ("opens", "key", "then"),
    [pytest.param(*row[1:], id=row[0], marks=[pytest.mark.worlds] if row[0] in SELDOM else []) for row in EARLY],
)
async def test_a_key_typed_while_a_screen_is_still_read_is_kept(
    opens: Callable[[Navigation], None], key: str, then: type
) -> None:
    async with driven() as run:
        run.engine.gate.clear()
        opens(run.app.go)
        await run.until(lambda: run.screen is not run.main and run.screen.is_mounted)
        opened = run.screen
        await run.pilot.press(key)
        assert run.screen is opened
        run.engine.gate.set()
        await run.until(lambda: isinstance(run.screen, then) and run.screen.is_mounted, f"{then.__name__} is open")


async def test_a_copied_section_is_kept_while_it_is_read() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        run.app.go.browse(ORDERS, 214)
        await run.until(lambda: isinstance(run.screen, BrowseScreen) and run.screen.is_mounted)
        await run.pilot.press("c")
        run.engine.gate.set()
        await run.until(lambda: "copied" in run.toasts())


async def opened(run: Driven, screen: str) -> None:
    """Contents, or a comparison, in front."""
    if screen == "browse":
        run.app.go.browse(ORDERS, 214)
    else:
        run.app.go.diff(ORDERS, 212, 214)
    await run.until(lambda: run.screen is not run.main and run.screen.is_mounted)


@pytest.mark.parametrize("opens", ["browse", "diff"])
async def test_a_history_of_a_row_that_is_still_read_is_of_that_row(opens: str) -> None:
    async with driven() as run:
        run.engine.rows_gate.clear()
        await opened(run, opens)
        await run.pilot.press("enter")
        await run.until(lambda: run.app.focused is not None and run.app.focused.id == "rows")
        await run.pilot.pause()
        await run.pilot.press("H")
        run.engine.rows_gate.set()
        await run.until(lambda: run.engine.followed, "the history")
        assert run.engine.followed[-1].row is not None


@pytest.mark.parametrize("opens", ["browse", "diff"])
async def test_what_is_looked_for_before_the_section_is_read_is_found_in_it(opens: str) -> None:
    async with driven() as run:
        run.engine.gate.clear()
        await opened(run, opens)
        await run.pilot.press("l")
        await run.until(lambda: run.app.focused is not None and run.app.focused.id == "rows")
        await run.pilot.press("/", "1", "enter")
        run.engine.gate.set()
        await run.settled()
        screen = run.screen
        assert isinstance(screen, BrowseScreen | DiffScreen)
        assert screen.rows.filter_text == "1"
        await run.until(lambda: "of" in str(screen.rows.hits), "the hits are counted")
