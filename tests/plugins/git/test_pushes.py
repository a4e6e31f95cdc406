"""Repositories in use: exchanged while somebody pushes, and what becomes of that push."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.trees.exchange import RootSwap, swap_roots
from dysnomia_plugins.types.git import swap as swapping
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.changes import ENVIRONMENT, commit, git
from tests.plugins.git.world import GitWorld
from tests.plugins.servers.common import GUARDED
from tests.waiting import wait_until

pytestmark = pytest.mark.server
WORLD = GitWorld

WAITING_HOOK = """#!/bin/sh
: >'{folder}/reached'
read line <'{folder}/go'
"""
LATE = "refs/heads/late"


@contextmanager
def push_held_at(world: GitWorld, hook: str) -> Iterator[subprocess.Popen[bytes]]:
    """A push whose server process waits in a hook until a line is written to ``go``; killed on leaving."""
    folder = world.folder / "held"
    folder.mkdir()
    os.mkfifo(folder / "go")
    path = world.live / "hooks" / hook
    path.write_text(WAITING_HOOK.format(folder=folder))
    path.chmod(0o755)
    clone = world.folder / "clone.git"
    git(clone, "init", "--quiet", "--bare")
    commit(clone, "new", "late", b"late\n")
    argv = ["git", f"--git-dir={clone}", "push", str(world.live), f"refs/heads/new:{LATE}"]
    client = subprocess.Popen([*GUARDED, *argv], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: (folder / "reached").exists())
        yield client
    finally:
        client.kill()
        client.wait()


def let_go(world: GitWorld) -> None:
    (world.folder / "held/go").write_text("go\n")


def names_at(path: Path) -> Sequence[str]:
    return git(path, "for-each-ref", "--format=%(refname)").split("\n")


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_push_under_way_at_the_exchange_is_refused_and_says_so(world: GitWorld, driver: Driver, hook: str) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("a commit", random.Random(3))
    with push_held_at(world, hook) as client:
        result = driver.restore(number)
        let_go(world)
        said, _ = client.communicate(timeout=60)
        assert client.returncode != 0, said
    assert world.whole() == then
    assert result.guard is not None
    copy = driver.restored_elsewhere(result.guard.number, "guard")
    assert LATE not in names_at(Path(copy.name))


def test_a_push_that_was_refused_can_be_tried_again(world: GitWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    with push_held_at(world, "pre-receive") as client:
        driver.restore(number)
        let_go(world)
        client.communicate(timeout=60)
    clone = world.folder / "clone.git"
    git(clone, "push", str(world.live), f"refs/heads/new:{LATE}")
    assert LATE in names_at(world.live)


def test_a_push_acknowledged_after_the_exchange_is_in_the_guard(
    world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the exchange and the sealing: the client was told that it is in, so it is in what was set aside."""
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    with push_held_at(world, "pre-receive") as client:

        def and_then(roots: Sequence[RootSwap], journal: object) -> None:
            swap_roots(roots, journal)  # type: ignore[arg-type]
            let_go(world)
            said, _ = client.communicate(timeout=60)
            assert client.returncode == 0, said

        monkeypatch.setattr(swapping, "swap_roots", and_then)
        result = driver.restore(number)
    assert world.whole() == then
    assert result.guard is not None
    copy = driver.restored_elsewhere(result.guard.number, "guard")
    assert LATE in names_at(Path(copy.name))


def test_a_lock_of_a_refused_push_does_not_come_back_with_an_undo(world: GitWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    lock = world.live / "refs/heads/main.lock"
    lock.touch()
    result = driver.restore(number)
    assert result.guard is not None
    driver.restore(result.guard.number)
    assert not lock.exists()
    commit(world.live, "main", "goes on", b"x")
