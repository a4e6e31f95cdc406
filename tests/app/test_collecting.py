"""The GC review: KEEP or DELETE with the rule, recomputed as the policy is typed, overruled by marks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.widgets import Input

from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.app.present.gc import PolicyNotUnderstood, parse_policy, patterns
from dysnomia_tui.app.screens.gc import GcScreen
from dysnomia_tui.engine.plans.plan import Grade, Kind
from dysnomia_tui.engine.records import WAITING, Alarm, WaitingCollection
from tests.app.driving import Driven, driven, key_of
from tests.app.fake_engine import FakeEngine
from tests.app.fake_world import CRM, NOW, ORDERS, World, world
from tests.thorough import seldom


async def opened(run: Driven, drop: tuple[int, ...] = ()) -> GcScreen:
    run.app.go.gc([CRM], [(CRM, number) for number in drop])
    await run.settled()
    assert isinstance(run.screen, GcScreen)
    return run.screen


@pytest.mark.parametrize(
    ("typed", "policy"),
    [
        ("", None),
        ("  ", None),
        ("last 3", Policy(last=3)),
        ("last=3, daily=14", Policy(last=3, daily=14)),
        ("Last 1 within 36h", Policy(last=1, within=timedelta(hours=36))),
        ("last 1 within 1w3d", Policy(last=1, within=timedelta(days=10))),
        ("within 1.5d", Policy(within=timedelta(hours=36))),
        ("tagged Release tagged v2 at_least 3", Policy(tagged=("Release", "v2"), at_least=3)),
        ("max_size 1.5g min_age 2d", Policy(max_size=3 << 29, min_age=timedelta(days=2))),
        ("hourly 1 weekly 2 monthly 3 yearly 4", Policy(hourly=1, weekly=2, monthly=3, yearly=4)),
    ],
)
def test_policies_that_are_understood(typed: str, policy: Policy | None) -> None:
    assert parse_policy(typed) == policy


@pytest.mark.parametrize(
    "typed", ["last", "last x", "lats 3", "last -1", "within 2", "within 2y", "3 last", "max_size 3x", "tagged"]
)
def test_policies_that_are_not_are_refused_with_an_example(typed: str) -> None:
    with pytest.raises(PolicyNotUnderstood):
        parse_policy(typed)


async def test_without_a_policy_nothing_is_deleted() -> None:
    async with driven() as run:
        screen = await opened(run)
        assert "nothing would be deleted" in run.text()
        assert "DELETE" not in run.text()
        assert "X carry out" not in run.text()
        await run.press("X")
        assert "nothing would be deleted" in run.toasts()
        assert run.app.screen is screen
        assert screen.review is not None
        assert screen.review.dropped == ()


async def test_the_review_is_recomputed_as_the_policy_is_typed() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("e", *"last", "space", "3", "enter")
        assert screen.review is not None
        assert len(screen.review.dropped) == 28
        assert "would delete 28 of 31" in run.text()
        assert screen.lines.has_focus


async def test_a_duration_of_two_units_is_taken_by_the_screen_as_it_is_in_the_configuration() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("e", *"within", "space", *"1w3d", "enter")
        assert screen.review is not None
        assert "within 1w3d" in run.text()
        assert screen.lines.has_focus


async def test_half_a_policy_cannot_be_carried_out() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("e", *"last", "enter", "X")
        assert screen.review is None
        assert run.screen is screen
        assert run.engine.submitted == []


WRONG = ("last 3 dayly 30", "last 3 nonsense 5", "last 3 d", "last 3 within 1000000000d")


@pytest.mark.parametrize("typed", seldom(WRONG, "last 3 dayly 30", "last 3 d"))
async def test_a_review_never_stands_under_a_text_it_was_not_asked_for(typed: str) -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("e", *"last", "space", "3")
        await run.until(lambda: screen.review is not None)
        assert len(screen.lines.items) == 31
        run.engine.gate.clear()
        screen.query_one("#policy", Input).value = ""
        await run.until(lambda: screen.review is None)
        await run.burst(*map(key_of, typed))
        run.engine.gate.set()
        await run.settled()
        assert screen.query_one("#policy", Input).value == typed
        assert screen.review is None
        assert not screen.lines.items, "nothing is listed under a text it does not belong to"
        assert "would delete" not in run.text()
        await run.press("enter", "X")
        assert run.screen is screen
        assert "nothing to carry out" in run.toasts()
        run.app.actions.perform_id("refresh")
        await run.settled()
        assert screen.review is None, "nor when the store was read again"
        assert run.screen is screen


async def test_nothing_is_reviewed_between_the_keys_of_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Policy | None] = []
    async with driven() as run:
        screen = await opened(run)
        review = run.engine.gc_review

        def noted(keys: Collection[ComponentKey], policy: Policy | None, **more: Any) -> GcPlan:
            asked.append(policy)
            return review(keys, policy, **more)

        monkeypatch.setattr(run.engine, "gc_review", noted)
        await run.press("e")
        await run.burst(*"last", "space", "3", "space", *"daily", "space", "1", "4")
        await run.until(lambda: screen.review is not None)
        assert asked == [Policy(last=3, daily=14)]


async def test_a_late_answer_for_an_older_text_is_dropped() -> None:
    async with driven() as run:
        screen = await opened(run)
        run.engine.gate.clear()
        await run.pilot.press("e", *"last", "space", "3", "enter")
        await run.until(lambda: not run.app.client.idle, "the review of last 3 is under way")
        await run.pilot.press("e", "end", *"0", "enter")
        run.engine.gate.set()
        await run.settled()
        assert screen.review is not None
        assert len(screen.review.dropped) == 1, "of 31 generations last 30 drops one; last 3 would drop 28"


async def test_marks_overrule_the_policy_both_ways() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("e", *"last", "space", "3", "enter", "g", "d")
        assert screen.review is not None
        assert 31 in {line.number for line in screen.review.dropped}
        await run.press("j", "j", "j", "K")
        assert 28 not in {line.number for line in screen.review.dropped}
        await run.press("U")
        assert len(screen.review.dropped) == 28


async def test_marked_generations_come_along_from_the_main_screen() -> None:
    async with driven() as run:
        screen = await opened(run, drop=(3, 4))
        assert screen.review is not None
        assert {line.number for line in screen.review.dropped} == {3, 4}


async def test_every_component_is_reviewed_with_subtotals() -> None:
    async with driven() as run:
        screen = await opened(run)
        await run.press("*")
        assert "5 components" in run.text() or "4 components" in run.text()
        assert {entry.key for entry in screen.lines.items} >= {CRM, ORDERS}
        assert any(entry.line is None for entry in screen.lines.items), "a head with its subtotal"
        await run.press("*")
        assert {entry.key for entry in screen.lines.items} == {CRM}


async def test_carrying_it_out_asks_for_the_count_and_runs_the_very_plan() -> None:
    async with driven() as run:
        await opened(run, drop=(3, 4))
        await run.press("X")
        confirmation = await run.confirmation()
        assert confirmation.plan.grade is Grade.UNDOABLE
        await run.press("2", "enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0] is confirmation.plan


async def test_freeing_at_once_is_grade_3() -> None:
    async with driven() as run:
        await opened(run, drop=(3, 4))
        await run.press("N")
        assert "freed at once" in run.text()
        await run.press("X")
        confirmation = await run.confirmation()
        assert confirmation.plan.grade is Grade.FINAL


async def test_u_brings_back_what_the_last_collection_took() -> None:
    async with driven() as run:
        await opened(run, drop=(3, 4))
        await run.press("X")
        await run.confirmation()
        await run.press("2", "enter")
        await run.until(lambda: run.engine.submitted)
        run.app.poller.look_at_jobs()
        await run.settled()
        await run.press("u")
        confirmation = await run.confirmation()
        assert confirmation.plan.title.startswith("undo J")


def waits(found: World, stale: str = "") -> World:
    """The world with a collection that a timer planned: generations 3 and 4 of the CRM."""
    review = FakeEngine(found).gc_review([CRM], None, drop=[(CRM, 3), (CRM, 4)])
    waiting = WaitingCollection(NOW, "root", review, stale)
    return replace(found, waiting=waiting, alarms=(Alarm("a collection waits for a person", CRM, topic=WAITING),))


async def test_what_waits_is_shown_exactly_and_carried_out_by_one_confirmation() -> None:
    async with driven(waits(world())) as run:
        await run.press("X")
        screen = run.screen
        assert isinstance(screen, GcScreen)
        assert run.engine.world.waiting is not None
        assert screen.review is run.engine.world.waiting.review
        assert "and waiting: WOULD be done to" in run.text()
        await run.press("K", "d")
        assert "as it was planned" in run.toasts()
        assert screen.review is not None
        assert {line.number for line in screen.review.dropped} == {3, 4}
        await run.press("X")
        confirmation = await run.confirmation()
        await run.press("2", "enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0] is confirmation.plan


async def test_what_waits_can_be_left_for_the_policy_and_is_said_where_it_is_out_of_date() -> None:
    async with driven(waits(world())) as run:
        await run.press("X", "U")
        assert "nothing would be deleted" in run.text()
        assert "and waiting" not in run.text()
    async with driven(waits(world(), "generation 3 is pinned")) as run:
        await run.press("X")
        assert "is out of date: generation 3 is pinned" in run.toasts()
        assert "nothing would be deleted" in run.text()


async def test_leaving_with_marks_asks_first() -> None:
    async with driven() as run:
        run.app.go.gc([ORDERS])
        await run.settled()
        await run.press("j", "d", "q")
        assert "forget the mark" in run.text()
        await run.press("enter")
        assert len(run.app.screen_stack) == 2
        await run.press("q", "j", "enter")
        assert len(run.app.screen_stack) == 1
        assert run.engine.submitted == []


async def test_the_policy_that_was_previewed_is_saved() -> None:
    async with driven() as run:
        await opened(run)
        await run.press("W")
        assert "no policy was typed" in run.toasts()
        await run.press("e", *"last", "space", "3", "enter")
        assert "W save" in run.text().splitlines()[-1]
        await run.press("W")
        text = run.text()
        assert "Save: keep last 3" in text
        assert "for container postgresql" in text
        await run.press("j", "enter")
        confirm = await run.confirmation()
        assert confirm.plan.title.startswith("save the retention of postgresql/*")
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0].kind is Kind.POLICY


@pytest.mark.parametrize(
    ("key", "offered"),
    [
        (ComponentKey("files", "papers"), ["files/papers", "files/*", "*/*"]),
        (ComponentKey("files", "*"), ["files/*", "*/*"]),
        (ComponentKey("*", "papers"), ["*/*"]),
        (ComponentKey("files", "a*"), ["files/a*", "files/*", "*/*"]),
    ],
)
def test_a_policy_is_offered_for_one_alone_only_where_its_name_means_nothing_else(
    key: ComponentKey, offered: list[str]
) -> None:
    choices = patterns([key])
    assert [pattern for pattern, _, _ in choices] == offered
    assert [pattern for pattern, _, about in choices if about == "it alone"] == [
        pattern for pattern in offered if not pattern.endswith("/*")
    ]
