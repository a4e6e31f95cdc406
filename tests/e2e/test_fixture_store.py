"""A store written by Dysnomia itself, through our commands: listed as Dysnomia lists it, checked, and not changed."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.e2e.world import World

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "upstream-store.tar.gz"


@pytest.fixture
def world(tmp_path: Path) -> World:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    return World(tmp_path)


def links(world: World) -> list[str]:
    """``container/component/id`` of every generation, read here without any of our code, by number."""
    folder = world.state / "generations"
    found = sorted(folder.glob("*/*/*"), key=lambda link: (*link.parts[-3:-1], int(link.name)))
    return ["/".join((*link.parts[-3:-1], os.path.basename(link.readlink()))) for link in found]  # noqa: PTH119


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_every_generation_is_listed_in_dysnomias_form(world: World) -> None:
    assert len(links(world)) > 10
    assert world.run("dysnomia-snapshots", "--query-all").lines == links(world)


def test_the_latest_of_each_component(world: World) -> None:
    latest = {path.rpartition("/")[0]: path for path in links(world)}
    assert world.run("dysnomia-snapshots", "--query-latest").lines == list(latest.values())


def test_of_one_container_and_one_component(world: World) -> None:
    for options, prefix in (
        (("-C", "fileset"), "fileset/"),
        (("-c", "testdb"), ""),
        (("-C", "mysql-database", "-c", "testdb"), "mysql-database/testdb/"),
        (("-c", "/etc/dysnomia/components/wrapper/app"), "wrapper/app/"),
    ):
        found = world.run("dysnomia-snapshots", "--query-all", *options).lines
        assert found
        assert all(path.startswith(prefix) for path in found)
    assert world.run("dysnomia-snapshots", "--query-all", "-C", "nowhere").lines == []


def test_every_snapshot_is_sound(world: World) -> None:
    done = world.run("dysnomia-snapshots", "--query-all", "--check")
    assert done.lines == links(world)
    assert f"{len(set(links(world)))} checked" in done.err
    assert " 0 bad" in done.err
    assert not [line for line in done.err.splitlines() if line.startswith(("corrupt", "missing"))]


def test_a_flipped_byte_is_named_and_the_rest_is_still_checked(world: World) -> None:
    (victim, *_) = sorted(world.state.glob("snapshots/postgresql-database/testdb/*/dump.pgsql.xz"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    name = "/".join(victim.parts[-4:-1])
    done = world.run("dysnomia-snapshots", "--query-all", "--check", status=7)
    assert done.lines == links(world), "it goes on"
    assert [line for line in done.err.splitlines() if line.startswith(f"corrupt: {name}")]
    assert " 1 bad" in done.err
    record = world.run("dysnomia-snapshots", "--query-all", "--check", "--json", status=7).json
    assert [entry["path"] for entry in record if entry["check"] in ("corrupt", "missing")] == [
        path for path in links(world) if path == name
    ]


def test_missing_and_resolved_paths(world: World) -> None:
    there = links(world)[0]
    gone = there.rpartition("/")[0] + "/0123456789"
    assert world.run("dysnomia-snapshots", "--print-missing", there, gone).lines == [gone]
    assert world.run("dysnomia-snapshots", "--resolve", there).lines == [str(world.state / "snapshots" / there)]


def test_asking_changes_nothing(world: World) -> None:
    before = tree(world.state)
    for options in (["--query-all", "--check"], ["--query-latest"], ["--query-all", "--json"]):
        world.run("dysnomia-snapshots", *options)
    world.run("dysnomia-containers", "--query-activated-components")
    changed = set(tree(world.state)) ^ set(before)
    assert {path.split("/")[0] for path in changed} <= {"cache"}


def test_what_is_marked_active(world: World) -> None:
    marked = ["/".join(path.parts[-2:]) for path in sorted((world.state / "activated").glob("*/*"))]
    assert world.run("dysnomia-containers", "--query-activated-components").lines == marked
    assert world.run("dysnomia-containers", "--query-activated-components", "-C", "fileset").lines == ["fileset/files"]


def test_the_read_only_user_may_ask(world: World) -> None:
    """Folders without write permission are no obstacle to a question (root is none either way)."""
    for folder in [world.state, *(path for path in world.state.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    try:
        assert world.run("dysnomia-snapshots", "--query-all").lines == links(world)
    finally:
        for folder in [world.state, *(path for path in world.state.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
