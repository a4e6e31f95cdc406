"""What ``chattr +i`` holds is said before anything is begun: root is stopped by it too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.world import World


@contextmanager
def fixed(path: Path, flag: str) -> Iterator[None]:
    if subprocess.run(["chattr", f"+{flag}", path], capture_output=True, check=False).returncode:
        pytest.skip("not root, or no such flags on this file system")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Files, a database and a repository, each with a generation."""
    tmp_path = tmp_path_factory.mktemp("fixed")
    world = World(tmp_path)
    live = tmp_path / "live"
    (live / "files" / "docs").mkdir(parents=True)
    for folder in ("db", "git"):
        (live / folder).mkdir()
    world.container("files", type="fileset", targetDir=str(live / "files"))
    world.container("db", type="sqlite-database", sqliteDir=str(live / "db"))
    world.container("git", type="git-repository", gitBaseDir=str(live / "git"))
    world.component("files/docs", ".dysnomia-fileset", "mkdir docs\n")
    world.component("db/orders", "sqlite-databases/a.sql", "CREATE TABLE t (a);")
    world.component("git/code", "git-repositories/none", "")
    for key in ("files/docs", "db/orders"):
        container, component = key.split("/")
        world.run("dysnomia", "-o", "activate", "-C", container, "-c", component)
    subprocess.run(["git", "init", "-q", "--bare", live / "git" / "code"], check=True)
    for key in ("files/docs", "db/orders", "git/code"):
        container, component = key.split("/")
        world.run("dysnomia", "-o", "snapshot", "-C", container, "-c", component)
    return world


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("files/docs", "files/docs"),
        ("files/docs", "files"),
        ("db/orders", "db"),
        ("db/orders", "db/orders"),
        ("git/code", "git"),
        ("git/code", "git/code"),
    ],
)
def test_a_restore_is_refused_by_the_name_of_what_is_fixed(world: World, key: str, path: str, flag: str) -> None:
    container, component = key.split("/")
    with fixed(world.root / "live" / path, flag):
        done = world.run("dysnomia", "-o", "restore", "-C", container, "-c", component, "--generation", "1", status=6)
    assert f"live/{path} is immutable or append-only" in done.err
    assert "run chattr -ia on it" in done.err
