"""The time between swap and guard: what was live stands aside, and undo swaps it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Draft, Dumped, Place
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import Reason
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, RestoreTarget, UnfinishedJob
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import needs_settling
from dysnomia_tui.engine.component.runner import CancelShield
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.probing.child import Silent
from tests.unit.engine.machine import DOCS, EngineFixture


class Token:
    def __init__(self) -> None:
        self.cancelled = False

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled("cancelled")


class GuardFails(Fileset):
    """A fileset whose set-aside original cannot be dumped."""

    def dump(self, ctx: Any, place: Place, draft: Draft) -> Dumped:
        if place != self.live(ctx.component):
            raise PluginError("the disk is full")
        return super().dump(ctx, place, draft)


class Bed:
    """Activities on the machine's fileset, one job after the other."""

    def __init__(self, machine: EngineFixture) -> None:
        self.machine = machine
        self.world = Machine(machine.settings)
        self.left: list[UnfinishedJob] = []
        self.docs = machine.root / "tree" / "docs"
        self.jobs = 0

    def bench(self, plugin: Fileset | None = None) -> ComponentJob:
        self.jobs += 1
        journal = FileJournal.create(self.machine.root / f"journal.{self.jobs}")
        shield = CancelShield(Token())
        self.left.append(UnfinishedJob(str(self.jobs), journal, "alice"))
        return ComponentJob(
            store=self.world.store,
            plugin=plugin or Fileset(),
            component=self.world.component(DOCS),
            job=str(self.jobs),
            who="alice",
            journal=journal,
            runner=ProcessRunner(shield),
            progress=Silent(),
            cancel=shield,
            unsettled=lambda: [one for one in self.left if needs_settling(one)],
        )

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.docs.iterdir()}

    def beside(self) -> list[Path]:
        return [path for path in (self.machine.root / "tree").iterdir() if path.name != "docs"]


@pytest.fixture
def bed(machine: EngineFixture) -> Bed:
    bed = Bed(machine)
    activities.activity(bed.bench(), "activate")
    (bed.docs / "a").write_text("old")
    activities.snapshot(bed.bench())
    (bed.docs / "a").write_text("new")
    return bed


def test_a_guard_that_fails_leaves_the_original_standing_and_says_where(bed: Bed) -> None:
    restored = activities.restore(bed.bench(GuardFails()), 1)
    assert bed.files() == {"a": "old"}
    assert restored.guard is None
    assert restored.aside
    assert not restored.whole
    assert "the disk is full" in " ".join(restored.warnings)
    assert restored.generation is not None
    assert bed.beside()


def test_undo_swaps_it_back_while_it_stands(bed: Bed) -> None:
    activities.restore(bed.bench(GuardFails()), 1)
    of = bed.left[-1]
    (bed.docs / "since").write_text("written since")
    undone = activities.undo(bed.bench(), of)
    assert bed.files() == {"a": "new"}
    assert undone.guard is not None
    assert undone.whole
    assert bed.beside() == []
    back = activities.restore(bed.bench(), undone.guard.number)
    assert back.whole
    assert bed.files() == {"a": "old", "since": "written since"}


def test_the_next_writer_makes_it_a_generation_and_only_then_drops_it(bed: Bed) -> None:
    restored = activities.restore(bed.bench(GuardFails()), 1)
    assert restored.guard_number is not None
    activities.snapshot(bed.bench())
    guard = bed.world.store.generation(DOCS, restored.guard_number)
    assert guard.reason is Reason.GUARD
    assert guard.job == bed.left[2].job
    assert bed.beside() == []
    activities.restore(bed.bench(), restored.guard_number)
    assert bed.files() == {"a": "new"}


def test_a_plan_that_said_it_cannot_be_undone_still_deletes_nothing(bed: Bed) -> None:
    restored = activities.restore(bed.bench(GuardFails()), 1, guard=False)
    assert bed.files() == {"a": "old"}
    assert restored.aside
    activities.snapshot(bed.bench())
    assert bed.beside(), "what could not be dumped is never dropped"


def test_a_cancel_while_the_guard_is_dumped_keeps_the_restore(bed: Bed) -> None:
    class CancelAtGuard(Fileset):
        def dump(self, ctx: Any, place: Place, draft: Draft) -> Dumped:
            if place != self.live(ctx.component):
                raise Cancelled("cancelled")
            return super().dump(ctx, place, draft)

    restored = activities.restore(bed.bench(CancelAtGuard()), 1)
    assert bed.files() == {"a": "old"}
    assert "was cancelled" in " ".join(restored.warnings)
    of = bed.left[-1]
    undone = activities.undo(bed.bench(), of)
    assert undone.whole
    assert bed.files() == {"a": "new"}


def test_a_swap_that_fails_leaves_live_and_nothing_else(bed: Bed) -> None:
    class SwapFails(Fileset):
        def swap(self, ctx: Any, beside: Place, aside: Place) -> None:
            raise PluginError("someone stood in the way")

    with pytest.raises(PluginError, match="someone stood"):
        activities.restore(bed.bench(SwapFails()), 1)
    assert bed.files() == {"a": "new"}
    assert bed.beside() == []
    assert not needs_settling(bed.left[-1])
    assert activities.restore(bed.bench(), 1).whole


def test_a_cancel_before_the_swap_leaves_live_and_nothing_else(bed: Bed) -> None:
    token = Token()

    class CancelledAfterLoad(Fileset):
        def load(self, ctx: Any, stored: Any, place: Place, sections: Any = None) -> None:
            super().load(ctx, stored, place, sections)
            token.cancelled = True

    bench = bed.bench(CancelledAfterLoad())
    shield = CancelShield(token)
    bench = type(bench)(**{**vars(bench), "cancel": shield, "runner": ProcessRunner(shield)})
    with pytest.raises(Cancelled):
        activities.restore(bench, 1)
    assert bed.files() == {"a": "new"}
    assert bed.beside() == []


def test_a_copy_that_was_refused_is_never_dropped_for_us_later(bed: Bed) -> None:
    """Somebody made the same name between our look and our load: it is theirs."""
    theirs = Path(bed.machine.root / "theirs")

    class Late(Fileset):
        def load(self, ctx: Any, stored: Any, place: Place, sections: Any = None) -> None:
            theirs.mkdir()
            raise NotSafe(f"{place.name} already exists")

        def named(self, component: Any, name: str) -> Place:
            return Place(str(theirs))

        def exists(self, ctx: Any, place: Place) -> bool:
            return theirs.exists() if place == Place(str(theirs)) else super().exists(ctx, place)

        def drop(self, ctx: Any, place: Place) -> None:
            assert place != Place(str(theirs)), "dropped what is another's"
            super().drop(ctx, place)

    with pytest.raises(NotSafe):
        activities.restore(bed.bench(Late()), 1, RestoreTarget("copy", "theirs"))
    activities.snapshot(bed.bench(Late()))
    assert theirs.exists()


def test_a_copy_whose_worker_died_is_dropped_by_the_next_writer(bed: Bed) -> None:
    bench = bed.bench()
    with bench.context() as ctx:
        plugin = Fileset()
        place = plugin.named(bench.component, "half")
        bench.journal.step("copy", place="half")
        plugin.load(ctx, bed.world.store.stored(DOCS, bed.world.store.generation(DOCS, 1).id), place)
        assert plugin.exists(ctx, place)
        activities.snapshot(bed.bench())
        assert not plugin.exists(ctx, place)
    assert bed.files() == {"a": "new"}
