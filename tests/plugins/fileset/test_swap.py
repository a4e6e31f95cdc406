"""The swap of filesets: several folders, missing ones, what fails half-way, and death at any call."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded import libc
from dysnomia_plugins.toolkit.trees import exchange
from tests.plugins.conformance.driver import in_child
from tests.plugins.fileset.scene import Scene
from tests.plugins.fileset.tools import Notebook, dump_to_tar, make_context
from tests.plugins.fileset.world import make_tree, tree


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
    real = libc.rename
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


@pytest.mark.parametrize("one_step", [True, pytest.param(False, marks=pytest.mark.worlds)], ids=["exchanged", "moved"])
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
            patch.setattr(exchange, "rename", counted(libc.rename) if one_step else _busy)
            for name in ("rename_new", "copy_attributes"):
                patch.setattr(exchange, name, counted(getattr(exchange, name)))
            for name in ("rmdir", "makedirs"):
                patch.setattr(os, name, counted(getattr(os, name)))
            patch.setattr(Notebook, "step", counted(Notebook.step))
            work()

    return in_child(dying)


def _busy(*_: Any) -> None:
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
