"""Rows put back where the file system of the database takes nothing: said in the plan, and by its own exit code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.translate import exit_of
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.sqlite.test_put_back import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A database on a file system of its own, in which a row was changed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a tmpfs")
    work = tmp_path / "work"
    work.mkdir()
    shop = Shop(disk, Bare(SqliteDatabase(), work, component(work, sqliteDir=str(disk))))
    shop.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'a'), (2, 'b');")
    shop.keep()
    shop.run("UPDATE t SET x = 'lost' WHERE id = 1")
    yield shop
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_read_only_file_system_is_refused_in_the_plan(shop: Shop) -> None:
    """A job began and made a guard, and root was told to run it as root."""
    rows = shop.wanted("t", "1")
    assert shop.look(rows).refusals == ()
    subprocess.run(["mount", "-o", "remount,ro", str(shop.folder)], check=True)
    (refusal,) = shop.look(rows).refusals
    assert "is on a file system that is mounted read-only" in refusal


def test_a_file_system_that_can_hold_no_more_files_is_full(shop: Shop) -> None:
    """It was "cannot be opened (unable to open database file): check that it exists", with exit code 1."""
    rows = shop.wanted("t", "1")
    look = shop.look(rows)
    subprocess.run(["mount", "-o", "remount,nr_inodes=20", str(shop.folder)], check=True)
    with suppress(OSError):
        for number in range(20):
            (shop.folder / f"ballast-{number}").touch()
    with pytest.raises(PluginError, match="can hold no more") as failed:
        shop.put(rows, look)
    assert exit_of(failed.value) is Exit.NO_SPACE
    (shop.folder / "ballast-0").unlink()
    assert shop.rows("SELECT x FROM t WHERE id = 1") == [("lost",)]
