"""Repositories on a file system that cannot exchange two names (FUSE: bindfs, sshfs, mergerfs): EINVAL it answers."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.guarded import libc
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.trees import exchange
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.test_pushes import LATE, names_at
from tests.plugins.git.world import GitWorld

pytestmark = pytest.mark.server
WORLD = GitWorld


@pytest.fixture(autouse=True)
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """As bindfs answers: ``renameat2`` takes no flags."""

    def plain(source: str, folder: int, target: str, other: int, flags: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), source, None, target)

    monkeypatch.setattr(libc, "rename", plain)
    monkeypatch.setattr(exchange, "rename", plain)


def test_what_was_live_is_sealed_and_undone(world: GitWorld, driver: Driver) -> None:
    """The restore failed in its swap, and each job after it: "could not be closed to pushes (Invalid argument)"."""
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("a commit", random.Random(3))
    now = world.whole()
    result = driver.restore(number)
    assert world.whole() == then
    assert not driver.unsettled()
    assert result.guard is not None
    driver.restore(result.guard.number)
    assert world.whole() == now


def test_a_seal_that_was_cut_off_between_its_two_steps_is_finished(
    world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("a commit", random.Random(3))
    now = world.whole()
    move = Folder.move

    def fails(folder: Folder, name: str, target: Folder, new: str) -> None:
        move(folder, name, target, new)
        if name == "refs":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(Folder, "move", fails)
        result = driver.restore(number)  # which is taken up again by the same job
    assert not driver.unsettled()
    assert world.whole() == then
    assert result.guard is not None
    driver.restore(result.guard.number)
    assert world.whole() == now


def test_a_push_between_the_two_steps_is_in_the_guard(
    world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes ``refs`` anew where that was moved away from, and is acknowledged."""
    world.seed()
    number = driver.snapshot().generation.number
    world.change("a commit", random.Random(3))
    commit = next(path for path in (world.live / "refs/heads").iterdir() if path.is_file()).read_text()
    move = Folder.move

    def and_pushes(folder: Folder, name: str, target: Folder, new: str) -> None:
        move(folder, name, target, new)
        if name == "refs":
            made = Path(f"/proc/self/fd/{folder.descriptor}") / LATE
            made.parent.mkdir(parents=True)
            made.write_text(commit)

    monkeypatch.setattr(Folder, "move", and_pushes)
    result = driver.restore(number)
    monkeypatch.undo()
    assert result.guard is not None
    copy = driver.restored_elsewhere(result.guard.number, "guard")
    assert LATE in names_at(Path(copy.name))
