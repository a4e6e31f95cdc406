"""Filesets nested deeper than can be restored are refused when they are snapshotted, not when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.trees.extract import MAX_DEPTH
from tests.plugins.fileset.tools import dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component


@pytest.fixture
def component(tmp_path: Path) -> Component:
    (tmp_path / "srv" / "data").mkdir(parents=True)
    return fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")


def nested(data: Path, folders: int) -> None:
    """Folders inside each other below ``data``, and a file in the innermost."""
    with _inner(data, folders, make=True) as inner:
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=inner))


@contextmanager
def _inner(data: Path, folders: int, *, make: bool = False) -> Iterator[int]:
    descriptor = os.open(data, os.O_RDONLY)
    for _ in range(folders):
        if make:
            os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_as_deep_as_can_be_restored(component: Component, tmp_path: Path) -> None:
    nested(tmp_path / "srv" / "data", MAX_DEPTH - 1)
    place = load_beside(make_context(component, tmp_path), dump_to_tar(component, tmp_path / "dump"))
    with _inner(place / "data", MAX_DEPTH - 1) as inner:
        assert os.listdir(inner) == ["f"]


@pytest.mark.parametrize("folders", [MAX_DEPTH, MAX_DEPTH + 100])
def test_deeper_is_refused_and_named(component: Component, tmp_path: Path, folders: int) -> None:
    nested(tmp_path / "srv" / "data", folders)
    with pytest.raises(PluginError, match=rf"^data/d/d/.*… holds folders nested deeper than {MAX_DEPTH}") as refused:
        dump_to_tar(component, tmp_path / "dump")
    assert len(refused.value.message) < 400
    assert "move the deepest" in refused.value.hint
