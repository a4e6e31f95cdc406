"""A frame that only the pool names is garbage, and may be what a snapshot links at this very moment.

Each test stops one side between its look and its change, and lets the other side do all its work there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from tests.unit.store.faults import forked
from tests.unit.store.frames import alone, folder_of, lines, pool_of
from tests.unit.store.shop import SMALL, Shop

DATA = lines(200)


@pytest.fixture
def shop(place: Path) -> Shop:
    """Frames of a snapshot that is gone, in the pool alone."""
    made = Shop(place / "state", cutting=SMALL)
    shutil.rmtree(folder_of(made, made.commit(DATA).generation.id))
    made.commit(b"another\n" * 20)
    assert len(alone(made)) >= 5
    return made


def at_each(call: str, below: str, meanwhile: Callable[[], object]) -> Disk:
    """A disk that lets something else happen before each such call."""

    def before(name: str, path: str) -> None:
        if name == call and below in path:
            meanwhile()

    return Disk(before=before)


def sweep(shop: Shop) -> None:
    list(shop.again().store.sweep(alive=lambda _: True))


def test_a_sweep_between_the_look_and_the_link(shop: Shop) -> None:
    """The frame is gone when it is linked: it is written again."""
    writer = shop.again(at_each("link", "/staging/", lambda: sweep(shop)))
    made = writer.commit(DATA).generation
    assert shop.content(made) == DATA
    assert shop.all_ok()
    assert len(pool_of(shop)) >= 5
    sweep(shop)
    assert alone(shop) == []


def test_a_link_between_the_sweeps_look_and_its_deletion(shop: Shop) -> None:
    """The snapshot holds the frame, and only the pool has lost it: the next one brings it back."""
    done: list[Generation | None] = []

    def commit() -> None:
        if not done:
            done.append(shop.again().commit(DATA).generation)

    sweeper = shop.again(at_each("unlink", "/frames/", commit))
    list(sweeper.store.sweep(alive=lambda _: True))
    made = done[0]
    assert made is not None
    assert shop.content(made) == DATA
    assert shop.all_ok()
    assert len(alone(shop)) == 0


@pytest.mark.parametrize("at", range(11))
def test_a_link_while_the_last_snapshot_with_the_frame_is_deleted(place: Path, at: int) -> None:
    """Before the n-th deletion of five frames, a footer and five names in the pool, another component stores them."""
    shop = Shop(place / "state", cutting=SMALL)
    shop.commit(DATA)
    shop.commit(DATA[::-1])
    shop.collect(Policy(last=1), grace=3600)
    other = ComponentKey("databases", "other")
    done: list[Generation | None] = []

    def commit() -> None:
        done.append(shop.again().commit(DATA, key=other).generation if len(done) == at else None)

    emptier = shop.again(at_each("unlink", ".zst", commit))
    emptier.store.empty_trash([entry.name for entry in shop.store.trash()])
    made = done[at]
    assert made is not None
    assert shop.content(made) == DATA
    assert shop.all_ok(other)
    assert alone(shop) == []


def test_writers_and_sweeps_at_once(place: Path) -> None:
    """The same without a script: one process stores and deletes, another sweeps."""
    shop = Shop(place / "state", cutting=SMALL)
    shop.commit(DATA)
    stop = place / "stop"

    def sweep_until() -> None:
        while not stop.exists():
            sweep(shop)

    child = forked(sweep_until)
    try:
        for number in range(15):
            made = shop.commit(lines(200, changed=number % 2)).generation
            assert shop.content(made) == lines(200, changed=number % 2)
            assert shop.all_ok()
            shop.collect(Policy(last=1), grace=0)
    finally:
        stop.touch()
        assert os.waitpid(child, 0)[1] == 0
    sweep(shop)
    assert alone(shop) == []
