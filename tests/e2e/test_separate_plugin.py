"""A plugin in a package of its own: built, installed beside ours, and used with no change here.

It is the README's example with the project file that the README shows.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.packaging import ROOT, build, copy_of, install
from tests.e2e.terminal import terminal
from tests.e2e.world import World

pytestmark = pytest.mark.xdist_group("wheel")

EXAMPLES = ROOT / "tests" / "examples"


@pytest.fixture(scope="module")
def bin_folder(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with our wheel, and with the plugin's."""
    source = tmp_path_factory.mktemp("my-plugins")
    for name in ("pyproject.toml", "textfile.py"):
        shutil.copy(EXAMPLES / name, source / name)
    found = copy_of(installed, tmp_path_factory.mktemp("with-plugin") / "env")
    install(found, build(source, tmp_path_factory.mktemp("plugin-wheel")))
    return found


@pytest.fixture
def world(bin_folder: Path, tmp_path: Path) -> World:
    world = World(tmp_path, {"DYSNOMIA_MODULES_PATH": ""}, bin=bin_folder)
    (tmp_path / "live").mkdir()
    (tmp_path / "home").mkdir()
    world.container("texts", type="text-file", folder=str(tmp_path / "live"))
    world.component("texts/poem", "initial.txt", "roses are red\n")
    return world


def test_it_is_listed_with_its_distribution(world: World) -> None:
    (record,) = [one for one in world.run("dysnomia-tui", "plugins", "--json").json if one["type"] == "text-file"]
    assert (record["from"], record["module"], record["state"]) == ("my-plugins 1.0", "textfile:TextFile", True)
    assert "my-plugins 1.0" in world.run("dysnomia-tui", "plugins").out


def test_it_is_snapshotted_changed_restored_and_undone_by_command(world: World) -> None:
    live = world.root / "live" / "poem.txt"
    key = ("-C", "texts", "-c", "poem")
    world.run("dysnomia", "-o", "activate", *key)
    assert live.read_text() == "roses are red\n"
    world.run("dysnomia", "-o", "snapshot", *key)
    live.write_text("roses are blue\n")
    world.run("dysnomia", "-o", "snapshot", *key)
    lines = world.run("dysnomia-snapshots", "--query-all").lines
    assert len(set(lines)) == 2
    assert all(line.startswith("texts/poem/") for line in lines)
    live.write_text("roses are gone\n")

    assert "roses" in world.run("dysnomia-snapshots", "--diff", "1", "2", "--rows", *key).out
    world.run("dysnomia", "-o", "verify", *key, "--generation", "1")
    restored = world.run("dysnomia", "-o", "restore", *key, "--generation", "1", "--json").json
    assert live.read_text() == "roses are red\n"
    world.run("dysnomia-tui", "undo", str(restored["job"]["id"]))
    assert live.read_text() == "roses are gone\n"
    assert [path.name for path in live.parent.iterdir()] == ["poem.txt"]
    world.run("dysnomia", "-o", "deactivate", *key)
    world.run("dysnomia", "-o", "collect-garbage", *key)
    assert not live.exists()


@pytest.mark.terminal
def test_the_app_shows_it(world: World) -> None:
    key = ("-C", "texts", "-c", "poem")
    world.run("dysnomia", "-o", "activate", *key)
    world.run("dysnomia", "-o", "snapshot", *key)
    with terminal() as screen:
        screen.start([str(world.bin / "dysnomia-tui")], world.environment)
        screen.wait_for("texts", "poem", "ok", "beginning chapter")
        screen.press("k")
        screen.wait_for("text file, 1 component", "up")
