"""A loaded fileset is checked while it goes to the disk, and handed over only once it is there."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import Cancelled, PluginError
from dysnomia_plugins.toolkit.filesets import load
from dysnomia_plugins.toolkit.guarded import syncing
from dysnomia_plugins.toolkit.trees.compare import compare
from dysnomia_plugins.toolkit.trees.extract import Extractor
from dysnomia_store.model import Metadata
from tests.plugins.fileset.tools import TarStored, dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component, make_tree

LONG = 20.0
"""Seconds after which what was waited for does not come any more."""


class Loading:
    """A load whose disk and whose check are watched; what they do besides is told to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        component = fileset_component(folder / "one", folder / "srv", "mkdir data\n")
        make_tree(folder / "srv" / "data")
        plain = dump_to_tar(component, folder / "dump")
        digest, sections, complete = plain.rescanned()
        size = plain.tar.stat().st_size
        about = Metadata(digest, "fileset", size, size, (), digest, 1, complete, sections=len(sections))
        self.stored = TarStored(plain.tar, about)
        self.ctx = make_context(component, folder)
        self.began = threading.Event()
        self.checked = threading.Event()
        self.steps: list[str] = []
        self.on_disk: Callable[[int], None] = lambda _: None
        self.on_check: Callable[[], None] = lambda: None
        hand_over = Extractor.hand_over_base

        def sync(descriptor: int) -> None:
            self.began.set()
            assert self.checked.wait(LONG), "the check waits for the disk"
            os.fstat(descriptor)
            self.steps.append("on the disk")
            self.on_disk(descriptor)

        def watched(*arguments: Any, **options: Any) -> None:
            assert self.began.wait(LONG), "the disk waits for the check"
            try:
                compare(*arguments, **options)
                self.steps.append("checked")
                self.on_check()
            finally:
                self.checked.set()

        def handed_over(extractor: Extractor, base: int) -> None:
            self.steps.append("handed over")
            hand_over(extractor, base)

        monkeypatch.setattr(syncing, "sync_file_system", sync)
        monkeypatch.setattr(load, "compare", watched)
        monkeypatch.setattr(Extractor, "hand_over_base", handed_over)

    def run(self) -> Path:
        return load_beside(self.ctx, self.stored)


@pytest.fixture
def loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loading:
    return Loading(tmp_path, monkeypatch)


def test_it_is_checked_while_the_disk_is_waited_for(loading: Loading) -> None:
    made = loading.run()
    assert loading.steps == ["checked", "on the disk", "handed over"]
    assert (made / "data").is_dir()


@pytest.mark.parametrize(("number", "words"), [(errno.EIO, "could not be loaded"), (errno.ENOSPC, "no space left")])
def test_what_the_disk_did_not_take_is_an_error_and_nothing_is_handed_over(
    loading: Loading, number: int, words: str
) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    loading.on_disk = full
    with pytest.raises(PluginError, match=words):
        loading.run()
    assert loading.steps == ["checked", "on the disk"]


def test_a_disk_that_failed_is_named_before_a_difference(loading: Loading) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def different() -> None:
        raise PluginError("it is not as it was stored")

    loading.on_disk, loading.on_check = broken, different
    with pytest.raises(PluginError, match=os.strerror(errno.EIO)):
        loading.run()


def test_a_cancelled_check_leaves_no_thread_and_no_descriptor(loading: Loading) -> None:
    """The thread has ended before the folder is closed: it would use another file's descriptor."""

    def cancelled() -> None:
        raise Cancelled("stopped")

    loading.on_check = cancelled
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Cancelled):
        loading.run()
    assert loading.steps == ["checked", "on the disk"]
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [one for one in threading.enumerate() if one.name.startswith("sync")]


def test_the_folder_is_closed_to_others_until_then(loading: Loading) -> None:
    modes: list[int] = []
    loading.on_disk = lambda descriptor: modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
    loading.run()
    assert modes == [0o700]
