"""Whatever call fails on a store of frames, and however: what was there stays whole, and the pool is put right.

As ``test_faults`` for whole artefacts; besides, every link is met by what a file system says that cannot make it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from dysnomia_store.model import CheckResult
from dysnomia_store.records.retention import Policy
from tests.thorough import often
from tests.unit.store.faults import Fault, calls_of, each_fault, forked
from tests.unit.store.frames import alone, flip, folder_of, frames_of, lines, on_disk, pool_of
from tests.unit.store.shop import KEY, SMALL, Shop

ROWS = 80
"""Rows that come to a few frames."""
OF_FRAMES = ("/frames", ".zst.d")
"""Where the calls are that a store of whole artefacts does not make; the others are met in ``test_faults``."""
STRIDE = often(1, 3)
DISK = (Fault.EIO, Fault.ENOSPC)


@pytest.fixture
def shop(place: Path) -> Shop:
    made = Shop(place / "state", cutting=SMALL)
    for number in (1, 2, 3):
        made.commit(lines(ROWS, changed=number))
    assert len(pool_of(made)) > 3
    return made


def intact(left: Shop, said: str) -> None:
    for generation in left.store.generations(KEY):
        assert not generation.problem, said
        assert left.store.check(KEY, generation.id).result is CheckResult.OK, said


def tidy(left: Shop, said: str) -> None:
    """After a sweep nothing is in the pool that no snapshot holds, and nothing in staging."""
    list(left.store.sweep(alive=lambda _: False))
    assert list((left.root / "staging").iterdir()) == [], said
    assert alone(left) == [], said


def test_a_snapshot_survives_every_fault(shop: Shop, place: Path) -> None:
    def work(it: Shop) -> None:
        it.commit(lines(ROWS, changed=9))

    faults = chain(
        each_fault(shop, work, place / "copy", [Fault.KILL], stride=STRIDE),
        each_fault(shop, work, place / "copy", DISK, below=OF_FRAMES, stride=STRIDE),
    )
    for said, left in faults:
        intact(left, said)
        assert left.content(left.store.generation(KEY, 1)) == lines(ROWS, changed=1), said
        made = left.commit(lines(ROWS, changed=9)).generation
        assert left.content(made) == lines(ROWS, changed=9), said
        intact(left, said)
        tidy(left, said)
        intact(left, said)


@pytest.mark.parametrize("fault", [Fault.EMLINK, Fault.EXDEV])
def test_a_link_that_cannot_be_made_is_a_frame_written_again(shop: Shop, place: Path, fault: Fault) -> None:
    """One of them each time; the next test has a file system that makes none."""

    def work(it: Shop) -> None:
        it.commit(lines(ROWS, changed=9))

    assert sum(call == "link" for call, _ in calls_of(shop, work, place / "copy")) > 2
    for said, left in each_fault(shop, work, place / "copy", [fault]):
        assert left.numbers() == [1, 2, 3, 4], said
        assert left.content(left.newest()) == lines(ROWS, changed=9), said
        intact(left, said)
        tidy(left, said)


@pytest.mark.parametrize("number", ["EXDEV", "EPERM", "EMLINK", "EOPNOTSUPP"])
def test_a_file_system_without_hard_links_only_costs_space(place: Path, number: str) -> None:
    import errno

    from dysnomia_store.disk.syscalls import Disk

    def refuse(call: str, path: str) -> None:
        if call == "link":
            raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)), path)

    shop = Shop(place / "state", cutting=SMALL, disk=Disk(before=refuse))
    made = [shop.commit(lines(ROWS, changed=count)).generation for count in (1, 2)]
    assert pool_of(shop) == []
    assert [shop.content(one) for one in made] == [lines(ROWS, changed=1), lines(ROWS, changed=2)]
    intact(shop, number)
    other = Shop(place / "other", cutting=SMALL).commit(lines(ROWS)).generation
    with shop.store.lock(KEY, who="alice", job="7", doing="import") as lock:
        shop.store.import_folder(lock, folder_of(Shop(place / "other"), other.id))
    assert shop.content(shop.newest()) == lines(ROWS)


def test_an_import_survives_every_fault(shop: Shop, place: Path) -> None:
    other = Shop(place / "other", cutting=SMALL)
    made = other.commit(lines(ROWS, changed=7)).generation
    folder = folder_of(other, made.id)

    def work(it: Shop) -> None:
        with it.store.lock(KEY, who="alice", job="7", doing="import") as lock:
            it.store.import_folder(lock, folder, job="7")

    for said, left in each_fault(
        shop, work, place / "copy", (Fault.KILL, Fault.EIO, Fault.EMLINK), below=OF_FRAMES, stride=STRIDE
    ):
        intact(left, said)
        work(left)
        assert left.content(left.newest()) == lines(ROWS, changed=7), said
        intact(left, said)
        tidy(left, said)
    assert other.all_ok()


@pytest.mark.parametrize("grace", [0.0, 3600.0])
def test_a_collection_survives_every_fault(shop: Shop, place: Path, grace: float) -> None:
    def work(it: Shop) -> None:
        it.collect(Policy(last=1), grace=grace)
        it.store.empty_trash([entry.name for entry in it.store.trash()])

    for said, left in each_fault(shop, work, place / "copy", [Fault.KILL, Fault.EIO], below=OF_FRAMES, stride=STRIDE):
        assert left.content(left.store.generation(KEY, 3)) == lines(ROWS, changed=3), said
        intact(left, said)
        work(left)
        tidy(left, said)
        assert left.numbers() == [3], said
        metadata = left.newest().metadata
        assert metadata is not None
        assert on_disk(left.root) == metadata.stored_size, said
        intact(left, said)


def test_healing_survives_every_fault(shop: Shop, place: Path) -> None:
    victim = frames_of(shop, shop.ids()[1])[-1]
    assert victim.stat().st_nlink > 3
    flip(victim)
    shop.store.check_and_record(KEY, shop.ids()[1], at=shop.now)
    assert not shop.store.generation(KEY, 3).good

    def work(it: Shop) -> None:
        it.commit(lines(ROWS, changed=9))

    faults = chain(
        each_fault(shop, work, place / "copy", [Fault.KILL], below=(*OF_FRAMES, "/checks/"), stride=STRIDE),
        each_fault(shop, work, place / "copy", [Fault.EIO], below=["/frames"], stride=STRIDE),
        each_fault(shop, work, place / "copy", [Fault.EMLINK, Fault.EXDEV], stride=STRIDE),
    )
    for said, left in faults:
        again = left.commit(lines(ROWS, changed=10)).generation
        assert left.content(again) == lines(ROWS, changed=10), said
        tidy(left, said)
        intact(left, said)
        assert [one.number for one in left.store.generations(KEY) if not one.good] == [], said


def test_a_check_that_cannot_write_what_it_found_fails_and_a_later_one_does(shop: Shop, place: Path) -> None:
    flip(frames_of(shop, shop.ids()[1])[-1])

    def work(it: Shop) -> None:
        it.store.check_and_record(KEY, it.ids()[1], at=it.now)

    for said, left in each_fault(shop, work, place / "copy", [Fault.KILL, Fault.EIO], stride=STRIDE):
        work(left)
        assert [one.number for one in left.store.generations(KEY) if one.good] == [], said


def test_two_writers_of_the_same_frames_both_succeed(shop: Shop, place: Path) -> None:
    """In two processes at once, each on a component of its own."""
    keys = [type(KEY)("databases", name) for name in ("left", "right")]

    def write(number: int) -> Callable[[], None]:
        def run() -> None:
            own = Shop(shop.root, cutting=SMALL, now=shop.now)
            for count in range(5):
                own.commit(lines(900, changed=count), key=keys[number])

        return run

    children = [forked(write(number)) for number in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    for key in keys:
        assert shop.all_ok(key)
        assert len(shop.numbers(key)) == 5
    list(shop.store.sweep(alive=lambda _: False))
    assert alone(shop) == []
    shutil.rmtree(place / "copy", ignore_errors=True)
