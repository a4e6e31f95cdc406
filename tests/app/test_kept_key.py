"""A key that is typed while something is read is kept, and runs when that is there."""

from __future__ import annotations

from dysnomia_tui.app.screens.restore import RestoreScreen
from tests.app.driving import driven
from tests.app.fake_world import CRM, ORDERS


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
