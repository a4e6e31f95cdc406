"""The confirmation of an undo shows first what was written since; nothing is done where it could not be seen."""

from __future__ import annotations

from dataclasses import replace

from dysnomia_tui.app.widgets import since
from dysnomia_tui.engine.plans.plan import Kind, Plan
from tests.app.driving import Driven, driven
from tests.app.fake_world import CHANGES, ORDERS


def undo(run: Driven, **params: object) -> Plan:
    return replace(run.engine.plan_undo("90"), params={"of": "restore", "restored": 213, **params})


async def test_what_was_written_since_the_restore_is_named() -> None:
    async with driven() as run:
        run.app.confirm(undo(run))
        await run.confirmation()
        await run.until(lambda: "written since the restore: orders" in run.text(), "the comparison")
        assert "Cancel" in run.text(), "the buttons are on the screen at 80x24"


async def test_no_toast_covers_what_is_confirmed() -> None:
    async with driven() as run:
        run.app.notify("J1 is done", timeout=60)
        await run.settled()
        assert "J1 is done" in run.text()
        run.app.confirm(run.engine.plan_restore(ORDERS, 211))
        await run.confirmation()
        run.app.notify("J2 is done", timeout=60)
        await run.settled()
        assert "is done" not in run.text()
        assert "Cancel" in run.text()


async def test_an_undo_without_a_restored_generation_compares_nothing() -> None:
    async with driven() as run:
        run.app.confirm(undo(run, restored=None))
        screen = await run.confirmation()
        assert not screen.query("#since")
        run.app.pop_screen()
        run.app.confirm(run.engine.plan_restore(ORDERS, 211))
        assert not (await run.confirmation()).query("#since")


def test_only_an_undo_of_a_restore_is_compared() -> None:
    plan = Plan(Kind.UNDO, "undo", (ORDERS,), confirm="", grade=2, steps=(), params={"restored": 7})  # type: ignore[arg-type]
    assert since.compared(plan) == (ORDERS, 7)
    assert since.compared(replace(plan, kind=Kind.RESTORE)) is None
    assert since.compared(replace(plan, params={"of": "gc"})) is None


def test_the_words_say_when_nothing_was_written_and_when_it_is_not_known_yet() -> None:
    assert since.words((), ready=True).plain == "written since the restore: nothing"
    assert "comparing" in since.words((), ready=False).plain
    assert since.words(CHANGES, ready=True).plain.startswith("written since the restore: orders +1.2K -3 ~12, users")


async def test_below_the_least_size_no_key_does_anything_but_close() -> None:
    async with driven(size=(40, 10)) as run:
        await run.press("r", "s", "X", "d")
        assert run.screen is run.main
        assert run.engine.submitted == []
        assert "too small" in run.text()


async def test_a_confirmation_that_cannot_be_seen_cannot_be_given() -> None:
    async with driven(size=(40, 10)) as run:
        run.app.confirm(run.engine.plan_restore(ORDERS, 211))
        screen = await run.confirmation()
        await run.press(*"211", "enter")
        await run.settled()
        assert run.engine.submitted == []
        assert "Esc cancels" in run.text()
        await run.press("escape")
        assert run.screen is not screen
