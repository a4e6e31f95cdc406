"""Old snapshots and copied stores are made to share; whatever happens meanwhile, every generation stays what it was."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from dysnomia_store.content.cutting import Cutting
from dysnomia_store.disk.syscalls import NO_EXCHANGE, Disk
from dysnomia_store.model import CheckResult, Marks, Pin
from tests.thorough import often
from tests.unit.store.faults import Fault, each_fault
from tests.unit.store.frames import alone, flip, folder_of, frames_of, lines, on_disk, pool_of
from tests.unit.store.shop import KEY, SMALL, START, Shop

WHOLE = Cutting(whole=1 << 30)
STATES = [{"a": lines(300, changed=number), "b": lines(5), "c": lines(200)} for number in range(4)]


@pytest.fixture
def old(place: Path) -> Shop:
    """A store of whole files, as earlier versions wrote it, opened by one that cuts."""
    made = Shop(place / "state", cutting=WHOLE)
    for state in STATES:
        made.commit(state)
    assert not pool_of(made)
    return Shop(made.root, cutting=SMALL, now=made.now)


def optimise(shop: Shop) -> int:
    """Returns the bytes that came back."""
    return sum(done.freed for _, done in shop.store.optimise(KEY, who="alice", job="9"))


def right(shop: Shop, said: str = "") -> None:
    for generation, state in zip(shop.store.generations(KEY), STATES, strict=False):
        assert not generation.problem, said
        assert shop.content(generation) == b"".join(state.values()), said
        found = shop.store.check(KEY, generation.id)
        assert (found.result, found.text) == (CheckResult.OK, ""), said


def test_old_snapshots_share_what_they_hold(old: Shop, place: Path) -> None:
    before, size = [(one.number, one.id, one.metadata) for one in old.store.generations(KEY)], on_disk(old.root)
    told: list[int] = []
    done = dict(old.store.optimise(KEY, who="alice", job="9", on_bytes=told.append))
    assert [one.converted for one in done.values()] == [1, 1, 1, 1]
    assert on_disk(old.root) < 0.6 * size
    assert sum(one.freed for one in done.values()) == size - on_disk(old.root)
    assert sum(told) > size
    right(old)
    for (number, snapshot_id, metadata), now in zip(before, old.store.generations(KEY), strict=True):
        assert (now.number, now.id) == (number, snapshot_id)
        assert metadata is not None
        assert now.metadata is not None
        assert replace(now.metadata, files=(), stored_size=0) == replace(metadata, files=(), stored_size=0)
    assert list((old.root / "staging").iterdir()) == []
    fresh = Shop(place / "fresh", cutting=SMALL).commit(STATES[0]).generation
    cut = [path.name for path in frames_of(Shop(place / "fresh"), fresh.id)]
    assert [path.name for path in frames_of(old, fresh.id)] == cut, "cut as a dump is, so that the next one shares"
    assert optimise(old) == 0, "run again, it finds nothing"
    assert old.again().commit(STATES[3]).new is False


def test_dysnomias_checksum_holds_for_the_new_form(old: Shop) -> None:
    from dysnomia_store.content.dysnomia_checksum import Match, compare

    optimise(old)
    for generation in old.store.generations(KEY):
        said = (old.root / f"checksums/databases/orders/{generation.id}").read_text()
        assert compare(folder_of(old, generation.id), said) is Match.SAME


def test_a_store_copied_without_its_links_is_small_again(place: Path) -> None:
    shop = Shop(place / "state", cutting=SMALL)
    for state in STATES:
        shop.commit(state)
    subprocess.run(["cp", "-r", shop.root, place / "copy"], check=True)
    copy = Shop(place / "copy", cutting=SMALL, now=shop.now)
    before = on_disk(copy.root)
    assert before > on_disk(shop.root)
    assert optimise(copy) == before - on_disk(copy.root)
    assert on_disk(copy.root) == on_disk(shop.root)
    right(copy)
    shutil.rmtree(copy.root / "frames")
    optimise(copy)
    assert len(pool_of(copy)) == len(pool_of(shop)), "a pool that was lost is filled again"
    right(copy)


def test_a_good_frame_never_makes_room_for_a_bad_one(place: Path) -> None:
    """The pool's file rotted and no check has met it yet: the good ones of the copies stay, and heal the rest."""
    shop = Shop(place / "state", cutting=SMALL)
    for state in STATES:
        shop.commit(state)
    subprocess.run(["cp", "-r", shop.root, place / "copy"], check=True)
    copy = Shop(place / "copy", cutting=SMALL, now=shop.now)
    for path in pool_of(copy):
        flip(path)
    optimise(copy)
    right(copy)
    assert len(pool_of(copy)) == len(pool_of(shop))
    copy.commit(lines(300, changed=77))
    right(copy)


def test_what_cannot_be_converted_says_why(old: Shop) -> None:
    ids = old.ids()
    old.store.mark(KEY, 1, Marks(pins=(Pin("audit", "alice", START),)), who="alice")
    flip(folder_of(old, ids[2]) / "dump.zst")
    module = old.commit_files("revision-7", {"dump": lines(900)}).generation
    done = dict(old.store.optimise(KEY, who="alice", job="9"))
    assert "it is pinned" in done[ids[1]].left
    assert done[ids[2]].left == "dump.zst is damaged: its bytes changed; run a check"
    assert "not a snapshot of a type of this program" in done[module.id].left
    assert done[ids[3]].converted == 1
    assert (folder_of(old, ids[2]) / "dump.zst").is_file()


def test_a_file_system_that_cannot_exchange_keeps_what_it_has(old: Shop) -> None:
    def refuse(call: str, path: str) -> None:
        if call == "exchange":
            raise OSError(NO_EXCHANGE[0], "no", path)

    shop = old.again(Disk(before=refuse))
    done = dict(shop.store.optimise(KEY, who="alice", job="9"))
    assert {one.left for one in done.values()} == {"this file system cannot exchange two folders in one step"}
    right(old)
    list(old.store.sweep(alive=lambda _: False))
    assert alone(old) == []


def test_a_stop_leaves_the_snapshot_as_it_was(old: Shop) -> None:
    class Stopped(Exception):
        pass

    def stop(_: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(old.store.optimise(KEY, who="alice", job="9", on_bytes=stop))
    right(old)
    assert list((old.root / "staging").iterdir()) == []


def test_a_conversion_survives_every_fault(place: Path) -> None:
    """Cut short at any call outside staging: each generation reads as it did, and its record fits once it is swept."""
    data = lines(70)
    Shop(place / "state", cutting=WHOLE).commit(data)
    old = Shop(place / "state", cutting=SMALL)
    below = ("/optimising", "/snapshots/", "/metadata/", "/checksums/", "/store.json")
    faults = chain(
        each_fault(old, optimise, place / "copy", [Fault.KILL, Fault.EIO], below=below, stride=often(1, 2)),
        each_fault(old, optimise, place / "copy", [Fault.EMLINK, Fault.EXDEV], stride=often(1, 2)),
    )
    for said, left in faults:
        list(left.store.sweep(alive=lambda _: False))
        assert left.content(left.newest()) == data, said
        assert left.all_ok(), said
        assert alone(left) == [], said
        assert list((left.root / "staging").iterdir()) == [], said
        assert list((left.root / "optimising").rglob("*.json")) == [], said
        optimise(left)
        assert left.content(left.newest()) == data, said
        assert left.all_ok(), said
        assert frames_of(left, left.newest().id), said
