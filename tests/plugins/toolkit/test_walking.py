"""The walk through folders that somebody else changes meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import dysnomia_plugins
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.repositories.plain import refuse_pipes

PLUGINS = Path(dysnomia_plugins.__file__).parent


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    top = tmp_path / "top"
    for name in ("a/b/c", "d"):
        (top / name).mkdir(parents=True)
    (top / "a/file").touch()
    (top / "a/link").symlink_to("b")
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    yield top, descriptor
    os.close(descriptor)


@pytest.mark.parametrize("topdown", [True, False])
def test_it_is_the_walk_of_the_library(tree: tuple[Path, int], topdown: bool) -> None:
    _, descriptor = tree
    ours = [(at, sorted(folders), sorted(names)) for at, folders, names, _ in walk(descriptor, topdown=topdown)]
    theirs = os.fwalk(".", topdown=topdown, follow_symlinks=False, dir_fd=descriptor)
    assert ours == [(at, sorted(folders), sorted(names)) for at, folders, names, _ in theirs]
    assert len(ours) == 5


def test_no_type_uses_that_of_the_library() -> None:
    assert not [path for path in PLUGINS.rglob("*.py") if "os.fwalk(" in path.read_text("utf-8")]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a folder", "nothing"])
def test_what_is_no_folder_any_more_is_neither_opened_nor_waited_for(tree: tuple[Path, int], kind: str) -> None:
    top, descriptor = tree
    os.mkfifo(top.parent / "pipe")
    errors: list[OSError] = []
    steps = walk(descriptor, onerror=errors.append)
    next(steps)
    shutil.rmtree(top / "a")
    if kind == "pipe":
        os.mkfifo(top / "a")
    elif kind != "nothing":
        (top / "a").symlink_to(top.parent / "pipe" if kind == "link to a pipe" else "/etc")
    assert [at for at, _, _, _ in steps] == ["./d"]
    assert len(errors) == 1


def test_folders_without_an_end_are_an_error_in_words(tree: tuple[Path, int]) -> None:
    top, descriptor = tree
    deep = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("x", dir_fd=deep)
        deeper = os.open("x", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    try:
        with pytest.raises(OSError, match="nested too deep"):
            list(walk(descriptor))
        with pytest.raises(NotSafe, match="nested too deep"):
            refuse_pipes(descriptor, str(top), {"x"}, "git")
    finally:
        subprocess.run(["rm", "-rf", str(top / "x")], check=True)  # the library cannot
