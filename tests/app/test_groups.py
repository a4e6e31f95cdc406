"""Applications on the screen: found in the tree, seen at a time, restored, snapshotted and undone as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.confirm_flow import PLANNING
from dysnomia_tui.app.present import group as present
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.app.screens.group import GroupScreen
from dysnomia_tui.app.screens.main import MainScreen
from dysnomia_tui.app.screens.prompt import ChoiceScreen, PromptScreen
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine.machine import group_views
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import Health, JobState
from tests.app.driving import Driven, driven
from tests.app.fake_world import CRM, DOCUMENTS, NOW, ORDERS, SETTINGS, component, job, shop_world, world


@asynccontextmanager
async def on_shop(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Driven]:
    """The cursor on the group ``shop``."""
    async with driven(shop_world(), size=size) as run:
        run.app.show_group("shop")
        await run.settled()
        yield run


def group_screen(run: Driven) -> GroupScreen:
    assert isinstance(run.screen, GroupScreen)
    return run.screen


async def confirmed(run: Driven, typed: str = "") -> None:
    await run.confirmation()
    await run.press(*typed, "enter")
    await run.until(lambda: not isinstance(run.screen, ConfirmScreen))
    await run.settled()


def test_a_group_is_as_well_as_its_worst_component() -> None:
    views = [component(ORDERS, Health.OK), component(CRM, Health.STALE), component(SETTINGS, Health.BUSY)]
    known = {view.key: view for view in views}
    for keys, health in (
        ((ORDERS,), Health.OK),
        ((ORDERS, SETTINGS), Health.BUSY),
        ((ORDERS, SETTINGS, CRM), Health.STALE),
        ((ORDERS, DOCUMENTS), Health.GONE),
    ):
        made = group_views.view("x", GroupSettings(keys), known)
        assert (made.health, made.keys) == (health, keys)
    assert set(group_views.WORST_FIRST) == set(Health)


async def test_groups_are_the_first_lines_of_the_tree_and_the_cursor_starts_on_a_component() -> None:
    async with driven(shop_world()) as run:
        assert run.main.here().key == ORDERS
        lines = [line for line in run.text().splitlines() if "◆" in line]
        assert ["all" in lines[0], "FAILED 1/5" in lines[0], "ok 2" in lines[1]] == [True] * 3
        await run.press("g", "j")
        assert run.main.here().whole == "shop"
        shown = run.text()
        assert "2 shop: all 2 ok" in shown
        assert "/usr/local/sbin/shop stop, within 1m" in shown
        await run.press("slash", *"group", "enter")
        assert len(run.main.units.shown) == 2


async def test_a_group_is_found_in_the_palette() -> None:
    async with driven(shop_world()) as run:
        await run.press("colon", *"go to shop", "enter")
        assert run.main.here().whole == "shop"


async def test_at_a_time_where_every_component_stood_and_all_of_it_is_restored() -> None:
    async with on_shop() as run:
        await run.press("at", *"-30h", "enter")
        screen = group_screen(run)
        assert [(row.key, row.generation.number if row.generation else None) for row in screen.table.shown] == [
            (ORDERS, 211),
            (SETTINGS, 31),
        ]
        assert "where it stood at 21 Nov 2025 08:22:07 UTC" in run.text()
        assert "exact" in run.text()
        await run.press("r")
        await confirmed(run, "2")
        plan = run.engine.submitted[-1]
        assert (plan.kind, plan.keys) == (Kind.GROUP, (ORDERS, SETTINGS))
        assert plan.params["when"] == (NOW - timedelta(hours=30)).isoformat()
        assert group_screen(run).has_class("running")
        await run.until(lambda: "J93 restore group shop" in run.text())
        run.app.poller.look_at_jobs()
        await run.settled()
        await run.press("u")
        await confirmed(run, "212")
        assert run.engine.submitted[-1].title == "undo J93"


async def test_enter_shows_where_all_of_it_is_now_and_enter_there_goes_to_the_generation() -> None:
    async with on_shop() as run:
        await run.press("enter")
        assert "where it stands" in run.text()
        await run.press("j", "enter")
        assert isinstance(run.screen, MainScreen)
        assert run.main.here().key == SETTINGS
        assert run.main.list.item is not None
        assert run.main.list.item.number == 40


async def test_what_is_missing_is_said_and_forbids_the_restore() -> None:
    async with driven(shop_world()) as run:
        run.app.go.whole("all")
        await run.settled()
        assert "✗ 2 of 5 components cannot go back" in run.text()
        await run.press("r")
        assert "not every component has a good generation of that time" in run.toasts()
        await run.press("at", *"1999-01-01", "enter")
        assert run.text().count("✗ none that old") == 3
        await run.press("D")
        assert "it has no generation of that time" in run.toasts()
        assert run.engine.submitted == []


async def test_a_container_is_one_too() -> None:
    async with driven() as run:
        await run.press("g", "at", *"now", "enter")
        screen = group_screen(run)
        assert [row.key for row in screen.table.shown][:2] == [ORDERS, CRM]
        assert "container postgresql" in run.text()
        assert "postgresql/orders" not in run.text().split("╰")[0], "all are in it: names without it"


async def test_restore_on_a_group_asks_for_the_time_too() -> None:
    async with on_shop() as run:
        await run.press("r")
        assert isinstance(run.screen, PromptScreen)
        await run.press(*"-30h", "enter")
        group_screen(run)


async def test_all_of_it_is_snapshotted_as_one() -> None:
    async with on_shop() as run:
        await run.press("s")
        await confirmed(run)
        assert run.engine.submitted[-1].params == {"group": "shop", "action": "snapshot"}
        await run.press("enter", "s")
        await confirmed(run)
        assert [plan.kind for plan in run.engine.submitted] == [Kind.GROUP, Kind.GROUP]


async def test_undo_takes_the_newest_restore_of_the_group_and_none_before_it() -> None:
    done = {"kind": "group", "keys": (ORDERS, SETTINGS), "undoable": True}
    first = job(93, JobState.DONE, details={"group": "shop", "action": "restore"}, created=NOW, **done)
    async with on_shop() as run:
        await run.press("u")
        assert "no restore of the whole of shop is to be undone" in run.toasts()
        other = replace(first, id="94", details={"group": "all", "action": "restore"}, created=NOW + timedelta(1))
        seen = replace(first, id="95", details={"group": "shop", "action": "snapshot"}, created=NOW + timedelta(2))
        run.engine.world.jobs = (first, other, seen)
        run.app.poller.look_at_jobs()
        await run.settled()
        await run.press("u")
        assert (await run.confirmation()).plan.title == "undo J93"
        await run.press("escape")
        again = replace(first, id="96", undoable=False, created=NOW + timedelta(3))
        run.engine.world.jobs = (again, first)
        run.app.poller.look_at_jobs()
        await run.settled()
        assert run.app.here().undo is None


async def test_undo_on_a_component_of_a_groups_restore_asks_which() -> None:
    whole = job(93, JobState.DONE, kind="group", title="restore group shop", keys=(ORDERS, SETTINGS), undoable=True,
                details={"group": "shop", "action": "restore"}, created=NOW)  # fmt: skip
    one = job(94, JobState.DONE, kind="restore", keys=(ORDERS,), undoable=True, part_of="93", created=NOW)
    async with driven(shop_world()) as run:
        run.engine.world.jobs = (one, whole)
        run.app.poller.look_at_jobs()
        await run.settled()
        assert "J94" not in run.toasts(), "the job of its group says it"
        await run.press("u")
        assert isinstance(run.screen, ChoiceScreen)
        assert "sqlite/settings would stay as it is now" in run.text()
        await run.press("enter")
        assert (await run.confirmation()).plan.title == "undo J93"
        await run.press("escape", "u", "j", "enter")
        assert (await run.confirmation()).plan.title == "undo J94"
        await run.press("escape")
        run.engine.world.jobs = (one, replace(whole, undoable=False))
        run.app.poller.look_at_jobs()
        await run.settled()
        await run.press("u")
        assert (await run.confirmation()).plan.title == "undo J94"


async def test_read_only_shows_and_does_nothing() -> None:
    async with driven(shop_world(), read_only=True) as run:
        run.app.go.whole("shop")
        await run.settled()
        for key in ("r", "s", "u", "x"):
            await run.press(key)
            assert "read-only" in run.toasts()
            run.app.clear_notifications()
        assert run.engine.submitted == []


async def test_a_name_that_is_no_group_any_more_is_said() -> None:
    async with driven(shop_world()) as run:
        run.app.go.whole("shöp[b]\x1b")
        await run.settled()
        assert "there is no group and no container" in run.text()
        assert "\x1b" not in run.text()
        await run.press("r", "s", "u", "D", "tab", "enter")
        assert run.engine.submitted == []


def test_names_of_any_length_leave_room_for_the_note() -> None:
    times = Times(ZoneKind.UTC, NOW)
    rows = [present.Stood(ComponentKey("c" * 80, "x" * 80), None, 0, None)]
    for cells in (58, 78, 118, 198):
        made = present.columns(cells, times, NOW, rows)
        wide = sum(column.gap + column.width for column in made)
        assert wide <= cells
        assert {"component", "number", "note"} <= {column.id for column in made}


def test_one_that_was_not_there_yet_forbids_nothing_and_says_so() -> None:
    times = Times(ZoneKind.UTC, NOW)
    young = present.Stood(ComponentKey("c", "young"), None, 0, None, new=True)
    assert present.note(young).plain == "not there yet: stays as it is"
    assert "its server did not have it at that time" in present.under_cursor(young, times).plain
    assert present.verdict([young], "r", "u", "@").plain.startswith("● all of it can go back")
    missing = present.Stood(ComponentKey("c", "stock"), None, 0, None)
    assert "✗ 1 of 2 components" in present.verdict([young, missing], "r", "u", "@").plain


async def test_a_world_without_groups_has_no_line_of_them() -> None:
    async with driven(world()) as run:
        assert "◆" not in run.text()


async def test_a_plan_that_comes_after_its_screen_was_closed_is_still_confirmed() -> None:
    """On a slow machine it takes its time: that it is made is said, and whoever leaves breaks nothing."""
    async with on_shop() as run:
        await run.press("enter")
        assert isinstance(run.screen, GroupScreen)
        run.engine.gate.clear()
        await run.burst("r")
        await run.until(lambda: PLANNING in run.toasts(), "it is said that it is planned")
        await run.burst("q")
        await run.until(lambda: isinstance(run.screen, MainScreen), "the group is closed")
        run.engine.gate.set()
        await confirmed(run, "2")
        await run.until(lambda: run.engine.submitted, "it was submitted")
        await run.settled()
        assert isinstance(run.screen, MainScreen)
        assert PLANNING not in run.toasts()


async def test_a_key_is_about_one_line_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_shop() as run:
        await run.press("enter")
        assert isinstance(run.screen, GroupScreen)
        looked: list[str] = []
        monkeypatch.setattr(present, "verdict", lambda *_: looked.append("verdict"))
        monkeypatch.setattr(present, "columns", lambda *_, **__: looked.append("columns"))
        await run.press("j", "k")
        assert looked == []
        assert "all of it can go back" in run.text()
        assert "Enter go to" in run.text()
