"""The commands where no hard link can be made: all is right, only larger; and where no store can be, it is said."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.no_links import LINKS
from tests.e2e.world import World

WITHOUT = (sys.executable, str(Path(__file__).with_name("no_links.py")))
ROWS = 40_000

pytestmark = pytest.mark.skipif(platform.machine() not in LINKS, reason="the numbers of the system calls are not known")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A database of some MB, and a store that no hard link can be made in."""
    (tmp_path / "live").mkdir()
    made = World(tmp_path)
    made.container("sqlite", type="sqlite-database", sqliteDir=str(tmp_path / "live"))
    made.component("sqlite/books", "README", "")
    change(made, f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
                 " INSERT INTO books SELECT i, hex(randomblob(40)) FROM n")  # fmt: skip
    return made


def change(world: World, sql: str) -> None:
    with closing(sqlite3.connect(world.root / "live" / "books")) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS books (id INTEGER PRIMARY KEY, name TEXT)")
        db.execute(sql)


def rows(world: World) -> str:
    """What the database holds."""
    with closing(sqlite3.connect(world.root / "live" / "books")) as db:
        return hashlib.sha256("\n".join(db.iterdump()).encode()).hexdigest()


def several_names(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink > 1]


def test_every_command_is_right_and_nothing_is_shared(world: World, tmp_path: Path) -> None:
    run = partial(world.run, through=WITHOUT)
    snapshot = ("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "books")
    held = []
    for number in range(3):
        change(world, f"UPDATE books SET name = 'changed {number}' WHERE id = {number + 1}")
        run(*snapshot)
        held.append(rows(world))
    ids = run("dysnomia-snapshots", "--query-all").lines
    assert len(ids) == 3
    assert "3 ok" in run("dysnomia-snapshots", "--check").err
    assert not several_names(world.state / "snapshots")
    before = _used(world.state / "snapshots")

    said = run("dysnomia-tui", "optimise")
    assert "Traceback" not in said.err
    assert _used(world.state / "snapshots") == before
    assert not several_names(world.state)
    assert "3 ok" in run("dysnomia-snapshots", "--check").err

    archive = tmp_path / "all.archive"
    run("dysnomia-snapshots", "--export", *(line.rpartition("/")[2] for line in ids), str(archive))
    other = World(tmp_path / "other")
    other.root.mkdir()
    other.run("dysnomia-snapshots", "--import", str(archive), through=WITHOUT)
    assert "3 ok" in other.run("dysnomia-snapshots", "--check", through=WITHOUT).err

    run("dysnomia-snapshots", "--gc", "--keep-last", "1")
    assert len(run("dysnomia-snapshots", "--query-all").lines) == 1
    change(world, "DELETE FROM books WHERE id > 5")
    run("dysnomia", "-o", "restore", "-C", "sqlite", "-c", "books", "--yes")
    assert rows(world) == held[-1]
    assert not list(world.state.rglob("*.link")), "no name is left of what could not be linked"


def test_what_was_made_without_links_shares_where_they_can_be_made(world: World) -> None:
    for number in range(2):
        change(world, f"UPDATE books SET name = 'changed {number}' WHERE id = {number + 1}")
        world.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "books", through=WITHOUT)
    before = _used(world.state / "snapshots")
    world.run("dysnomia-tui", "optimise")
    assert several_names(world.state / "snapshots")
    assert _used(world.state / "snapshots") < 0.7 * before
    assert "2 ok" in world.run("dysnomia-snapshots", "--check").err


def _used(folder: Path) -> int:
    """Bytes of its files, each counted once."""
    seen = {
        (at.st_dev, at.st_ino): at.st_size for path in folder.rglob("*") if not (at := path.lstat()).st_mode & 0o040000
    }
    return sum(seen.values())


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """A file system that has neither hard links nor symbolic ones, nor modes; its files are all ours alone."""
    tools = [
        shutil.which(name, path="/usr/sbin:/sbin:/usr/bin") for name in ("mkfs.exfat", "mount.exfat-fuse", "losetup")
    ]
    if os.geteuid() or not all(tools):
        pytest.skip("mkfs.exfat and mount.exfat-fuse (exfatprogs, exfat-fuse) are not here, or not root")
    make, mount, losetup = map(str, tools)
    image, at = tmp_path / "image", tmp_path / "exfat"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run([make, str(image)], check=True, stdout=subprocess.DEVNULL)
    found = subprocess.run([losetup, "-f", "--show", str(image)], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"no loop device here: {found.stderr.strip()}")
    device = found.stdout.strip()
    try:
        if subprocess.run(
            [mount, "-o", "umask=0077", device, str(at)], check=False, stdout=subprocess.DEVNULL
        ).returncode:
            pytest.skip("FUSE cannot be mounted here")
        yield at
        subprocess.run(["umount", str(at)], check=True)
    finally:
        subprocess.run([losetup, "-d", device], check=False)


def test_such_a_disk_takes_archives_and_no_store(exfat: Path, world: World) -> None:
    world.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "books")
    made = world.run("dysnomia-snapshots", "--query-all").lines[0].rpartition("/")[2]
    world.run("dysnomia-snapshots", "--export", made, str(exfat / "archive"))
    again = world.run("dysnomia-snapshots", "--export", made, str(exfat / "archive"), status=None)
    assert again.status, "what is there is not replaced"
    assert [path.name for path in exfat.iterdir()] == ["archive"]
    other = World(world.root / "other")
    other.root.mkdir()
    other.run("dysnomia-snapshots", "--import", str(exfat / "archive"))
    there = World(world.root, extra={"DYSNOMIA_STATEDIR": str(exfat / "state")})
    done = there.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "books", status=6)
    assert "keeps no modes or links of files" in done.err
    assert there.run("dysnomia-snapshots", "--query-all").lines == []
