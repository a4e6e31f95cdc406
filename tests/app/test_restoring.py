"""The restore screen: target, plan, the job live, the outcome and its undo."""

from __future__ import annotations

from dataclasses import replace

from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.screens.prompt import ChoiceScreen, PromptScreen
from dysnomia_tui.app.screens.restore import RestoreScreen
from dysnomia_tui.engine.plans.plan import Grade
from tests.app.driving import Driven, driven
from tests.app.fake_world import ORDERS, world


async def opened(run: Driven, number: int = 211) -> RestoreScreen:
    run.app.go.restore(ORDERS, number)
    await run.settled()
    assert isinstance(run.screen, RestoreScreen)
    return run.screen


async def test_the_plan_of_replacing_stands_there_at_once() -> None:
    async with driven() as run:
        await opened(run)
        text = run.text()
        assert "Would restore generation 211 of postgresql/orders" in text
        assert "would replace the live database orders" in text
        assert "can be undone" in text


async def test_enter_asks_for_the_number_and_runs_the_very_plan() -> None:
    async with driven() as run:
        await opened(run)
        await run.press("enter")
        confirmation = await run.confirmation()
        assert confirmation.plan.grade is Grade.UNDOABLE
        await run.press(*"211", "enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0] is confirmation.plan


async def test_after_the_confirmation_the_job_is_followed_and_u_undoes_it() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("enter")
        await run.confirmation()
        await run.press(*"211", "enter")
        await run.until(lambda: screen.job_log.job is not None, "the job is followed")
        await run.settled()
        assert "restore generation 211" in run.text()
        await run.press("u")
        undo = await run.confirmation()
        assert undo.plan.title.startswith("undo J")


async def test_a_copy_asks_for_its_name_and_then_plans() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("j", "enter")
        assert isinstance(run.screen, PromptScreen)
        await run.press("enter")
        await run.until(lambda: "as orders_211" in run.text(), "the copy's plan")
        await run.press("enter")
        confirmation = await run.confirmation()
        assert confirmation.plan.grade is Grade.ADDS
        assert confirmation.plan.params["name"] == "orders_211"
        assert screen.target.kind == "copy"


async def test_the_names_of_sections_are_shown_whole() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("j", "j", "enter")
        await run.until(lambda: screen.choose.items, "the sections")
        await run.settled()
        shown = run.text()
        for section in screen.choose.items[:5]:
            assert plain(section.name).plain in shown


async def test_some_sections_are_marked_then_named_then_planned() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("j", "j", "enter")
        assert screen.choose.has_focus
        await run.press("space", "space", "enter")
        assert isinstance(run.screen, PromptScreen)
        await run.press("enter")
        await run.settled()
        assert len(screen.target.sections) == 2
        await run.press("enter")
        confirmation = await run.confirmation()
        assert confirmation.plan.params["target"] == "sections"
        assert list(screen.target.sections) == confirmation.plan.params["sections"]


async def test_a_copy_into_another_container_asks_for_it_and_for_its_name() -> None:
    here = world()
    staging = replace(here.containers[0], name="staging", components=())
    async with driven(replace(here, containers=(*here.containers, staging))) as run:
        screen = await opened(run)
        await run.press("j", "j", "j", "enter")
        assert isinstance(run.screen, ChoiceScreen)
        assert "hostname=localhost" in run.text()
        await run.press("enter")
        assert isinstance(run.screen, PromptScreen)
        await run.press("enter")
        await run.until(lambda: screen.here().planned and screen.target.name, "the copy's plan")
        await run.press("enter")
        confirmation = await run.confirmation()
        assert confirmation.plan.grade is Grade.ADDS
        assert (confirmation.plan.params["name"], confirmation.plan.params["container"]) == ("orders", "staging")
        assert screen.target.kind == "elsewhere"


async def test_without_another_container_of_the_type_it_is_said() -> None:
    async with driven() as run:
        await opened(run)
        await run.press("j", "j", "j", "enter")
        assert "no other container of the type postgresql-database is configured" in run.text()


async def test_a_target_that_is_not_filled_in_can_not_be_run() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("j")
        assert screen.target.kind == "copy"
        assert not screen.target.filled
        await run.press("enter", "escape")
        assert run.engine.submitted == []
        assert run.screen is screen


async def test_escape_leaves_without_anything_done() -> None:
    async with driven() as run:
        await opened(run)
        await run.press("escape")
        assert run.screen is run.main
        assert run.engine.submitted == []


async def test_read_only_shows_the_plan_and_refuses_to_run_it() -> None:
    async with driven(read_only=True) as run:
        await opened(run)
        assert "Would restore generation 211" in run.text()
        await run.press("enter")
        await run.confirmation()
        await run.press(*"211", "enter")
        await run.settled()
        assert run.engine.submitted == []
