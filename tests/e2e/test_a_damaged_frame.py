"""One damaged byte in a file that several generations share, through the commands: named everywhere, then healed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.plugins.other_user import needs_root, open_folder


@pytest.fixture
def world() -> Iterator[World]:
    """Three generations of a database, and one of another with the same content."""
    root = open_folder()
    (root / "live").mkdir()
    made = World(root)
    made.container("sqlite", type="sqlite-database", sqliteDir=str(root / "live"))
    for name in ("books", "copy"):
        made.component(f"sqlite/{name}", "README", "")
    change(made, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)"
                 " INSERT INTO books SELECT i, hex(randomblob(40)) FROM n")  # fmt: skip
    for number in range(3):
        change(made, f"UPDATE books SET name = 'changed {number}' WHERE id = {number + 1}")
        snapshot(made, "books")
    shutil.copy(root / "live" / "books", root / "live" / "copy")
    snapshot(made, "copy")
    yield made
    shutil.rmtree(root)


def change(world: World, sql: str) -> None:
    with closing(sqlite3.connect(world.root / "live" / "books")) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS books (id INTEGER PRIMARY KEY, name TEXT)")
        db.execute(sql)


def snapshot(world: World, name: str) -> None:
    world.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", name)


def damage(world: World) -> Path:
    """Flip a bit of a file that all four generations and the pool name: in the middle, where no change comes that would
    keep the next snapshot from bringing the same content."""
    frames = sorted((world.state / "snapshots" / "sqlite" / "copy").glob("*/*.zst.d/0*.zst"))
    frame = frames[len(frames) // 2]
    assert frame.stat().st_nlink == 5
    frame.chmod(0o600)
    with frame.open("r+b") as file:
        file.seek(frame.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    frame.chmod(0o400)
    return frame


def checks(world: World) -> dict[str, str]:
    """The last check of each generation, as the list has it."""
    found = world.run("dysnomia-snapshots", "--query-all", "--json").json
    return {f"{one['component']} {one['generation']}": str(one["checked"]) for one in found}


def test_it_is_named_with_every_generation_and_healed_by_the_next_snapshot(world: World) -> None:
    damage(world)
    found = world.run("dysnomia-snapshots", "--check", "-C", "sqlite", "-c", "books", status=7)
    assert "is damaged: its bytes changed; the same files are in generations 2, 3 of sqlite/books" in found.err
    assert "generation 1 of sqlite/copy" in found.err
    status = world.run("dysnomia-tui", "status", status=2).out
    assert "generation 3 is corrupt" in status
    assert "generation 1 is corrupt" in status
    evidence = world.run("dysnomia-tui", "timeline", "--verified").out
    assert "4 generations: 4 damaged" in evidence
    assert "generations 1, 2, 3 of sqlite/books" in evidence, "of the copy, which was not checked itself"
    listed = checks(world)
    assert len(listed) == 4
    assert all("corrupt" in check for check in listed.values()), listed
    planned = world.run(
        "dysnomia", "-o", "restore", "-C", "sqlite", "-c", "books", "--generation", "1", "--dry-run", status=None
    )
    assert planned.status == (
        7 if "cannot: generation 1 of sqlite/books is damaged" in planned.out + planned.err else 0
    ), "a plan reads the frames that hold the schema; which frame is damaged differs from run to run"
    assert "its last check said: corrupt" in planned.out
    world.run("dysnomia", "-o", "restore", "-C", "sqlite", "-c", "books", "--generation", "1", "--yes", status=7)

    change(world, "INSERT INTO books VALUES (100000, 'later')")
    snapshot(world, "books")
    world.run("dysnomia-tui", "status")
    assert not any("corrupt" in check for check in checks(world).values())
    assert "5 checked: 5 ok" in world.run("dysnomia-snapshots", "--check").err
    world.run("dysnomia", "-o", "restore", "-C", "sqlite", "-c", "books", "--generation", "1", "--yes")


@needs_root
def test_who_may_only_read_is_told_that_it_is_not_recorded(world: World) -> None:
    damage(world)
    for path in world.state.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    world.state.chmod(0o755)
    through = ("setpriv", "--reuid=65534", "--clear-groups", "--")
    found = world.run("dysnomia-snapshots", "--check", status=7, through=through)
    assert "is damaged: its bytes changed" in found.err
    assert "was not recorded, so that later snapshots may share it" in found.err
