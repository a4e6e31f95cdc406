"""Cases of SIGKILL: at every step of the journal of snapshot, restore, undo, collection, and of the recovery itself.

Each is enumerated: killed before and after its first step, its second… until it runs through. ``make test`` kills a
restore, an undo and a put-back on one side of each step (on the other side for other types), and a recovery at some;
``make test-all``, and ``make matrix``, which writes the table of docs, on both sides, and at all of them. After each
kill live is the old state or the new one and never between, the old generations are as they were, and the next writer
heals.
"""

from __future__ import annotations

import os
import random
import signal
import zlib
from collections.abc import Callable, Iterator

import pytest

from dysnomia_plugins.base import StatePlugin
from dysnomia_store.model import Generation, Reason
from dysnomia_store.records.retention import Policy
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from tests.plugins.conformance.driver import Driver, Mortal, in_child
from tests.plugins.conformance.world import World
from tests.thorough import often

THOROUGH = often(True, False)
"""Whether jobs are killed on both sides of each step, and a recovery at each; else at some."""
STEPS = 40
"""More than any activity has."""


class CrashCases:
    """Kill it anywhere."""

    def test_a_killed_snapshot_is_whole_or_nothing(self, world: World, driver: Driver) -> None:
        world.seed()
        driver.snapshot()
        for job in kills(driver, lambda bench: activities.snapshot(bench)):
            ids = driver.ids()
            _heal(driver)
            driver.assert_intact(ids)
            assert driver.left_behind(job) == []
            assert driver.snapshot().generation.id == driver.identity()
            world.change(world.changes()[0], random.Random(int(job)))

    def test_a_killed_restore_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        story = _Story(world, driver)
        for job in kills(driver, lambda bench: activities.restore(bench, story.first.number), whole=THOROUGH):
            _heal(driver)
            story.check(job)
        assert story.seen == {"old", "new"}

    def test_a_killed_undo_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        """Live is what was restored, or what was live before; healed and undone again, it is the latter."""
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        world.change(world.changes()[0], random.Random(11))
        now = world.whole()
        seen = set()
        restored = ""

        def begin() -> None:
            nonlocal restored
            bench = driver.bench()
            restored = bench.job
            activities.restore(bench, first.number)
            assert world.whole() == then

        begin()
        for job in kills(driver, lambda bench: activities.undo(bench, driver.left(restored)), whole=THOROUGH):
            ids = driver.ids()
            _heal(driver)
            driver.assert_intact(ids)
            assert driver.left_behind(job) == []
            live = world.whole()
            assert live in (then, now)
            seen.add("old" if live == then else "new")
            if live == then:
                driver.undo(restored)
                assert world.whole() == now
            begin()
        assert seen == {"old", "new"}

    def test_a_killed_recovery_is_taken_up_by_the_next(self, world: World, driver: Driver) -> None:
        """Killed between guard and swap, and then again at each step of what puts it right."""
        story = _Story(world, driver)
        for step in _between_guard_and_swap(world.plugin, story, driver)[:: 1 if THOROUGH else 2]:
            for nested in range(1, STEPS, 1 if THOROUGH else 3):
                job = driver.new_job()
                assert _killed(driver, lambda bench: activities.restore(bench, story.first.number), job, step)
                driver.dead.append(job)
                again = (nested, True)
                died = in_child(lambda job=job, again=again: _recover(driver, job, again))  # type: ignore[misc]
                assert died in (0, signal.SIGKILL)
                _heal(driver)
                story.check(job)
                if died == 0:
                    break
            else:
                pytest.fail("a recovery without end")
        assert "old" in story.seen

    def test_a_killed_collection_keeps_what_it_should(self, world: World, driver: Driver) -> None:
        world.seed()
        for count in range(6):
            world.change(world.changes()[count], random.Random(count))
            driver.snapshot()
        keep = driver.generations()[-2:]
        for at in range(1, STEPS):
            died = in_child(lambda at=at: _collect(driver, at))  # type: ignore[misc]
            driver.assert_intact({one.number: one.id for one in keep})
            assert died in (0, signal.SIGKILL)
            if died == 0:
                break
        _collect(driver, 0)
        assert [one.number for one in driver.generations()] == [one.number for one in keep]
        assert driver.snapshot().generation.id == driver.identity()


class _Story:
    """Generation 1, then a live state that nobody has snapshotted, told anew after each kill."""

    def __init__(self, world: World, driver: Driver) -> None:
        self.world = world
        self.driver = driver
        world.seed()
        self.first: Generation = driver.snapshot().generation
        self.then = world.whole()
        self.seen: set[str] = set()
        self._random = random.Random(12)
        self._change()

    def _change(self) -> None:
        self.world.change(self.world.changes()[0], self._random)
        self.now = self.world.whole()
        self.identity = self.driver.identity()
        self.ids = self.driver.ids()

    def check(self, job: str) -> None:
        """After a kill and the healing: live is old or new; if new, the guard holds the old."""
        live = self.world.whole()
        assert live in (self.then, self.now)
        self.driver.assert_intact(self.ids)
        assert self.driver.left_behind(job) == []
        assert not self.driver.unsettled()
        said = [one for one in self.driver.generations() if one.job == job and one.reason is Reason.RESTORE]
        assert bool(said) == (live == self.then), "the newest generation says what is live"
        if live == self.then:
            self.seen.add("new")
            guards = [one for one in self.driver.generations() if one.id == self.identity]
            assert guards, "what was live before is a generation"
            assert any(one.job == job for one in guards)
        else:
            self.seen.add("old")
            assert self.driver.identity() == self.identity
        self._change()


def kills(driver: Driver, work: Callable[[ComponentJob], object], *, whole: bool = True) -> Iterator[str]:
    """Run ``work`` in children that are killed at each step, before and after it; yields each job that died.

    Not ``whole``: before the first step, after the second, before the third… or after the first, before the second…,
    which of the two the type's name decides."""
    turn = zlib.crc32(driver.world.plugin.type.encode())
    for step in range(1, STEPS):
        died = False
        for after in (False, True) if whole else ((step + turn) % 2 == 0,):
            job = driver.new_job()
            if _killed(driver, work, job, (step, after)):
                died = True
                driver.dead.append(job)
                yield job
        if not died:
            assert step > 2, "it was never killed"
            return
    pytest.fail("an activity without end")


def _killed(driver: Driver, work: Callable[[ComponentJob], object], job: str, mortal: tuple[int, bool]) -> bool:
    died = in_child(lambda: work(driver.bench(job, mortal=mortal)))
    assert died in (0, signal.SIGKILL)
    return died != 0


def _heal(driver: Driver) -> None:
    """What the next writer does first."""
    for left in driver.unsettled():
        activities.recover(driver.bench(), left)
    assert not driver.unsettled()


def _recover(driver: Driver, job: str, mortal: tuple[int, bool]) -> None:
    left = driver.left(job)
    journal = Mortal(driver.journal_path(job), mortal[0], after=mortal[1])
    activities.recover(driver.bench(), activities.UnfinishedJob(job, journal, left.who))


def _between_guard_and_swap(plugin: StatePlugin, story: _Story, driver: Driver) -> list[tuple[int, bool]]:
    """The steps of a restore from the journaled begin of the swap to its end."""
    bench = driver.bench()
    activities.restore(bench, story.first.number)
    names = [name for name, _ in bench.journal.steps()]
    driver.undo(bench.job)
    story._change()
    return [(step, True) for step in range(names.index("swap") + 1, names.index("swapped") + 2)]


def _collect(driver: Driver, at: int) -> None:
    """Keep two generations; killed at the ``at``-th step (0: never)."""
    job = driver.new_job()

    def on_step(done: int, total: int) -> None:
        if at and done >= at:
            os.kill(os.getpid(), signal.SIGKILL)

    plan = driver.store.plan_gc([driver.key], lambda _: Policy(last=2))
    driver.store.apply_gc(plan, grace=0, who="tester", job=job, on_step=on_step)
