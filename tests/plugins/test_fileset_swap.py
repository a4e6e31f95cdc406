"""The swap of filesets: several folders, missing ones, mount points, an overlay, and death at any call."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Component, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.fileset import Fileset, confined, exchange
from dysnomia_plugins.fileset.places import Layout
from dysnomia_plugins.fileset.spec import read_spec
from tests.plugins.driver import in_child
from tests.plugins.fileset_tools import Notebook, TarStored, dump_to_tar, make_context
from tests.plugins.worlds_fileset import ROOT, fileset_component, make_tree, tree

SPEC = "mkdir one\nmkdir deep/er/two\nmkdir one/inner\n"
NEWNS = 0x00020000
PRIVATE = 1 << 18 | 1 << 14
needs_mounts = pytest.mark.skipif(not ROOT, reason="needs root to mount")


class Scene:
    """A target folder with a stored old state and another one live."""

    def __init__(self, folder: Path, spec: str = SPEC, roots: tuple[str, ...] = ("one", "deep/er/two")) -> None:
        self.plugin = Fileset()
        self.folder = folder
        self.target = folder / "srv"
        self.roots = roots
        self.component = fileset_component(folder / "component", self.target, spec)
        self.target.mkdir(exist_ok=True)
        self.ctx = make_context(self.component, folder)

    def fill(self) -> None:
        """Stored: one of everything. Live: something else."""
        for number, root in enumerate(self.roots):
            _filled(self.target / root, number)
        self.stored = dump_to_tar(self.component, self.folder / "dump")
        self.then = self.state()
        for root in self.roots:
            _emptied(self.target / root)
            (self.target / root / "notes.txt").write_text("live")
            (self.target / root / "only live").mkdir()
            (self.target / root / "only live" / "file").write_text("live")
            (self.target / root).chmod(0o711)
        self.now = self.state()

    def state(self, place: Place | None = None) -> list[object]:
        base = Path(place.name) if place else self.target
        return [tree(base / root) if (base / root).exists() else None for root in self.roots]

    def place(self, purpose: Purpose) -> Place:
        return self.plugin.place(self.ctx, purpose)

    def load(self) -> None:
        self.plugin.load(self.ctx, self.stored, self.place(Purpose.BESIDE))

    def swap(self) -> None:
        self.plugin.swap(self.ctx, self.place(Purpose.BESIDE), self.place(Purpose.ASIDE))

    def recover(self) -> bool:
        return self.plugin.recover(self.ctx)

    def aside(self) -> list[object]:
        """What was set aside, root by root, wherever that is."""
        layout = Layout(read_spec(self.component))
        found = {one.root: one.path for one in layout.roots_at(self.place(Purpose.ASIDE))}
        return [tree(Path(found[root])) for root in sorted(found, key=self.roots.index)]

    def drop_all(self) -> None:
        for place in self.plugin.left_behind(self.ctx):
            self.plugin.drop(self.ctx, place)
        assert list(self.plugin.left_behind(self.ctx)) == []


def _filled(folder: Path, seed: int) -> None:
    """One of everything; made inside and moved up where the folder is a mount point."""
    if not folder.exists():
        make_tree(folder, seed)
        return
    make_tree(folder / "scratch", seed)
    for entry in list((folder / "scratch").iterdir()):
        entry.rename(folder / entry.name)
    (folder / "scratch").rmdir()


def _emptied(folder: Path) -> None:
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    scene.fill()
    return scene


def test_several_folders_are_exchanged_and_set_aside(scene: Scene) -> None:
    scene.load()
    assert scene.state() == scene.now
    scene.swap()
    assert scene.state() == scene.then
    assert scene.aside() == scene.now
    assert scene.plugin.recover(scene.ctx)
    assert not scene.plugin.exists(scene.ctx, scene.place(Purpose.BESIDE))
    scene.drop_all()
    assert sorted(os.listdir(scene.target)) == ["deep", "one"]


def test_a_folder_that_was_not_live_and_one_that_was_not_stored(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    make_tree(scene.target / "one")
    scene.stored = dump_to_tar(scene.component, tmp_path / "dump")
    scene.then = scene.state()
    shutil.rmtree(scene.target / "one")
    make_tree(scene.target / "deep/er/two")
    scene.now = scene.state()
    assert None in scene.then
    scene.load()
    scene.swap()
    assert scene.state() == scene.then
    assert scene.aside() == scene.now
    scene.drop_all()
    assert scene.state() == scene.then


def test_the_whole_target_folder(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "mkdir .\n", (".",))
    make_tree(scene.target / "a")
    scene.stored = dump_to_tar(scene.component, tmp_path / "dump")
    then = tree(scene.target)
    (scene.target / "a" / "notes.txt").write_text("live")
    now = tree(scene.target)
    scene.load()
    scene.swap()
    assert tree(scene.target) == then
    assert tree(Path(scene.place(Purpose.ASIDE).name)) == now
    scene.drop_all()
    assert tree(scene.target) == then
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_what_was_set_aside_is_swapped_back_by_another_job(scene: Scene) -> None:
    scene.load()
    scene.swap()
    aside = scene.place(Purpose.ASIDE)
    undo = make_context(scene.component, scene.folder, tag="0123abcd_8")
    scene.plugin.swap(undo, aside, scene.plugin.place(undo, Purpose.ASIDE))
    assert scene.state() == scene.now
    assert scene.state(scene.plugin.place(undo, Purpose.ASIDE)) == scene.then
    assert not Path(aside.name).exists()


def test_a_failing_exchange_puts_back_what_was_exchanged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.load()
    real = confined.rename
    calls = 0

    def failing(source: str, source_folder: int, target: str, target_folder: int, flags: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EIO, "the disk is gone")
        real(source, source_folder, target, target_folder, flags)

    monkeypatch.setattr(exchange, "rename", failing)
    with pytest.raises(PluginError, match="disk is gone"):
        scene.swap()
    assert scene.state() == scene.now
    assert not scene.plugin.recover(scene.ctx)
    assert scene.state() == scene.now
    scene.drop_all()
    assert scene.state() == scene.now


@pytest.mark.parametrize("code", sorted(exchange.CANNOT))
def test_where_folders_cannot_be_exchanged_their_entries_are_moved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    scene.load()

    def refusing(source: str, source_folder: int, target: str, target_folder: int, flags: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(exchange, "rename", refusing)
    before = (scene.target / "one").stat().st_ino
    scene.swap()
    assert (scene.target / "one").stat().st_ino == before, "the folder itself stayed"
    assert scene.state() == scene.then
    assert scene.aside() == scene.now
    assert scene.plugin.recover(scene.ctx)
    scene.drop_all()
    assert scene.state() == scene.then


@pytest.mark.parametrize("one_step", [True, False], ids=["exchanged", "moved"])
def test_killed_at_any_call_it_is_old_or_new_after_recovery(tmp_path: Path, one_step: bool) -> None:
    """Before and after each call that changes something, enumerated; the recovery is killed as well."""
    outcomes: set[str] = set()
    for at in range(1, 400):
        folder = tmp_path / str(at)
        folder.mkdir()
        scene = Scene(folder)
        scene.fill()
        scene.load()
        if _killed(scene.swap, at, one_step=one_step) == 0:
            assert outcomes == {"old", "new"}
            return
        for again in range(1, 1 + at % 4):
            _killed(scene.recover, again, one_step=one_step)
        swapped = scene.recover()
        assert scene.recover() == swapped, "recovery is idempotent"
        assert scene.state() == (scene.then if swapped else scene.now)
        if swapped:
            assert scene.aside() == scene.now, "what was live stands aside, whole"
        outcomes.add("new" if swapped else "old")
        scene.drop_all()
        assert scene.state() == (scene.then if swapped else scene.now)
        shutil.rmtree(folder)
    pytest.fail("it never ran through")


def _killed(work: Callable[[], object], at: int, *, one_step: bool) -> int:
    """Run ``work`` in a child that is killed around its n-th call: before it (odd), after it (even)."""

    def dying() -> None:
        left = (at + 1) // 2

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0 and at % 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = call(*arguments, **options)
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return counting

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exchange, "rename", counted(confined.rename) if one_step else _busy)
            for name in ("rename_new", "copy_attributes"):
                patch.setattr(exchange, name, counted(getattr(exchange, name)))
            for name in ("rmdir", "makedirs"):
                patch.setattr(os, name, counted(getattr(os, name)))
            patch.setattr(Notebook, "step", counted(Notebook.step))
            work()

    return in_child(dying)


def _busy(*_: Any) -> None:
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


# --- real mounts ---------------------------------------------------------------------------------------------------


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
