"""The cases every type of state must pass. ``Conformance`` joins them all; see ``conformance.World``."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dysnomia_plugins.base import Context, Draft, Dumped, Place, Purpose, Stored
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.model import CheckResult, Reason, Section
from dysnomia_store.sink import Buffer, ContentSink
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.crash import CrashCases
from tests.plugins.conformance.driver import Driver, Reporter, Token
from tests.plugins.conformance.load import LoadCases
from tests.plugins.conformance.put_back import PutBackCases
from tests.plugins.conformance.world import World
from tests.thorough import often

CHANGES = often(70, 16)
"""Single changes a type: over 200 in all of the three that came first."""


class DeployCases:
    """Activate, deactivate, collect-garbage."""

    def test_activate_lays_down_the_initial_state_once(self, world: World, driver: Driver) -> None:
        assert world.whole() is None
        driver.activity("activate")
        initial = world.whole()
        assert initial is not None
        driver.activity("activate")
        assert world.whole() == initial

    def test_deactivate_keeps_the_state_and_collect_garbage_deletes_it(self, world: World, driver: Driver) -> None:
        driver.activity("activate")
        initial = world.whole()
        number = driver.snapshot().generation.number
        driver.activity("deactivate")
        assert world.whole() == initial
        driver.activity("collect-garbage")
        assert world.whole() is None
        driver.activity("collect-garbage")
        driver.restore(number)
        assert world.whole() == initial


class IdentityCases:
    """The id is the state's: the same state the same id, any other state another."""

    single_changes: ClassVar[int] = CHANGES
    """How many changes are made, one after the other, going round the kinds."""

    def test_an_unchanged_state_is_seen_again_and_not_stored_twice(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().committed
        again = driver.snapshot().committed
        assert first.new
        assert not again.new
        assert again.generation.id == first.generation.id == driver.identity()
        assert len(driver.generations()) == 1
        assert driver.newest().seen == 2

    def test_what_is_no_change_of_state_is_none(self, world: World, driver: Driver) -> None:
        world.seed()
        before = driver.identity()
        done = world.touch()
        assert driver.identity() == before, done

    def test_a_restored_state_has_the_id_it_was_restored_from(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        world.change(world.changes()[0], random.Random(1))
        assert driver.snapshot().generation.id != first.id
        driver.restore(first.number)
        assert driver.identity() == first.id or not world.keeps_order
        assert not driver.snapshot().committed.new

    def test_every_single_change_changes_the_id(self, world: World, driver: Driver) -> None:
        world.seed()
        choose = random.Random(20260101)
        names = list(world.changes())
        assert len(names) >= 12
        before, state = driver.identity(), world.whole()
        for count in range(self.single_changes):
            done = world.change(names[count % len(names)], choose)
            assert world.whole() != state, f"the world's own change changed nothing: {done}"
            after = driver.identity()
            assert after != before, done
            if count % 5 == 0:
                assert driver.identity() == after, f"a second dump differs, after {done}"
            before, state = after, world.whole()


class RestoreCases:
    """Any generation, exactly; copies; parts; proofs; guards."""

    def test_any_generation_is_restored_exactly(self, world: World, driver: Driver) -> None:
        world.seed()
        choose = random.Random(7)
        wholes: dict[int, object] = {}
        for step in range(4):
            for name in world.changes()[step::4]:
                world.change(name, choose)
            wholes[driver.snapshot().generation.number] = world.whole()
        ids = driver.ids()
        for number in (2, 1, 4, 3):
            was = world.whole()
            result = driver.restore(number)
            assert world.whole() == wholes[number], f"generation {number}; what came later must be gone"
            assert result.generation is not None
            assert result.generation.id == ids[number]
            assert result.guard is not None
            assert driver.newest().reason is Reason.RESTORE
            assert driver.newest().restored == number
            copy = driver.restored_elsewhere(result.guard.number, f"guard{number}")
            assert world.whole(copy) == was
            driver.drop(copy)
        driver.assert_intact(ids)

    def test_a_copy_leaves_live_alone_and_never_replaces(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        world.change(world.changes()[0], random.Random(3))
        now = world.whole()
        result = driver.restore(first.number, driver.copied("earlier"))
        copy = driver.named("earlier")
        assert result.copy == copy.name
        assert world.whole(copy) == then
        assert driver.identity(copy) == first.id or not world.keeps_order
        assert world.whole() == now
        world.spoil(copy)
        spoiled = world.whole(copy)
        with pytest.raises(NotSafe):
            driver.restore(first.number, driver.copied("earlier"))
        assert world.whole(copy) == spoiled
        driver.drop(copy)
        assert world.whole(copy) is None

    def test_marked_sections_go_into_a_copy(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        part, sections = world.part(), world.some_sections()
        world.change(world.changes()[0], random.Random(4))
        now = world.whole()
        driver.restore(first.number, driver.copied("part", sections))
        copy = driver.named("part")
        assert world.part(copy) == part
        assert driver.identity(copy) != first.id
        assert world.whole() == now
        driver.drop(copy)

    def test_sections_that_are_not_there_are_refused(self, world: World, driver: Driver) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        with pytest.raises(NotSafe, match="no-such-thing"):
            driver.restore(number, driver.copied("part", ("table:no-such-thing",)))
        assert world.whole(driver.named("part")) is None

    def test_verify_by_restore_proves_a_snapshot(self, world: World, driver: Driver) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        now = world.whole()
        check = activities.verify(driver.bench(), number)
        assert check.result is CheckResult.OK, check.text
        assert driver.newest().last_check == check
        assert world.whole() == now

    def test_verify_fails_where_the_restored_copy_differs(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        load = world.plugin.load

        def spoiling(ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
            load(ctx, stored, place, sections)
            world.spoil(place)

        monkeypatch.setattr(world.plugin, "load", spoiling)
        check = activities.verify(driver.bench(), number)
        assert check.result is CheckResult.CORRUPT
        assert not driver.newest().good

    def test_undo_brings_back_what_was_live_and_is_itself_guarded(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        choose = random.Random(5)
        for name in world.changes():
            world.change(name, choose)
        now = world.whole()
        bench = driver.bench()
        restored = activities.restore(bench, first.number)
        assert restored.guard is not None
        assert restored.guard.reason is Reason.GUARD
        assert any(
            pin.held_by == bench.job for pin in driver.store.generation(driver.key, restored.guard.number).marks.pins
        )
        assert world.whole() == then
        undone = driver.undo(bench.job)
        assert world.whole() == now
        assert undone.guard is not None
        copy = driver.restored_elsewhere(undone.guard.number, "undone")
        assert world.whole(copy) == then
        driver.drop(copy)

    def test_until_the_guard_is_durable_undo_swaps_back(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        world.change(world.changes()[0], random.Random(6))
        now = world.whole()
        bench = driver.bench()
        with _failing_dump(world, monkeypatch, lambda place, ctx: place == world.plugin.place(ctx, Purpose.ASIDE)):
            restored = activities.restore(bench, first.number)
        assert world.whole() == then
        assert restored.guard is None
        assert restored.aside
        assert any("guard" in warning for warning in restored.warnings)
        driver.undo(bench.job)
        assert world.whole() == now
        assert driver.left_behind(bench.job) == []
        assert driver.identity() == driver.newest().id


class BadLuckCases:
    """What fails leaves live, the generations and the server as they were."""

    def test_a_dump_that_dies_adds_nothing(self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        world.seed()
        driver.snapshot()
        world.change(world.changes()[0], random.Random(8))
        ids, now = driver.ids(), world.whole()
        with _failing_dump(world, monkeypatch, lambda place, ctx: True), pytest.raises(PluginError, match="died"):
            driver.snapshot()
        assert driver.ids() == ids
        assert world.whole() == now
        assert driver.snapshot().committed.new

    def test_what_cannot_be_reached_is_said_and_adds_nothing(self, world: World, driver: Driver) -> None:
        world.seed()
        driver.snapshot()
        ids, now = driver.ids(), world.whole()
        with world.unreachable(), pytest.raises(PluginError):
            driver.snapshot()
        assert driver.ids() == ids
        assert world.whole() == now
        assert not driver.snapshot().committed.new

    def test_a_snapshot_with_a_flipped_byte_is_not_restored(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        world.change(world.changes()[0], random.Random(9))
        ids, now = driver.ids(), world.whole()
        _flip_a_byte(driver, first.id)
        bench = driver.bench()
        with pytest.raises((StoreError, PluginError)):
            activities.restore(bench, first.number)
        assert world.whole() == now
        assert driver.left_behind(bench.job) == []
        assert driver.ids() == ids

    def test_a_cancel_at_each_phase_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        world.change(world.changes()[0], random.Random(10))
        now, ids = world.whole(), driver.ids()
        reached = 0
        for phase in range(1, 30):
            token, reporter = Token(), Reporter()
            reporter.on_phase = lambda count, at=phase, token=token: _trip(token, count >= at)  # type: ignore[misc]
            bench = driver.bench(token=token, reporter=reporter)
            try:
                result = activities.restore(bench, first.number)
            except Cancelled:
                reached += 1
                assert world.whole() == now
                assert driver.left_behind(bench.job) == []
                assert {number: one for number, one in driver.ids().items() if number in ids} == ids
                continue
            assert world.whole() == then
            if (
                result.guard is None
            ):  # cancelled while what was set aside was dumped: it stands, and undo brings it back
                assert result.aside
            driver.undo(bench.job)
            assert world.whole() == now
            if not token.cancelled:
                assert reached >= 1
                return
        pytest.fail("a restore with thirty phases")


class WorldConformance(DeployCases, IdentityCases, RestoreCases):
    """The cases that every *other* world of a type runs: its server set up as nobody here would set it up.

    ``Conformance`` itself runs in the plain world, in which nothing is set that an operator leaves unset. A type's
    class for another world is called in the table ``<type>, <world>``, with one of these words for the world: hostile
    settings, least privilege, other owner, wide, after an update, newest server, in a container.
    """

    single_changes: ClassVar[int] = 20

    column: ClassVar[str] = ""
    server: ClassVar[Sequence[str]] = ()
    """The command that tells which version of the server is here."""

    @pytest.fixture
    def driver(self, world: World, tmp_path: Path) -> Driver:
        return Driver(world, tmp_path / "store")


class Conformance(WorldConformance, BadLuckCases, LoadCases, CrashCases, PutBackCases):
    """All of them. A type's own class gives the ``world``, and what it is called in the table of types and cases."""

    single_changes: ClassVar[int] = CHANGES


def _trip(token: Token, now: bool) -> None:
    token.cancelled = token.cancelled or now


@contextmanager
def _failing_dump(
    world: World, monkeypatch: pytest.MonkeyPatch, which: Callable[[Place, Context], bool]
) -> Iterator[None]:
    """Dumps of some places die after their first bytes."""
    dump = world.plugin.dump

    def dying(ctx: Context, place: Place, draft: Draft) -> Dumped:
        return dump(ctx, place, _DyingDraft(draft) if which(place, ctx) else draft)

    with monkeypatch.context() as patch:
        patch.setattr(world.plugin, "dump", dying)
        yield


class _DyingDraft:
    """Of several artefacts too: some are very small."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._calls = itertools.count(1)
        self.folder = draft.folder

    @contextmanager
    def artefact(self, name: str) -> Iterator[ContentSink]:
        with self._draft.artefact(name) as sink:
            yield _DyingSink(sink, self._calls)

    def claim(self, snapshot_id: str) -> None:
        self._draft.claim(snapshot_id)


class _DyingSink:
    """Passes the first bytes on, then fails as a dump does."""

    def __init__(self, sink: ContentSink, calls: Iterator[int]) -> None:
        self._sink = sink
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sink, name)
        if next(self._calls) > 3:
            raise PluginError("the dump died half-way")
        return found

    def write(self, data: Buffer) -> None:
        self.__getattr__("write")(data)


def _flip_a_byte(driver: Driver, snapshot_id: str) -> None:
    folder = driver.store.stored(driver.key, snapshot_id).folder
    file = max((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x20
    file.chmod(0o600)
    file.write_bytes(content)
