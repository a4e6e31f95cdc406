"""Locks of pushes that were refused go, and nothing else; what cannot be exchanged is refused before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.git.repository import LOCKS
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.changes import commit, git
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import needs_root

pytestmark = pytest.mark.server
WORLD = GitWorld


def undone(driver: Driver, number: int) -> None:
    """Restored, and then what was live until then."""
    guard = driver.restore(number).guard
    assert guard is not None
    driver.restore(guard.number)


def test_locks_of_git_go_and_files_of_the_operator_stay(world: GitWorld, driver: Driver) -> None:
    world.seed()
    (world.live / "operator.lock").write_text("in it\n")
    number = driver.snapshot().generation.number
    (world.live / "later.lock").write_text("in the guard\n")
    locks = [*LOCKS, "refs/heads/main.lock", "refs/tags/new.lock"]
    for name in locks:
        (world.live / name).touch()
    undone(driver, number)
    assert [name for name in locks if (world.live / name).exists()] == []
    assert (world.live / "operator.lock").read_text() == "in it\n"
    assert (world.live / "later.lock").read_text() == "in the guard\n"
    commit(world.live, "main", "goes on", b"x")


@pytest.mark.parametrize("name", ["of the operator.lock", "HEAD.lock", "refs/heads/folder.lock"])
def test_a_folder_of_a_lock_s_name_is_in_nobody_s_way(world: GitWorld, driver: Driver, name: str) -> None:
    world.seed()
    (world.live / name).mkdir()
    if not name.startswith("refs/"):
        (world.live / name / "file").write_text("kept\n")
    number = driver.snapshot().generation.number
    undone(driver, number)
    driver.snapshot()
    if not name.startswith("refs/"):
        assert (world.live / name / "file").read_text() == "kept\n"


@pytest.fixture
def mounted(world: GitWorld) -> Iterator[Path]:
    """A file system of its own inside of the repository."""
    world.seed()
    point = world.live / "lfs"
    try:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(point)], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        pytest.skip("needs to mount a tmpfs")
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True, capture_output=True)


@needs_root
def test_a_mount_inside_is_refused_before_anything_is_exchanged(world: GitWorld, driver: Driver, mounted: Path) -> None:
    number = driver.snapshot().generation.number
    world.change("a commit", Random(1))
    then = git(world.live, "rev-parse", "main")
    stored = driver.store.stored(driver.key, driver.ids()[number])
    with driver.context() as ctx:
        findings = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(str(mounted) in one.text for one in findings if one.severity is Severity.BLOCKER)
    with pytest.raises(NotSafe, match="is mounted inside"):
        driver.restore(number)
    assert git(world.live, "rev-parse", "main") == then
    driver.snapshot()
    with driver.context() as ctx, pytest.raises(NotSafe, match="is mounted inside"):
        world.plugin.collect_garbage(ctx)
    assert git(world.live, "rev-parse", "main") == then
