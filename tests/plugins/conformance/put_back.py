"""Cases of put-back: what is marked goes back into live exactly, under load, killed at every step, and is undone.

A type that cannot says so in one sentence.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_plugins.errors import Unsupported
from dysnomia_store.model import Generation, Reason
from dysnomia_tui.engine import RowsAsked
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.rows.look import look
from tests.plugins.conformance.crash import THOROUGH, kills
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World
from tests.waiting import wait_until

NAME = "put back"


def planned_rows(driver: Driver, generation: Generation, *asked: RowsAsked) -> list[PlannedRow]:
    """As a plan has them: what is not in live as it is wanted. Nothing may stand against any."""
    stored = driver.store.stored(driver.key, generation.id)
    with driver.context() as ctx:
        answer = look(driver.world.plugin, ctx, stored, asked)
    assert not answer["refusals"]
    assert not [row["conflict"] for row in answer["rows"] if row["conflict"]]
    return [
        PlannedRow(row["section"], tuple(row["key"]), row["seen"], row["made"])
        for row in answer["rows"]
        if row["change"] != "="
    ]


class PutBackCases:
    """Some of a generation back into live."""

    def test_what_is_marked_is_put_back_exactly_and_undone(self, world: World, driver: Driver) -> None:
        if _cannot(world, driver):
            return
        story = _Story(world, driver)
        done = activities.put_back(driver.bench(), story.first.number, story.first.id, story.planned, NAME)
        assert (done.done, done.left) == (len(story.planned), ())
        assert story.live() == story.then
        assert done.guard.reason is Reason.GUARD
        undo = planned_rows(driver, done.guard, *(asked for asked, _ in story.made()))
        activities.put_back(driver.bench(), done.guard.number, done.guard.id, undo, NAME)
        assert story.live() == story.now

    def test_what_changed_since_the_plan_is_left(self, world: World, driver: Driver) -> None:
        if _cannot(world, driver):
            return
        story = _Story(world, driver)
        activities.put_back(driver.bench(), story.first.number, story.first.id, story.planned, NAME)
        again = activities.put_back(driver.bench(), story.first.number, story.first.id, story.planned, NAME)
        assert (again.done, len(again.left)) == (0, len(story.planned))
        assert story.live() == story.then

    def test_put_back_under_load_loses_no_write(self, world: World, driver: Driver, tmp_path: Path) -> None:
        if _cannot(world, driver):
            return
        story = _Story(world, driver)
        with world.writer(tmp_path / "acknowledged") as writer:
            wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
            done = activities.put_back(driver.bench(), story.first.number, story.first.id, story.planned, NAME)
            until = len(writer.acknowledged()) + 20
            wait_until(lambda: len(writer.acknowledged()) >= until, world.patience)
            writer.stop()
            acknowledged = writer.acknowledged()
        assert done.left == ()
        assert acknowledged <= world.written()
        assert not planned_rows(driver, story.first, *(asked for asked, there in story.made() if there))

    def test_a_killed_put_back_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        if _cannot(world, driver):
            return
        story = _Story(world, driver)
        seen = set()
        for job in kills(
            driver,
            lambda bench: activities.put_back(bench, story.first.number, story.first.id, story.planned, NAME),
            whole=THOROUGH,
        ):
            ids = driver.ids()
            for left in driver.unsettled():
                activities.recover(driver.bench(), left)
            assert not driver.unsettled()
            driver.assert_intact(ids)
            assert driver.left_behind(job) == []
            live = story.live()
            assert live in (story.then, story.now)
            seen.add("new" if live == story.then else "old")
            if live == story.then:
                story.lose()
        assert seen == {"old", "new"}
        assert story.live() == story.then, "the last one ran to its end"


class _Story:
    """Generation 1, of which something is lost since, something changed, and something came."""

    def __init__(self, world: World, driver: Driver) -> None:
        self.world = world
        self.driver = driver
        world.seed()
        self.first = driver.snapshot().generation
        self.then = self.live()
        self.lose()
        self.now = self.live()
        assert self.now != self.then

    def lose(self) -> None:
        self.planned = planned_rows(self.driver, self.first, *self.world.lose())
        assert len(self.planned) >= 3

    def made(self) -> list[tuple[RowsAsked, bool]]:
        """The same again, as an undo asks: only where live holds what was made of each; and whether it is there."""
        return [(RowsAsked(row.section, (row.key,), (row.made or "-",)), bool(row.made)) for row in self.planned]

    def live(self) -> object:
        return self.world.by_key(self.world.whole())


def _cannot(world: World, driver: Driver) -> bool:
    """Whether its type puts nothing back; then a sentence says so, and nothing is changed."""
    if world.plugin.puts_back:
        return False
    world.seed()
    first = driver.snapshot().generation
    now = world.whole()
    row = PlannedRow("table:any", ("1",), "", "")
    with pytest.raises(Unsupported) as refused:
        activities.put_back(driver.bench(), first.number, first.id, [row], NAME)
    assert refused.value.message == world.plugin.cannot_put_back()
    assert world.plugin.title in refused.value.message
    assert world.whole() == now
    assert len(driver.generations()) == 1
    return True
