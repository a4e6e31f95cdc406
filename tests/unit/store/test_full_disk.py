"""A disk that is really full: nothing is lost, and what is left can be collected."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dysnomia_store.errors import NotPermitted, StoreFull
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from tests.unit.store.shop import KEY, Shop, rows

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
NOISE = os.urandom(400_000)


def mount(options: str, at: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], check=True, capture_output=True)


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    """A disk of 96 MiB of its own."""
    at = place / "small"
    at.mkdir()
    try:
        mount("size=96m", at)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody mount")
    yield at
    subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(at: Path) -> None:
    """Leave not one byte."""
    with (at / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


@pytest.fixture
def full(small: Path) -> Iterator[Shop]:
    shop = Shop(small / "state")
    for number in range(3):
        shop.commit(bytes([number]) * 7 + NOISE)
    assert (shop.root / "reserve").stat().st_blocks * 512 >= 8 << 20
    fill(small)
    yield shop
    shop.store.close()


def test_a_snapshot_fails_cleanly_and_says_why(full: Shop) -> None:
    before = full.ids()
    with pytest.raises(StoreFull, match="no space left"):
        full.commit(b"new" + NOISE)
    assert full.ids() == before
    assert full.all_ok()
    assert os.listdir(full.root / "staging") == []


def test_collection_works_and_its_undo_as_well(full: Shop) -> None:
    before = full.ids()
    entries = full.collect(Policy(last=1))
    assert full.numbers() == [3]
    assert not (full.root / "reserve").exists()
    fill(full.root.parent)
    full.store.bring_back([entry.name for entry in entries], who="alice", job="1")
    assert full.ids() == before
    assert full.all_ok()


def test_deleting_at_once_needs_not_even_the_reserve(full: Shop) -> None:
    full.store.release_reserve()
    fill(full.root.parent)
    full.collect(Policy(last=1), grace=0)
    assert full.numbers() == [3]
    assert full.store.orphans(KEY) == ()
    assert full.commit(b"new").new
    assert full.all_ok()


def test_without_the_reserve_the_trash_is_refused_and_nothing_is_touched(full: Shop) -> None:
    full.store.release_reserve()
    fill(full.root.parent)
    before = full.ids()
    with pytest.raises(StoreFull, match="delete it now"):
        full.collect(Policy(last=1))
    assert full.ids() == before
    assert full.all_ok()


def test_emptying_the_trash_gives_the_space_back(full: Shop) -> None:
    freed = sum(entry.stored_size for entry in full.collect(Policy(last=1)))
    fill(full.root.parent)
    assert full.store.empty_trash([entry.name for entry in full.store.trash()]) == freed
    assert full.commit(b"new").new
    assert full.store.trash() == ()


def test_the_reserve_is_laid_aside_again(full: Shop) -> None:
    full.store.release_reserve()
    (full.root.parent / "filler").unlink()
    full.commit(b"new")
    assert (full.root / "reserve").exists()


def test_another_component_can_be_collected_although_nothing_was_ever_locked_there(full: Shop) -> None:
    """A store of Dysnomia's own: not even a lock file is there yet."""
    key = ComponentKey("other", "theirs")
    (full.root.parent / "filler").unlink()
    for number in (1, 2):
        folder = full.root / "snapshots/other/theirs" / str(number)
        folder.mkdir(parents=True)
        (folder / "dump").write_bytes(NOISE)
        link = full.root / "generations/other/theirs" / str(number)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../snapshots/other/theirs/{number}")
    fill(full.root.parent)
    plan = full.store.plan_gc([key], lambda _: Policy(last=1))
    full.store.apply_gc(plan, grace=0, who="alice", job="1")
    assert full.numbers(key) == [2]


def test_a_disk_that_is_read_only(full: Shop) -> None:
    at = full.root.parent
    full.store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(at)], check=True)
    other = full.again()
    assert len(other.store.generations(KEY)) == 3
    assert other.all_ok()
    with pytest.raises(NotPermitted, match="Read-only"):
        other.commit(rows(1))
    with pytest.raises(NotPermitted):
        other.collect(Policy(last=1))
    other.store.close()
