"""Deploying: what is no longer available goes out of service, what is new comes in; again and again, killed or not."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.waiting import wait_until

MODULE = """\
#!/bin/bash
# Moves the markers, and notes what it was called with; waits where a file says so.
set -e
echo "$1 $(basename "$2") $(ls "$2" 2>/dev/null | head -1)" >>"$notes"
while [ -e "$notes.wait" ]; do sleep 0.05; done
[ ! -e "$notes.fail.$(basename "$2")" ]
case "$1" in
    activate) mkdir -p "$DYSNOMIA_STATEDIR/activated/$3"; touch "$DYSNOMIA_STATEDIR/activated/$3/$(basename "$2")" ;;
    deactivate) rm "$DYSNOMIA_STATEDIR/activated/$3/$(basename "$2")" ;;
esac
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two components of a module that notes its calls."""
    module = tmp_path / "modules" / "noting"
    module.parent.mkdir()
    module.write_text(MODULE)
    module.chmod(0o755)
    world = World(tmp_path, {"DYSNOMIA_MODULES_PATH": str(module.parent)})
    world.container("box", type="noting", notes=str(tmp_path / "notes"))
    for name in ("first", "second"):
        world.component(f"box/{name}", "is-here", "")
    return world


def notes(world: World) -> list[str]:
    path = world.root / "notes"
    return path.read_text().splitlines() if path.exists() else []


def active(world: World) -> list[str]:
    return world.run("dysnomia-containers", "--query-activated-components").lines


def test_what_a_deployment_would_do_is_shown_and_then_done_once(world: World) -> None:
    dry = world.run("dysnomia-containers", "--deploy", "--dry-run")
    assert dry.lines[0] == "would activate box/first"
    assert notes(world) == []
    done = world.run("dysnomia-containers", "--deploy")
    assert "Activating component: first in container: box" in done.err
    assert notes(world) == ["activate first is-here", "activate second is-here"]
    assert "nothing to do" in world.run("dysnomia-containers", "--deploy").err
    assert len(notes(world)) == 2


def test_what_is_no_longer_available_is_deactivated_as_it_was_when_it_was_activated(world: World) -> None:
    """The search path holds links, as on NixOS: what they led to is still there when they are gone."""
    elsewhere = world.root / "elsewhere" / "third"
    elsewhere.mkdir(parents=True)
    (elsewhere / "a-unit").touch()
    link = world.root / "components" / "box" / "third"
    link.symlink_to(elsewhere)
    world.run("dysnomia-containers", "--deploy")
    link.unlink()
    world.run("dysnomia-containers", "--deploy")
    assert notes(world)[-1] == "deactivate third a-unit"
    assert active(world) == ["box/first", "box/second"]


def test_one_whose_folder_is_gone_is_deactivated_all_the_same(world: World) -> None:
    world.run("dysnomia-containers", "--deploy")
    shutil.rmtree(world.root / "components" / "box" / "first")
    world.run("dysnomia-containers", "--deploy")
    assert notes(world)[-1].split()[:2] == ["deactivate", "first"]
    assert active(world) == ["box/second"]


def test_one_that_fails_does_not_stop_the_rest_and_is_tried_again(world: World) -> None:
    (world.root / "notes.fail.first").touch()
    done = world.run("dysnomia-containers", "--deploy", "--json", status=3)
    assert {one["component"]: one["exit"] == 0 for one in done.json["components"]} == {
        "box/first": False, "box/second": True
    }  # fmt: skip
    assert active(world) == ["box/second"]
    (world.root / "notes.fail.first").unlink()
    world.run("dysnomia-containers", "--deploy")
    assert active(world) == ["box/first", "box/second"]


def test_killed_and_run_again_it_comes_to_the_same(world: World) -> None:
    waiting = world.root / "notes.wait"
    waiting.touch()
    command = world.start("dysnomia-containers", "--deploy")
    wait_until(lambda: notes(world))
    command.send_signal(signal.SIGKILL)
    command.communicate(timeout=60)
    assert active(world) == []
    waiting.unlink()
    world.run("dysnomia-containers", "--deploy")
    assert active(world) == ["box/first", "box/second"]
    assert world.run("dysnomia-containers", "--deploy").err.strip() == "there is nothing to do"


def test_what_takes_the_active_ones_alone_says_which_are_not(world: World) -> None:
    for action in (("--snapshot",), ("-o", "lock"), ("--restore", "-y")):
        err = world.run("dysnomia-containers", *action).err.strip()
        assert err.startswith("there is nothing to do: ")
        assert err.endswith("available and not active: dysnomia-containers --deploy activates them")
    world.run("dysnomia-containers", "--deploy")
    assert "nothing to do" not in world.run("dysnomia-containers", "--snapshot").err


def test_components_side_by_side(world: World) -> None:
    """With two at once, both are in their module at the same time; each line says whose it is."""
    waiting = world.root / "notes.wait"
    waiting.touch()
    command = world.start("dysnomia-containers", "--deploy", "--jobs", "2")
    wait_until(lambda: len(notes(world)) == 2)
    waiting.unlink()
    _, err = command.communicate(timeout=60)
    assert command.returncode == 0, err
    assert active(world) == ["box/first", "box/second"]


def test_ctrl_c_begins_no_more(world: World) -> None:
    waiting = world.root / "notes.wait"
    waiting.touch()
    command = world.start("dysnomia-containers", "--deploy")
    wait_until(lambda: notes(world))
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 10, err
    assert [line.split()[1] for line in notes(world)] == ["first"]
