"""What operators say of a generation: pins with an end, tags, trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dysnomia_plugins.base import Found
from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.engine.plans.plan import Grade, Kind
from tests.app.driving import driven
from tests.app.fake_world import CRM, NOW, ORDERS, SETTINGS, World, world

UTC_TIMES = Times(ZoneKind.UTC, NOW)
TOKYO = Times(ZoneKind.RELATIVE, NOW, timezone(timedelta(hours=9), "JST"))


@pytest.mark.parametrize(
    ("typed", "why", "until"),
    [
        ("before the migration", "before the migration", None),
        ("", "", None),
        ("audit until 2w", "audit", NOW + timedelta(weeks=2)),
        ("audit, until 36h", "audit", NOW + timedelta(hours=36)),
        ("until 1d", "", NOW + timedelta(days=1)),
        ("kept Until 2025-12-24", "kept", datetime(2025, 12, 24, 23, 59, 59, tzinfo=UTC)),
        ("not before untilled fields", "not before untilled fields", None),
    ],
)
def test_a_pin_has_a_reason_and_may_have_an_end(typed: str, why: str, until: datetime | None) -> None:
    assert parse_pin(typed, UTC_TIMES) == (why, until)


@pytest.mark.parametrize("typed", ["x until tomorrowish", "x until 2025-13-01", "x until 2020-01-01", "x until 0d"])
def test_an_end_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(PinNotUnderstood):
        parse_pin(typed, UTC_TIMES)


def test_a_day_ends_in_the_servers_zone_where_times_are_relative() -> None:
    assert parse_pin("x until 2025-12-24", TOKYO)[1] == datetime(2025, 12, 24, 14, 59, 59, tzinfo=UTC)


async def test_tags_are_written() -> None:
    async with driven() as run:
        await run.press("2")
        run.app.actions.perform_id("tags")
        await run.settled()
        await run.press(*"good", "space", *"old", "enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0].title.startswith("mark generation")


async def test_trust_is_confirmed_by_the_number() -> None:
    async with driven() as run:
        await run.press("2")
        run.app.actions.perform_id("trust")
        assert (await run.confirmation()).plan.grade is Grade.UNDOABLE


async def test_the_time_jump_names_the_zone_it_reads() -> None:
    async with driven() as run:
        run.app._times = TOKYO
        await run.press("2", "@")
        assert "In JST" in run.text()


# --- marks in the tree -----------------------------------------------------------------------------------------------


async def test_marked_components_are_snapshotted_as_one() -> None:
    async with driven() as run:
        run.main.units.go_to(ORDERS)
        await run.settled()
        await run.press("space")
        run.main.units.go_to(SETTINGS)
        await run.press("space")
        assert "2 components marked: s snapshots, v verifies, X collects" in run.text()
        assert "*● orders" in run.text()
        await run.press("s")
        confirm = await run.confirmation()
        assert confirm.plan.keys == (ORDERS, SETTINGS)
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        await run.settled()
        assert not run.main.units.marks, "no mark is left that another key could be meant for"
        assert "marked" not in run.text()


async def test_a_marked_container_stands_for_its_components_and_v_verifies_the_newest_of_each() -> None:
    async with driven() as run:
        run.main.units.go_to("postgresql")
        await run.settled()
        await run.press("space")
        run.main.units.go_to(SETTINGS)
        await run.press("space", "v")
        plan = (await run.confirmation()).plan
        assert plan.kind is Kind.VERIFY
        assert {ORDERS, CRM, SETTINGS} <= set(plan.keys)


async def test_marks_of_the_tree_are_meant_where_it_has_the_focus() -> None:
    async with driven() as run:
        run.main.units.go_to(ORDERS)
        await run.settled()
        await run.press("space", "k", "2")
        assert run.main.here().picked == ()
        await run.press("1")
        assert [view.key for view in run.main.here().picked] == [ORDERS]
        await run.press("escape")
        assert not run.main.units.marks
        assert run.main.units.has_focus


async def test_marked_components_are_reviewed_for_collection_together() -> None:
    async with driven() as run:
        run.main.units.go_to(ORDERS)
        await run.settled()
        await run.press("space")
        run.main.units.go_to(SETTINGS)
        await run.press("space", "X")
        assert "WOULD be done to 2 components" in run.text()


async def test_several_that_were_found_are_adopted_at_once_with_a_list() -> None:
    more = Found("mysql-database", "mysql", "shop", {"mysqlSocket": "/run/mysqld.sock"}, size=1)
    found = (*world().found, more)
    async with driven(World(found=found, labels=())) as run:
        await run.until(lambda: "wiki" in run.text())
        run.main.units.go_to("?")
        await run.press("space")
        able = [one for one in found if one.readable]
        assert f"{len(found)} found marked: A adopts" in run.text()
        run.main.units.go_to("?mysql-database/mysql/shop")
        await run.press("enter")
        plan = (await run.confirmation()).plan
        assert [str(key) for key in plan.keys] == [f"{one.container}/{one.component}" for one in able]
        assert "would write /etc/dysnomia/components/mysql/shop" in run.text()
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        assert [plan.kind for plan in run.engine.submitted] == [Kind.ADOPT]
