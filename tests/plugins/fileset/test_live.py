"""Filesets that are in use: files that change while they are read."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.trees import dump
from dysnomia_plugins.toolkit.trees.dump import TICK
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import RootAt
from dysnomia_plugins.toolkit.trees.second_look import Began, changed_since
from dysnomia_plugins.toolkit.trees.walk import Walk
from dysnomia_plugins.types.fileset import Fileset
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import TarDraft, TarStored, dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component, tree
from tests.plugins.other_user import passable
from tests.waiting import wait_until

BIG = 3 << 20
HOUR = 3600 * 10**9


@pytest.fixture
def component(tmp_path: Path) -> Component:
    folder = tmp_path / "srv" / "data"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / name).write_text(f"content of {name}\n")
    return fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")


def _change_while_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[int], None]) -> list[int]:
    """Call ``change(count)`` after each read of content: of the tree's, not of what another thread has open."""
    calls: list[int] = []
    pread = os.pread

    def reading(descriptor: int, size: int, offset: int) -> bytes:
        data = pread(descriptor, size, offset)
        if "/data/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            calls.append(size)
            change(len(calls))
        return data

    monkeypatch.setattr(os, "pread", reading)
    return calls


def _dumped(component: Component, tmp_path: Path) -> tuple[TarStored, tuple[str, ...]]:
    ctx = make_context(component, tmp_path)
    draft = TarDraft(tmp_path)
    fileset = Fileset()
    dumped = fileset.dump(ctx, fileset.live(component), draft)
    return TarStored(draft.tar), dumped.remarks


def test_a_small_file_that_changes_once_is_read_again(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "srv" / "data" / "a"
    _change_while_read(monkeypatch, lambda count: _append(path, b"more") if count == 1 else None)
    stored, warnings = _dumped(component, tmp_path)
    monkeypatch.undo()
    place = load_beside(make_context(component, tmp_path), stored)
    assert (place / "data" / "a").read_bytes() == path.read_bytes()
    assert not any("while it was read" in warning for warning in warnings)
    assert any("changed while the snapshot was taken" in warning and "data/a" in warning for warning in warnings)


def test_a_small_file_that_never_rests_is_said(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "srv" / "data" / "a"
    calls = _change_while_read(monkeypatch, lambda count: _append(path, b"x"))
    stored, warnings = _dumped(component, tmp_path)
    assert "data/a changed while it was read" in warnings
    assert len(calls) >= dump.TRIES
    assert stored.rescanned()[2], "what was stored is an archive all the same"


@pytest.mark.parametrize("old", [False, True], ids=["written lately", "at rest"])
@pytest.mark.parametrize("how", ["grows", "shrinks", "is rewritten"])
def test_a_large_file_that_never_rests_is_said(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, old: bool
) -> None:
    path = tmp_path / "srv" / "data" / "big"
    path.write_bytes(b"b" * BIG)
    monkeypatch.setattr(dump, "HOT", 0.0 if old else 3600.0)
    count = 0

    def change(_: int) -> None:
        nonlocal count
        count += 1
        if how == "grows":
            _append(path, b"x")
        elif how == "shrinks":
            os.truncate(path, max(BIG - 100_000 * count, BIG // 2))
        else:
            with path.open("r+b") as file:
                file.write(b"%d" % count)

    _change_while_read(monkeypatch, change)
    stored, warnings = _dumped(component, tmp_path)
    monkeypatch.undo()
    assert "data/big changed while it was read" in warnings
    assert stored.rescanned()[2]
    load_beside(make_context(component, tmp_path), stored)


def test_a_large_file_that_is_written_now_and_then_is_stored_as_it_was_at_one_moment(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half and the second are always written together, so a torn copy shows."""
    path = tmp_path / "srv" / "data" / "big"
    path.write_bytes(b"0" * BIG)

    def change(count: int) -> None:
        if count == 2:
            path.write_bytes(b"1" * BIG)

    _change_while_read(monkeypatch, change)
    stored, warnings = _dumped(component, tmp_path)
    monkeypatch.undo()
    place = load_beside(make_context(component, tmp_path), stored)
    assert (place / "data" / "big").read_bytes() == b"1" * BIG
    assert not any("while it was read" in warning for warning in warnings)


def test_what_vanishes_and_appears_is_said(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "srv" / "data"
    (folder / "sub").mkdir()

    def change(count: int) -> None:
        if count == 1:
            (folder / "c").unlink()
            (folder / "sub").rmdir()
            (folder / "new").write_text("new")

    _change_while_read(monkeypatch, change)
    stored, warnings = _dumped(component, tmp_path)
    monkeypatch.undo()
    assert {"data/c vanished", "data/sub vanished", "data got or lost files"} <= set(warnings)
    place = load_beside(make_context(component, tmp_path), stored)
    assert sorted(os.listdir(place / "data")) == ["a", "b"]


def test_a_folder_swapped_for_a_link_while_read_is_not_followed(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who may write in a fileset must not get a root's snapshot to hold what they may not read."""
    folder = tmp_path / "srv" / "data"
    (folder / "sub").mkdir()
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")

    def change(count: int) -> None:
        if count == 1:
            shutil.rmtree(folder / "sub")
            (folder / "sub").symlink_to(secret)
            (folder / "c").unlink()
            (folder / "c").symlink_to(secret / "key")

    _change_while_read(monkeypatch, change)
    stored, _ = _dumped(component, tmp_path)
    monkeypatch.undo()
    assert b"secret" not in stored.tar.read_bytes().replace(os.fsencode(secret), b"")


def test_what_is_replaced_after_its_folder_was_listed_is_stored_as_what_it_is(tmp_path: Path) -> None:
    """A folder says what its entries are when it is listed; by the time they are opened it may be otherwise."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "fifo", "folder", "gone", "link", "other", "renamed", "socket"):
        (folder / name).write_text(f"content of {name}\n")
    (folder / "renamed.new").write_text("another file")
    walk = Walk([RootAt("data", str(folder), "")])
    members = iter(walk)
    seen = [next(members), next(members)]
    assert [one.name for one in seen] == ["data", "data/a"]
    for name in ("fifo", "folder", "gone", "link", "other", "socket"):
        (folder / name).unlink()
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "folder" / "inside").write_text("")
    (folder / "link").symlink_to("/etc/shadow")
    os.link(folder / "a", folder / "other")
    (folder / "renamed.new").rename(folder / "renamed")
    with socket.socket(socket.AF_UNIX) as listening, Folder.at(str(folder)) as held:
        listening.bind(held.inside("socket"))
        found = {one.name: (one.kind, one.stat.st_size) for one in members}
    assert {name.removeprefix("data/"): kind for name, (kind, _) in found.items()} == {
        "fifo": Kind.FIFO, "folder": Kind.FOLDER, "folder/inside": Kind.FILE, "link": Kind.SYMLINK,
        "other": Kind.FILE, "renamed": Kind.FILE,
    }  # fmt: skip
    assert found["data/renamed"][1] == len("another file")
    assert {"data/gone vanished", "data/renamed.new vanished"} <= set(walk.changed)
    assert walk.left_out == ["data/socket is a socket, which cannot be stored"]


def test_the_second_look_finds_what_changed_and_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    (folder / "a" / "deeper").mkdir(parents=True)
    (folder / "b").mkdir()
    (folder / ".dysnomia-0123abcd_7-beside").mkdir()
    for path in (folder / "a/deeper/old", folder / "a/deeper/new", folder / "b/old"):
        path.write_text("x")
    roots = [RootAt("data", str(folder), ""), RootAt("nowhere", str(tmp_path / "nowhere"), "")]
    last = max(path.lstat().st_ctime_ns for path in (folder, *folder.rglob("*")))
    assert changed_since(roots, last) == []
    wait_until(lambda: time.time_ns() - last > 2 * TICK * 1e9)
    (folder / "a/deeper/new").write_text("changed")
    (folder / "b/link").symlink_to("/etc/shadow")
    (folder / ".dysnomia-0123abcd_7-beside" / "x").write_text("a job's own")
    monkeypatch.setattr(os, "pread", None)
    assert sorted(changed_since(roots, last)) == ["data/a/deeper/new", "data/b", "data/b/link"]
    assert len(changed_since(roots, 0)) == 8


def _set_clock(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Have the clock differ from that of the files."""
    monkeypatch.setattr(time, "time_ns", lambda: int(time.clock_gettime_ns(time.CLOCK_REALTIME)) + hours * HOUR)


@pytest.mark.parametrize("hours", [0, -1, -9000])
def test_what_was_written_by_a_clock_that_was_ahead_is_not_being_changed(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    last = max(path.lstat().st_ctime for path in (tmp_path / "srv" / "data").rglob("*"))
    wait_until(lambda: time.time() - last > 2 * TICK)
    _set_clock(monkeypatch, hours)
    assert _dumped(component, tmp_path)[1] == ()


@pytest.mark.parametrize(("first", "then"), [(0, 0), (0, -1), (0, 1), (1, 0), (-1, 0), (-1, -2)])
def test_what_changes_is_seen_though_the_clock_is_set_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, then: int
) -> None:
    """The files' times are of the first clock, the second or neither: they are changed while that is what it shows."""
    _set_clock(monkeypatch, first)
    began = Began()
    _set_clock(monkeypatch, then)
    since, until = began.until_now(own_clock=True)
    for shown in {first, then} if first != then else {first}:
        now = time.clock_gettime_ns(time.CLOCK_REALTIME) + shown * HOUR
        assert since < now
        assert now <= until or (first == then and now - until < 1e9)
    assert began.until_now(own_clock=False)[1] > time.time_ns() * 2
    assert began.until_now(own_clock=True, before=7)[0] <= since - 7 + 1_000_000_000


def test_a_socket_is_left_out_and_said(component: Component, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "srv" / "data" / "sock"))
        _, warnings = _dumped(component, tmp_path)
    assert "data/sock is a socket, which cannot be stored" in warnings


def test_nothing_to_snapshot_is_an_error_and_a_missing_folder_is_said(tmp_path: Path) -> None:
    target = tmp_path / "srv"
    component = fileset_component(tmp_path / "component", target, "mkdir one\nmkdir two\n")
    with pytest.raises(PluginError, match="none of the folders"):
        _dumped(component, tmp_path)
    (target / "one").mkdir(parents=True)
    _, warnings = _dumped(component, tmp_path)
    assert warnings == ("two is not there",)


def test_a_root_that_is_a_link_is_refused(component: Component, tmp_path: Path) -> None:
    data = tmp_path / "srv" / "data"
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PluginError, match="link"):
        _dumped(component, tmp_path)


def test_a_target_folder_that_is_a_link_is_followed(component: Component, tmp_path: Path) -> None:
    (tmp_path / "srv").rename(tmp_path / "disk")
    (tmp_path / "srv").symlink_to(tmp_path / "disk")
    stored, _ = _dumped(component, tmp_path)
    ctx = make_context(component, tmp_path)
    fileset = Fileset()
    before = tree(tmp_path / "disk" / "data")
    (tmp_path / "disk" / "data" / "a").write_text("other")
    fileset.load(ctx, stored, fileset.place(ctx, Purpose.BESIDE))
    fileset.swap(ctx, fileset.place(ctx, Purpose.BESIDE), fileset.place(ctx, Purpose.ASIDE))
    assert tree(tmp_path / "srv" / "data") == before


def test_what_was_set_aside_and_is_written_while_it_is_dumped_stands(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    ctx = make_context(component, tmp_path)
    fileset = Fileset()
    aside = fileset.place(ctx, Purpose.ASIDE)
    fileset.load(ctx, stored, fileset.place(ctx, Purpose.BESIDE))
    fileset.swap(ctx, fileset.place(ctx, Purpose.BESIDE), aside)
    late = Path(aside.name) / "data" / "b"
    _change_while_read(monkeypatch, lambda count: _append(late, b"late") if count == 3 else None)
    with pytest.raises(NotSafe, match="written to"):
        fileset.dump(ctx, aside, TarDraft(tmp_path))
    assert late.read_bytes().endswith(b"late")


def test_a_disk_that_cannot_be_read_fails_and_names_the_file(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(count: int) -> None:
        if count == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    _change_while_read(monkeypatch, broken)
    with pytest.raises(PluginError, match=r"data/\w cannot be read \(Input/output error\)"):
        _dumped(component, tmp_path)


@pytest.mark.skipif(not ROOT, reason="root reads everything")
def test_what_may_not_be_read_fails_and_is_named(component: Component, tmp_path: Path) -> None:
    """A snapshot that lacks a file is none."""
    (tmp_path / "srv" / "data" / "b").chmod(0)
    tmp_path.chmod(0o755)
    passable(tmp_path)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                list(Walk([RootAt("data", str(tmp_path / "srv" / "data"), "")]))
            except PluginError as error:
                status = 0 if "data/b cannot be read" in str(error) and "root" in error.hint else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _append(path: Path, data: bytes) -> None:
    now = time.time_ns()
    with path.open("ab") as file:
        file.write(data)
    while path.stat().st_ctime_ns <= now:  # the kernel's clock for files ticks every 1 to 10 ms
        os.utime(path)
