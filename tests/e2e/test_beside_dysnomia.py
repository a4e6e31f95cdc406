"""Differences from bash Dysnomia that no recorded case shows (docs/differences.md), each with a module of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.world import World

MODULE = """#!/bin/bash
echo "third $3"
case "$1" in
  activate) ;;
  snapshot)
    snapshots=$DYSNOMIA_STATEDIR/snapshots/box/one generations=$DYSNOMIA_STATEDIR/generations/box/one
    mkdir -p "$snapshots" "$generations"
    echo state > "$snapshots/abc"
    ln -s ../../../snapshots/box/one/abc "$generations/1" ;;
esac
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "odd").write_text(MODULE)
    (modules / "odd").chmod(0o755)
    made = World(tmp_path, extra={"DYSNOMIA_MODULES_PATH": str(modules)})
    made.container("box", type="odd")
    made.component("box/one", "README", "")
    made.run("dysnomia", "-o", "activate", "-C", "box", "-c", "one")
    return made


def test_a_snapshot_that_is_a_file_is_none(world: World, tmp_path: Path) -> None:
    done = world.run("dysnomia", "-o", "snapshot", "-C", "box", "-c", "one", status=1)
    assert "the module made a file as snapshot of box/one, and has to make a folder" in done.err
    file = tmp_path / "def"
    file.write_text("state")
    world.run("dysnomia-snapshots", "--import", "-C", "box", "-c", "one", str(file), status=5)
    assert file.read_text() == "state"


def test_a_container_by_its_path_is_called_by_its_name(world: World) -> None:
    done = world.run("dysnomia", "-o", "activate", "-C", str(world.root / "containers" / "box"), "-c", "one")
    assert "third box" in done.out + done.err
    refused = world.run("dysnomia-snapshots", "--query-all", "-C", "box", "-c", "k/box/one", status=2)
    assert "it holds a slash" in refused.err
