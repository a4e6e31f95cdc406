"""Filesets on real mounts of every kind that a swap meets: mount points, an overlay, a full disk."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Context, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.spec import read_spec
from dysnomia_plugins.toolkit.trees import exchange
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import Metadata
from tests.plugins.conformance.driver import in_child
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.scene import Scene
from tests.plugins.fileset.tools import TarDraft, TarStored, dump_to_tar, make_context
from tests.plugins.fileset.world import fileset_component, tree


def _can_mount() -> bool:
    """Root may be without that right, in a container."""
    return ROOT and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0


NEWNS = 0x00020000
PRIVATE = 1 << 18 | 1 << 14
needs_mounts = pytest.mark.skipif(not _can_mount(), reason="needs root, and to be allowed to mount")


def _in_private_mounts(work: Callable[[], None]) -> None:
    """Run ``work`` in a child with mounts of its own, which are gone with it."""

    def isolated() -> None:
        assert _libc().unshare(NEWNS) == 0
        assert _libc().mount(None, b"/", None, PRIVATE, None) == 0
        work()

    assert in_child(isolated) == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount(kind: str, target: Path, options: str = "") -> None:
    done = _libc().mount(kind.encode(), os.fsencode(target), kind.encode(), 0, options.encode())
    assert done == 0, os.strerror(ctypes.get_errno())


def _unmount(target: Path) -> None:
    assert _libc().umount2(os.fsencode(target), 2) == 0


@needs_mounts
def test_a_root_that_is_a_mount_point(tmp_path: Path) -> None:
    """Its entries are moved: the mount stays, and beside and aside are on it."""

    def work() -> None:
        scene = Scene(tmp_path)
        (scene.target / "one").mkdir()
        _mount("tmpfs", scene.target / "one")
        scene.fill()
        preflight = scene.plugin.preflight(scene.ctx, scene.stored, replace=True)
        assert "mount point" in preflight.swap
        scene.load()
        assert scene.plugin.exists(scene.ctx, scene.place(Purpose.BESIDE))
        scene.swap()
        assert os.path.ismount(scene.target / "one")
        assert scene.state()[1:] == scene.then[1:]
        assert _without_own(scene.state()[0]) == scene.then[0]
        assert scene.aside() == scene.now
        scene.drop_all()
        assert scene.state() == scene.then
        assert os.path.ismount(scene.target / "one")

    _in_private_mounts(work)


def _without_own(state: object) -> object:
    assert isinstance(state, list)
    return [one for one in state if not one[0].startswith(b".dysnomia-")]


@needs_mounts
def test_a_disk_that_is_not_mounted_any_more_is_named_before_a_restore_fills_the_one_below(tmp_path: Path) -> None:
    def work() -> None:
        scene = Scene(tmp_path)
        (scene.target / "one").mkdir()
        _mount("tmpfs", scene.target / "one")
        (scene.target / "one" / "file").write_text("on the disk")
        draft = TarDraft(tmp_path / "dump")
        draft.folder.mkdir()
        dumped = scene.plugin.dump(scene.ctx, scene.plugin.live(scene.component), draft)
        metadata = Metadata("i", "fileset", 0, 0, (), "", 1, True, surroundings=dumped.surroundings)
        stored = TarStored(draft.tar, metadata)
        assert _named(scene, stored, "nothing is mounted") == []
        _unmount(scene.target / "one")
        (text,) = _named(scene, stored, "nothing is mounted")
        assert text.startswith(f"nothing is mounted on {scene.target / 'one'}, ")

    _in_private_mounts(work)


def test_what_is_no_folder_is_named_before_a_restore(tmp_path: Path) -> None:
    """It was replaced, and no guard could be made of what had been there: not by this job, nor by any after it."""
    scene = Scene(tmp_path)
    scene.fill()
    shutil.rmtree(scene.target / "one")
    (scene.target / "one").write_text("a file")
    (text,) = _named(scene, scene.stored, "is not a folder")
    assert text.startswith(f"{scene.target / 'one'} is not a folder")


def _named(scene: Scene, stored: TarStored, text: str) -> list[str]:
    findings = scene.plugin.preflight(scene.ctx, stored, replace=True).findings
    return [finding.text for finding in findings if text in finding.text and finding.severity is not Severity.NOTE]


@needs_mounts
def test_what_was_set_aside_on_a_mount_point_is_moved_back(tmp_path: Path) -> None:
    def work() -> None:
        scene = Scene(tmp_path)
        (scene.target / "one").mkdir()
        _mount("tmpfs", scene.target / "one")
        scene.fill()
        scene.load()
        scene.swap()
        undo = make_context(scene.component, tmp_path, tag="0123abcd_8")
        aside = scene.plugin.place(undo, Purpose.ASIDE)
        scene.plugin.swap(undo, scene.place(Purpose.ASIDE), aside)
        assert list(scene.plugin.left_behind(scene.ctx)) == []
        assert tree_of(scene, undo) == scene.then
        for place in scene.plugin.left_behind(undo):
            scene.plugin.drop(undo, place)
        assert scene.state() == scene.now

    _in_private_mounts(work)


def tree_of(scene: Scene, ctx: Context) -> list[object]:
    """What a job set aside, root by root."""
    layout = Layout(read_spec(scene.component))
    found = {one.root: one.path for one in layout.roots_at(scene.plugin.place(ctx, Purpose.ASIDE))}
    return [tree(Path(found[root])) for root in scene.roots]


@needs_mounts
def test_a_root_below_a_mount_point_is_exchanged_on_that_file_system(tmp_path: Path) -> None:
    def work() -> None:
        scene = Scene(tmp_path)
        (scene.target / "deep").mkdir()
        _mount("tmpfs", scene.target / "deep")
        scene.fill()
        scene.load()
        inode = (scene.target / "deep/er/two").stat().st_ino
        scene.swap()
        assert (scene.target / "deep/er/two").stat().st_ino != inode, "exchanged in one step"
        assert scene.state() == scene.then
        assert scene.aside() == scene.now
        scene.drop_all()
        assert sorted(os.listdir(scene.target / "deep")) == ["er"]

    _in_private_mounts(work)


@needs_mounts
def test_an_overlay_whose_folders_are_in_the_lower_layer(tmp_path: Path) -> None:
    """EXDEV: containers have their image's folders there."""

    def work() -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        _mount("tmpfs", disk)
        for name in ("lower/one/below", "upper", "work", "merged"):
            (disk / name).mkdir(parents=True)
        (disk / "lower/one/below/file").write_text("of the image")
        options = f"lowerdir={disk}/lower,upperdir={disk}/upper,workdir={disk}/work,redirect_dir=off"
        _mount("overlay", disk / "merged", options)
        component = fileset_component(tmp_path / "component", disk / "merged", "mkdir one\n")
        folder = tmp_path / "jobs"
        folder.mkdir()
        _overlay_story(component, folder, disk / "merged" / "one")

    _in_private_mounts(work)


def _overlay_story(component: Component, folder: Path, root: Path) -> None:
    plugin = Fileset()
    ctx = make_context(component, folder)
    before = tree(root)
    stored: TarStored = dump_to_tar(component, folder / "dump")
    (root / "below" / "file").write_text("changed")
    (root / "new").write_text("new")
    now = tree(root)
    assert "overlay" in plugin.preflight(ctx, stored, replace=True).swap
    beside, aside = plugin.place(ctx, Purpose.BESIDE), plugin.place(ctx, Purpose.ASIDE)
    plugin.load(ctx, stored, beside)
    plugin.swap(ctx, beside, aside)
    assert tree(root) == before
    assert tree(Path(aside.name) / "one") == now
    assert exchange.MOVE in [name for name, _ in ctx.journal.steps()]
    assert plugin.recover(ctx)
    for place in plugin.left_behind(ctx):
        plugin.drop(ctx, place)
    assert tree(root) == before


@needs_mounts
def test_what_is_mounted_inside_a_root_is_never_deleted_and_stops_a_replace(tmp_path: Path) -> None:
    def work() -> None:
        scene = Scene(tmp_path)
        scene.fill()
        inner = scene.target / "one" / "only live"
        _mount("tmpfs", inner)
        (inner / "precious").write_text("precious")
        findings = scene.plugin.preflight(scene.ctx, scene.stored, replace=True).findings
        assert any(one.severity is Severity.BLOCKER and str(inner) in one.text for one in findings)
        now = scene.state()
        scene.load()
        with pytest.raises(NotSafe, match="mounted"):
            scene.swap()
        assert scene.state() == now
        with pytest.raises(NotSafe, match="mounted"):
            scene.plugin.collect_garbage(scene.ctx)
        assert (inner / "precious").read_text() == "precious"
        assert (scene.target / "one" / "notes.txt").exists(), "nothing at all was deleted"
        _unmount(inner)
        scene.swap()
        assert scene.state() == scene.then

    _in_private_mounts(work)


@needs_mounts
def test_a_full_disk_leaves_live_as_it_was(tmp_path: Path) -> None:
    def work() -> None:
        scene = Scene(tmp_path)
        _mount("tmpfs", scene.target, "size=4m")
        for root in scene.roots:
            (scene.target / root).mkdir(parents=True)
        (scene.target / "one" / "big").write_bytes(b"1" * (2 << 20))
        scene.stored = dump_to_tar(scene.component, tmp_path / "dump")
        (scene.target / "one" / "more").write_bytes(b"2" * (1 << 20))
        now = scene.state()
        with pytest.raises(PluginError, match="no space left"):
            scene.load()
        assert scene.state() == now
        scene.drop_all()
        assert scene.state() == now

    _in_private_mounts(work)
