"""A module written for Dysnomia by a third party, in bash, through the commands: nothing of it is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.world import World

KEY = ("-C", "notes", "-c", "diary")


def notes_world(tmp_path: Path) -> World:
    """A container of the module's type with one component, active."""
    world = World(tmp_path)
    world.container("notes", type="notes", notesDir=str(tmp_path / "live"))
    world.component("notes/diary", "notes/first", "dear diary\n")
    world.run("dysnomia", "-o", "activate", *KEY)
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return notes_world(tmp_path)


def diary(world: World) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((world.root / "live" / "diary").iterdir())}


def test_activation_lays_down_the_initial_state_and_marks_it_active(world: World) -> None:
    assert diary(world) == {"first": "dear diary\n"}
    assert (world.state / "activated" / "notes" / "diary").exists()
    assert world.run("dysnomia-containers", "--query-activated-components").lines == ["notes/diary"]


def test_the_generation_before_the_last_is_restored(world: World) -> None:
    live = world.root / "live" / "diary"
    world.run("dysnomia", "-o", "snapshot", *KEY)
    (live / "second").write_text("more\n")
    world.run("dysnomia", "-o", "snapshot", *KEY)
    last = world.run("dysnomia-snapshots", "--query-latest", *KEY).lines
    (live / "first").write_text("all wrong\n")

    world.run("dysnomia", "-o", "restore", *KEY, "--generation", "1", "--reason", "it was all wrong")

    assert diary(world) == {"first": "dear diary\n"}
    paths = world.run("dysnomia-snapshots", "--query-all", *KEY).lines
    assert paths[1:2] == last, "older generations are as they were"
    assert paths[-1] == paths[0], "the newest generation says what is live"
    guard = world.run("dysnomia-snapshots", "--resolve", paths[2]).lines[0]
    assert "all wrong" in (Path(guard) / "notes").read_text(), "what was live became the guard"


def test_an_unchanged_state_adds_no_generation(world: World) -> None:
    world.run("dysnomia", "-o", "snapshot", *KEY)
    world.run("dysnomia", "-o", "snapshot", *KEY)
    assert len(world.run("dysnomia-snapshots", "--query-all").lines) == 1


def test_snapshots_of_a_module_are_checked_and_compared(world: World) -> None:
    world.run("dysnomia", "-o", "snapshot", *KEY)
    (world.root / "live" / "diary" / "second").write_text("more\n")
    world.run("dysnomia", "-o", "snapshot", *KEY)
    assert "2 checked: 2 ok" in world.run("dysnomia-snapshots", "--query-all", "--check").err
    diff = world.run("dysnomia-snapshots", "--diff", "1", "2", "--rows", *KEY)
    assert "more" in diff.out


def test_a_module_that_fails_leaves_nothing_behind_and_its_words_are_shown(world: World) -> None:
    world.run("dysnomia", "-o", "snapshot", *KEY)
    for path in (world.root / "live" / "diary").iterdir():
        path.unlink()
    (world.root / "live" / "diary").rmdir()
    failed = world.run("dysnomia", "-o", "snapshot", *KEY, status=None)
    assert failed.status not in (0, 130)
    assert "diary" in failed.err
    assert len(world.run("dysnomia-snapshots", "--query-all").lines) == 1


def test_deactivated_it_is_garbage_until_it_is_collected(world: World) -> None:
    world.run("dysnomia", "-o", "deactivate", *KEY)
    assert (world.state / "garbage" / "notes" / "diary").exists()
    assert diary(world), "the state stays"
    world.run("dysnomia-containers", "--collect-garbage")
    assert not (world.root / "live" / "diary").exists()
    assert not (world.state / "garbage" / "notes" / "diary").exists()
