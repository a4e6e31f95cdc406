"""What operators say of a generation: pins with an end, tags, trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.engine.plans.plan import Grade
from tests.app.driving import driven
from tests.app.fake_world import NOW

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
