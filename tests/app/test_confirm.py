"""Confirmations: as much to do as it is dangerous, and nothing by accident."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual import events
from textual.widgets import Input

from dysnomia_tui.app.present.plan import to_type
from dysnomia_tui.app.screens import confirm
from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.engine.plans.plan import Grade, Plan
from tests.app.driving import Driven, driven
from tests.app.fake_world import ORDERS
from tests.thorough import seldom


def plan_of(run: Driven, grade: Grade, **changes: object) -> Plan:
    plan = replace(run.engine.plan_restore(ORDERS, 211), grade=grade)
    return replace(plan, **changes)  # type: ignore[arg-type]


async def ask(run: Driven, plan: Plan) -> ConfirmScreen:
    run.app.confirm(plan)
    return await run.confirmation()


async def test_grade_0_asks_nothing() -> None:
    async with driven() as run:
        run.app.confirm(plan_of(run, Grade.READ, confirm=""))
        await run.until(lambda: run.engine.submitted)
        assert run.screen is run.main


async def test_grade_1_takes_enter() -> None:
    async with driven() as run:
        plan = plan_of(run, Grade.ADDS, confirm="")
        await ask(run, plan)
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0] is plan, "the very object that was shown"


@pytest.mark.parametrize(("grade", "word"), [(Grade.UNDOABLE, "211"), (Grade.FINAL, "orders")])
async def test_grades_2_and_3_take_what_they_name(grade: Grade, word: str) -> None:
    async with driven() as run:
        await ask(run, plan_of(run, grade, confirm=word))
        assert run.app.focused is not None
        assert run.app.focused.id == "leave", "the focus starts on the safe choice"
        await run.press(*word, "enter")
        await run.until(lambda: run.engine.submitted)


async def test_enter_alone_leaves_things_be() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.press("enter")
        await run.until(lambda: run.screen is run.main)
        assert run.engine.submitted == []


async def test_the_wrong_word_does_nothing_and_says_so() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.press(*"212", "enter")
        assert isinstance(run.screen, ConfirmScreen)
        assert "nothing was changed" in run.text()
        assert run.engine.submitted == []
        await run.press("backspace", "1", "enter")
        await run.until(lambda: run.engine.submitted)


async def test_keys_typed_before_it_is_armed_are_dropped() -> None:
    async with driven() as run:
        run.app.confirm(plan_of(run, Grade.ADDS, confirm=""))
        await run.until(lambda: isinstance(run.screen, ConfirmScreen))
        screen = run.screen
        assert isinstance(screen, ConfirmScreen)
        screen._arm = lambda: None  # type: ignore[method-assign]
        if screen.armed:
            pytest.fail("it was armed at once")
        for key in ("enter", "2", "1", "1", "tab", "enter", "space"):
            await run.pilot.press(key)
        await run.pilot.pause()
        assert run.screen is screen
        assert run.engine.submitted == []
        await run.pilot.press("escape")
        await run.until(lambda: run.screen is run.main)


async def test_until_it_is_armed_it_says_that_no_key_counts_and_not_what_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(confirm, "ARMED_AFTER", 3600.0)
    async with driven() as run:
        run.app.confirm(plan_of(run, Grade.UNDOABLE))
        await run.until(lambda: "keys are ignored" in run.text())
        assert "Type 211" not in run.text()
        screen = run.screen
        assert isinstance(screen, ConfirmScreen)
        await run.burst(*"211", "enter")
        screen._arm()
        await run.until(lambda: "Type 211 and press Enter" in run.text())
        assert "keys are ignored" not in run.text()
        assert screen.query_one("#typed", Input).value == ""
        await run.burst(*"211", "enter")
        await run.until(lambda: run.engine.submitted)


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        (("4", "1", "backspace", "backspace", "4", "0"), "40"),
        (("backspace", "4", "1", "left", "0", "end", "2"), "4012"),
        (("2", "1", "2", "enter", "backspace", "1"), "211"),
        (("2", "tab", "x", "shift+tab", "1", "1"), "211"),
    ],
)
async def test_keys_in_one_go_keep_their_order_and_none_is_lost(keys: tuple[str, ...], typed: str) -> None:
    async with driven() as run:
        screen = await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.burst(*keys)
        await run.until(lambda: screen.query_one("#typed", Input).value == typed)


async def test_the_word_and_enter_in_one_go() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.burst(*"211", "enter", "q", "q")
        await run.until(lambda: run.engine.submitted)
        assert len(run.engine.submitted) == 1


async def test_a_key_that_was_typed_before_it_was_armed_is_dropped_however_late_it_comes() -> None:
    async with driven() as run:
        screen = await ask(run, plan_of(run, Grade.ADDS, confirm=""))
        early = events.Key("enter", "\r")
        early.time = screen._armed_at - 0.001
        early.set_sender(run.app)
        assert run.app._driver is not None
        run.app._driver.send_message(early)
        await run.pilot.pause()
        assert run.screen is screen
        assert run.engine.submitted == []
        await run.burst("enter")
        await run.until(lambda: run.engine.submitted)


async def test_a_plan_with_blockers_cannot_be_confirmed_at_all() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.ADDS, confirm="", blockers=("the role [web] is missing",)))
        assert "cannot run: the role [web] is missing" in run.text()
        assert not run.screen.query("#do")
        await run.press("enter")
        await run.until(lambda: run.screen is run.main)
        assert run.engine.submitted == []


async def test_a_plan_says_would_what_it_replaces_its_space_and_its_command() -> None:
    async with driven(size=(100, 36)) as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        text = " ".join(run.text().replace("│", " ").split())
        for part in (
            "Would restore generation 211",
            "would replace the live database orders",
            "≈1.2G needed, 118G free",
            "dysnomia -o restore -c orders -C postgresql",
            "db1",
            "PROD",
            "can be undone",
        ):
            assert part in text


async def test_why_goes_with_the_job() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.press(*"211", "tab", *"oops", "enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.world.jobs[0].why == "oops"


async def test_the_mouse_confirms_only_what_was_typed() -> None:
    async with driven() as run:
        await ask(run, plan_of(run, Grade.UNDOABLE))
        await run.pilot.click("#do")
        await run.settled()
        assert run.engine.submitted == []
        await run.press(*"211")
        await run.pilot.click("#do")
        await run.until(lambda: run.engine.submitted)


@pytest.mark.parametrize(
    "size", seldom([(80, 24), (120, 40), (60, 15), (60, 17), (60, 18), (80, 20)], (80, 24), (60, 15), (60, 17))
)
@pytest.mark.parametrize("kind", seldom(["restore", "undo"], "restore"))
async def test_the_buttons_are_seen_however_long_the_plan_is(kind: str, size: tuple[int, int]) -> None:
    from dysnomia_tui.engine.plans.plan import Kind, Step

    async with driven(size=size) as run:
        long = tuple(
            Step(f"step {number} would be taken, and it takes more than a line to say") for number in range(30)
        )
        plan = plan_of(run, Grade.UNDOABLE, kind=Kind(kind), params={"restored": 211}, steps=long)
        screen = await ask(run, plan)
        frame = screen.query_one("Vertical").content_region
        for name in ("#leave", "#do"):
            region = screen.query_one(name).region
            assert region.height == 1
            assert frame.contains_region(region), f"{name} lies at {region}, the frame at {frame}"


@pytest.mark.parametrize("grade", [Grade.UNDOABLE, Grade.FINAL])
def test_a_dangerous_plan_that_names_nothing_is_still_never_confirmed_by_enter(grade: Grade) -> None:
    from dysnomia_tui.engine.plans.plan import Kind

    assert to_type(Plan(Kind.GC, "x", (ORDERS,), grade, ())) == "orders"
    assert to_type(Plan(Kind.GC, "x", (), grade, ())) == "gc"


async def test_there_is_one_confirmation_at_a_time() -> None:
    async with driven() as run:
        first = await ask(run, plan_of(run, Grade.UNDOABLE, confirm="211"))
        run.app.confirm(plan_of(run, Grade.FINAL, confirm="orders"))
        await run.settled()
        assert run.screen is first, "keys meant for the first must not answer the second"
        await run.press("escape")
        await run.until(lambda: run.screen is run.main)
