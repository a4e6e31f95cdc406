"""Whatever call fails, and however: old generations stay whole, and the next run puts things right.

Every write, fsync, rename, link, symlink, mkdir and unlink of a commit, an import, a pin and a collection is counted,
and then each one is met by SIGKILL, by an I/O error and by a full disk (`make test`: by one of these, in turn).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dysnomia_store.model import Marks, Pin, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from tests.unit.store.faults import IN_TURN, calls_of, each_fault
from tests.unit.store.shop import KEY, START, Shop, rows


@pytest.fixture
def shop(place: Path) -> Shop:
    made = Shop(place / "state")
    for count in (100, 110, 120):
        made.commit({"a": rows(count), "b": rows(5)})
    return made


def intact(shop: Shop, old: Shop, said: str) -> None:
    """Every old generation is there, whole, and the links name nothing that is not."""
    before = old.ids()
    assert before.items() <= shop.ids().items(), said
    assert shop.all_ok(), said
    for generation in shop.store.generations(KEY):
        assert not generation.problem, said


def tidy(shop: Shop, said: str) -> None:
    list(shop.store.sweep(alive=lambda _: False))
    assert list((shop.root / "staging").iterdir()) == [], said


def test_commit_survives_every_fault(shop: Shop, place: Path) -> None:
    """A new state is a generation or it is not; the next snapshot is one, with a number never used."""

    def work(it: Shop) -> None:
        it.commit({"a": rows(130), "b": rows(6)})

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        intact(left, shop, said)
        used = max(left.numbers())
        made = left.commit({"a": rows(130), "b": rows(6)}).generation
        assert made.number >= used, said
        assert left.content(made) == rows(130) + rows(6), said
        assert left.newest().id == made.id, said
        after = left.commit({"a": rows(131), "b": rows(6)})
        assert after.new, said
        assert after.generation.number > made.number, said
        assert after.generation.delta is not None, said
        intact(left, shop, said)
        tidy(left, said)
        assert left.store.orphans(KEY) == (), said


def test_an_unchanged_state_survives_every_fault(shop: Shop, place: Path) -> None:
    def work(it: Shop) -> None:
        it.commit({"a": rows(120), "b": rows(5)})

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert left.ids() == shop.ids(), said
        before = left.newest().seen
        again = left.commit({"a": rows(120), "b": rows(5)})
        assert not again.new, said
        assert again.generation.seen == before + 1, said
        tidy(left, said)


def test_a_guard_with_its_reserved_number_survives_every_fault(shop: Shop, place: Path) -> None:
    """The same job's recovery commits the guard under the number that was given out, or finds it there."""

    def work(it: Shop) -> None:
        with it.store.lock(KEY, who="alice", job="7", doing="restore") as lock:
            number = it.store.reserve(lock)
            it.store.link(lock, shop.ids()[1], it.link_info(1))
        it.commit(rows(9), number=number, reason=Reason.GUARD)

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        intact(left, shop, said)
        if 4 not in left.numbers():
            with left.store.lock(KEY, who="alice", job="8", doing="recover"):
                pass
            guard = left.commit(rows(9), number=4, reason=Reason.GUARD).generation
            assert guard.number == 4, said
        assert left.store.generation(KEY, 4).reason is Reason.GUARD, said
        with left.store.lock(KEY, who="alice", job="8", doing="restore") as lock:
            assert left.store.reserve(lock) > 4, said
        tidy(left, said)


def test_import_survives_every_fault(shop: Shop, place: Path) -> None:
    other = Shop(place / "other")
    made = other.commit(rows(77)).generation
    folder = other.store.stored(KEY, made.id).folder

    def work(it: Shop) -> None:
        with it.store.lock(KEY, who="alice", job="7", doing="import") as lock:
            it.store.import_folder(lock, folder, job="7")

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        intact(left, shop, said)
        work(left)
        assert left.newest().id == made.id, said
        assert left.content(left.newest()) == rows(77), said
        intact(left, shop, said)
        tidy(left, said)
    assert other.all_ok()


def test_collection_survives_every_fault(shop: Shop, place: Path) -> None:
    """What is not there any longer lies in the trash, whole, and comes back."""

    def work(it: Shop) -> None:
        it.collect(Policy(last=1))

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert 3 in left.numbers(), said
        assert left.all_ok(), said
        list(left.store.sweep(alive=lambda _: False))
        left.store.bring_back([entry.name for entry in left.store.trash()], who="alice", job="10")
        intact(left, shop, said)
        assert left.ids() == shop.ids(), said
        assert left.store.trash() == (), said
        left.collect(Policy(last=1))
        assert left.numbers() == [3], said
        assert left.store.orphans(KEY) == (), said


def test_deleting_at_once_survives_every_fault(shop: Shop, place: Path) -> None:
    def work(it: Shop) -> None:
        it.collect(Policy(last=1), grace=0)

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert left.content(left.store.generation(KEY, 3)) == rows(120) + rows(5), said
        for generation in left.store.generations(KEY):
            assert not generation.problem, said
        assert left.all_ok(), said
        left.collect(Policy(last=1), grace=0)
        left.store.empty_trash()
        assert left.numbers() == [3], said
        assert len(list((left.root / "snapshots/databases/orders").iterdir())) == 1, said
        assert left.store.trash() == (), said
        assert left.commit(rows(3)).generation.number == 4, said


def test_bringing_back_survives_every_fault(shop: Shop, place: Path) -> None:
    before = shop.ids()
    shop.collect(Policy(last=1))

    def work(it: Shop) -> None:
        it.store.bring_back([entry.name for entry in it.store.trash()], who="alice", job="10")

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert left.all_ok(), said
        work(left)
        assert left.ids() == before, said
        assert left.all_ok(), said
        assert left.store.trash() == (), said


def test_pins_and_their_return_survive_every_fault(shop: Shop, place: Path) -> None:
    """bash Dysnomia keeps the last one, and starts again at 1 after that; what was pinned comes back."""
    pin = Marks(pins=(Pin("before migration", "alice", START),))

    def work(it: Shop) -> None:
        it.store.mark(KEY, 1, pin, who="alice")
        as_bash_collects(it, keep=0)
        it.commit(rows(50))

    pinned = shop.ids()[1]
    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert left.all_ok(), said
        there = left.numbers()
        left.commit(rows(51))
        if len(there) == 3:  # it came to no pin, or to no collection
            continue
        found = [one for one in left.store.generations(KEY) if one.id == pinned]
        assert found, said
        assert [one for one in found if one.marks.pins], said
        assert left.content(found[-1]) == rows(100) + rows(5), said
        assert left.content(left.newest()) == rows(51), said
        assert left.all_ok(), said


def as_bash_collects(shop: Shop, keep: int) -> None:
    """Remove links, snapshots and checksums as ``dysnomia-snapshots --gc --keep N`` does."""
    generations = shop.root / "generations/databases/orders"
    numbers = sorted(int(path.name) for path in generations.iterdir())
    for number in numbers[: len(numbers) - keep]:
        (generations / str(number)).unlink()
    kept = {path.readlink().name for path in generations.iterdir()}
    for folder in ("snapshots", "checksums"):
        for path in (shop.root / folder / "databases/orders").iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("key", [KEY, ComponentKey("new", "one")], ids=["an old component", "new folders"])
def test_nothing_is_called_done_before_it_is_durable(shop: Shop, place: Path, key: ComponentKey) -> None:
    """Every entry that a commit makes is followed by a sync of its folder; those of the snapshot before its link."""
    calls = calls_of(shop, lambda it: it.commit({"new": rows(3)}, key=key), place / "copy")
    synced = {at: path for at, (call, path) in enumerate(calls) if call == "fsync"}
    link = next(at for at, (call, _) in enumerate(calls) if call == "symlink")
    for at, (call, path) in enumerate(calls):
        if call not in ("create", "mkdir", "rename", "symlink") or "/staging" in path or "/locks" in path:
            continue
        folder = str(Path(path).parent)
        later = [when for when, what in synced.items() if what == folder and when > at]
        assert later, f"{call} {path} is never synced"
        if at < link:
            assert min(later) < link, f"{call} {path} is synced after the link was made"


def test_what_a_job_left_in_several_folders_is_told_once(shop: Shop) -> None:
    for name in ("7.abc", "7.def", "8.abc"):
        (shop.root / "staging" / name).mkdir(parents=True)
    lines = sorted(shop.store.sweep(alive=lambda _: False))
    assert lines == ["deleted what job 7 left in staging", "deleted what job 8 left in staging"]
