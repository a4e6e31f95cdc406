"""Files put back into a tree that is on a file system of its own, as ``/srv`` and ``/home`` often are."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.plugins.fileset.test_mounts import _in_private_mounts, _libc, _mount, needs_mounts
from tests.plugins.fileset.test_put_back import Site
from tests.plugins.fileset.tools import make_context
from tests.plugins.fileset.world import fileset_component, make_tree, tree

BIND = 0x1000


def _site(folder: Path, mounted: str) -> Site:
    """A live tree of which ``mounted`` is a mount point."""
    component = fileset_component(folder / "component", folder / "own" / "srv", "mkdir data\n")
    site = Site(folder / "own", make_context(component, folder))
    disk, point = folder / "disk", folder / "own" / mounted
    disk.mkdir()
    _mount("tmpfs", disk)
    make_tree(disk / "data") if mounted == "srv/data" else (disk / "data").mkdir()
    point.mkdir(parents=True)
    _bind(disk / "data", point)
    if mounted != "srv/data":
        make_tree(site.live)
    site.keep()
    return site


def _bind(folder: Path, point: Path) -> None:
    assert _libc().mount(os.fsencode(folder), os.fsencode(point), None, BIND, None) == 0


def _lose(site: Site) -> None:
    (site.live / "notes.txt").write_text("lost")
    (site.live / "binary").unlink()
    (site.live / "sub").chmod(0o700)
    (site.live / "new").write_text("came since")


LOST = ("file:data/notes.txt", "file:data/binary", "folder:data/sub", "file:data/new")


@needs_mounts
@pytest.mark.parametrize("point", [".", "srv", "srv/data"])
def test_what_is_put_back_need_not_be_on_the_file_system_of_the_root_folder(tmp_path: Path, point: str) -> None:
    """Each was "on a file system of its own below its root" where the live tree was not on that of ``/``."""

    def work() -> None:
        site = _site(tmp_path, point)
        before = tree(site.live)
        _lose(site)
        rows = site.rows(*LOST)
        look = site.look(rows)
        assert (look.conflicts, look.refusals) == ({}, ())
        assert site.put(rows, look) == []
        assert tree(site.live) == before

    _in_private_mounts(work)


@needs_mounts
def test_the_mode_of_a_root_that_is_a_mount_point_is_put_back(tmp_path: Path) -> None:
    def work() -> None:
        site = _site(tmp_path, "srv/data")
        site.live.chmod(0o750)
        site.keep()
        site.live.chmod(0o700)
        rows = site.rows("folder:data", exact=True)
        look = site.look(rows)
        assert (look.conflicts, look.refusals) == ({}, ())
        assert site.put(rows, look) == []
        assert site.live.stat().st_mode & 0o7777 == 0o750

    _in_private_mounts(work)


@needs_mounts
def test_what_is_on_another_file_system_below_its_root_is_left_and_named(tmp_path: Path) -> None:
    def work() -> None:
        site = _site(tmp_path, "srv")
        (site.live / "disk").mkdir()
        _mount("tmpfs", site.live / "disk")
        (site.live / "disk" / "file").write_text("as it was")
        site.keep()
        (site.live / "disk" / "file").write_text("changed")
        (why,) = site.conflicts("file:data/disk/file")
        assert why.startswith("data/disk/file is on a file system of its own below its root")

    _in_private_mounts(work)


@needs_mounts
def test_a_read_only_file_system_is_named_as_that(tmp_path: Path) -> None:
    def work() -> None:
        site = _site(tmp_path, "srv")
        _lose(site)
        _bind(site.live.parent, site.live.parent)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(site.live.parent)], check=True)
        reasons = site.conflicts("file:data/notes.txt", "file:data/new")
        assert len(reasons) == 2
        assert all("is on a file system that is mounted read-only" in why for why in reasons)

    _in_private_mounts(work)


@needs_mounts
def test_what_cannot_be_made_is_told_with_its_folder(tmp_path: Path) -> None:
    """It was the name alone: ".dysnomia-…-beside: No space left on device"."""

    def work() -> None:
        site = _site(tmp_path, "srv")
        _lose(site)
        subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(tmp_path / "disk")], check=True)
        rows = site.rows(*LOST)
        look = site.look(rows)
        with suppress(OSError):
            for number in range(100):
                (tmp_path / "disk" / f"ballast-{number}").touch()
        with pytest.raises(OSError, match="No space left") as failed:
            site.put(rows, look)
        assert failed.value.filename.startswith(str(tmp_path / "own" / "srv" / ".dysnomia-"))

    _in_private_mounts(work)
