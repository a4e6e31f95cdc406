"""Keys typed faster than the screen follows act where they were meant."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from dysnomia_tui.app.screens.prompt import PromptScreen
from tests.app.driving import driven
from tests.app.fake_world import CRM, ORDERS


@pytest.mark.parametrize("size", [(60, 15), (80, 24)])
async def test_a_pane_and_a_move_in_it_in_one_go(size: tuple[int, int]) -> None:
    async with driven(size=size) as run:
        await run.burst("2", "j", "j", "k", "space", "G")
        await run.settled()
        assert run.main.here().key == ORDERS, "the cursor of pane 1 has not moved"
        assert run.main.list.row == 39
        assert run.main.here().marks == (213,)
        await run.burst("1", "j", "tab", "tab", "tab", "j", "k")
        await run.settled()
        assert run.main.here().key == CRM


async def test_into_and_move() -> None:
    async with driven() as run:
        await run.burst("enter", "j", "enter", "j", "escape", "j")
        await run.settled()
        assert run.main.list.row == 2


async def test_a_time_typed_in_one_go() -> None:
    async with driven() as run:
        await run.burst("2", "at", "minus", "1", "d", "enter")
        await run.settled()
        assert run.screen is run.main
        assert run.main.list.item is not None
        assert run.main.list.item.number == 211


async def test_a_filter_typed_in_one_go() -> None:
    async with driven() as run:
        await run.burst("2", "slash", *"guard", "enter", "escape", "j")
        await run.settled()
        assert run.main.list.filter_text == ""
        assert run.main.list.item is not None
        assert run.main.list.item.number == 211, "one below the guard that the filter had found"


async def test_a_note_typed_in_one_go_goes_into_the_note() -> None:
    async with driven() as run:
        await run.burst("2", "n", *"snap", "backspace", "x")
        await run.settled()
        assert isinstance(run.screen, PromptScreen)
        assert run.screen.query_one(Input).value == "snax"


async def test_the_palette_typed_in_one_go() -> None:
    async with driven() as run:
        await run.burst("colon", *"crm", "enter", "2")
        await run.settled()
        assert run.main.here().key == CRM
        assert run.main.list.has_focus


async def test_what_is_typed_ahead_of_a_confirmation_is_dropped() -> None:
    async with driven() as run:
        run.app.confirm(run.engine.plan_restore(ORDERS, 211))
        await run.burst("2", "1", "1", "enter")
        screen = await run.confirmation()
        assert screen.query_one("#typed", Input).value == ""
        assert run.engine.submitted == []
