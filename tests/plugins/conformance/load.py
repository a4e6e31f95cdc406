"""Cases of a loaded machine: writers that go on through a restore, states that do not fit in memory."""

from __future__ import annotations

from pathlib import Path

from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child, memory_now, peak_memory
from tests.plugins.conformance.world import World
from tests.waiting import wait_until

BIG = 200 << 20
ROOM = 150 << 20
"""Bytes a snapshot or a restore may need above what the process had before, whatever the size of the state."""


class LoadCases:
    """No acknowledged write is lost; memory is bounded."""

    def test_no_acknowledged_write_is_lost_by_restore_and_undo(
        self, world: World, driver: Driver, tmp_path: Path
    ) -> None:
        world.seed()
        first = driver.snapshot().generation
        restore, undo = driver.bench(), driver.bench()
        with world.writer(tmp_path / "acknowledged") as writer:
            wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
            restored = activities.restore(restore, first.number)
            before = len(writer.acknowledged())
            wait_until(lambda: len(writer.acknowledged()) >= before + 20, world.patience)
            undone = activities.undo(undo, driver.left(restore.job))
            before = len(writer.acknowledged())
            wait_until(lambda: len(writer.acknowledged()) >= before + 20, world.patience)
            writer.stop()
            acknowledged = writer.acknowledged()
        assert restored.guard is not None
        assert undone.guard is not None
        kept = world.written()
        assert kept, "the undo brought the writer's numbers back"
        for number in (restored.guard.number, undone.guard.number):
            copy = driver.restored_elsewhere(number, f"guard{number}")
            held = world.written(copy)
            assert held, "writers were at work until the swap"
            kept |= held
            driver.drop(copy)
        lost = acknowledged - kept
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged writes are in neither: {sorted(lost)[:10]}"

    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        world.seed()
        world.grow(BIG)

        def work() -> None:
            base = memory_now()
            number = driver.snapshot().generation.number
            grown = peak_memory() - base
            assert grown <= ROOM, f"the snapshot took {grown >> 20} MB"
            memory_now()
            driver.restore(number)
            grown = peak_memory() - base
            assert grown <= ROOM, f"the restore took {grown >> 20} MB"

        assert in_child(work) == 0
        metadata = driver.generations()[0].metadata
        assert metadata is not None
        assert metadata.content_size >= BIG * 3 // 4, "the state was as big as it should be"
