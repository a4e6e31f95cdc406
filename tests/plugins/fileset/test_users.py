"""Programs that have files of a fileset open: they are named, and lose nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Severity
from dysnomia_plugins.toolkit.filesets import dump
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Token
from tests.plugins.fileset.tools import dump_to_tar, make_context
from tests.plugins.fileset.world import FilesetWorld, fileset_component
from tests.waiting import wait_until

KEEPER = """
import os, sys
path, log, mapped = sys.argv[1:]
file = os.open(path, os.O_RDWR | os.O_APPEND)
out = open(log, "a", buffering=1)
n = 0
for line in sys.stdin:
    os.write(file, b"%d\\n" % n)
    out.write(f"{n}\\n")
    n += 1
    print("ok", flush=True)
"""


@pytest.fixture
def component(tmp_path: Path) -> Component:
    folder = tmp_path / "srv" / "data"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / name).write_text(f"content of {name}\n")
    return fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")


class Keeper:
    """A program that opened a file once and writes a line to it when told to."""

    def __init__(self, path: Path, log: Path) -> None:
        log.touch()
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(path), str(log), ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.write()

    def write(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"ok\n"

    def acknowledged(self) -> set[int]:
        return {int(line) for line in self.log.read_text().splitlines()}

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def kept_open(path: Path, log: Path) -> Iterator[Keeper]:
    keeper = Keeper(path, log)
    try:
        yield keeper
    finally:
        keeper.end()


def test_who_uses_files_is_named(component: Component, tmp_path: Path) -> None:
    data = tmp_path / "srv" / "data"
    with kept_open(data / "a", tmp_path / "log") as keeper:
        found = users_of([str(data)])
        assert [(user.pid, user.path, user.writes) for user in found] == [(keeper.process.pid, str(data / "a"), True)]
        probe = Fileset().probe(component, ProcessRunner(Token()))
        assert probe.up
        assert probe.clients == 1
        assert str(keeper.process.pid) in probe.who[0]
        stored = dump_to_tar(component, tmp_path / "dump")
        preflight = Fileset().preflight(make_context(component, tmp_path), stored, replace=True)
        assert any(
            finding.severity is Severity.WARNING and str(keeper.process.pid) in finding.text
            for finding in preflight.findings
        )
    assert users_of([str(data)]) == ()
    reader = subprocess.Popen(["tail", "-f", data / "a"], stdout=subprocess.DEVNULL)
    sitter = subprocess.Popen(["sleep", "600"], cwd=data)
    try:
        shown = wait_until(lambda: found if len(found := users_of([str(data)])) == 2 else ())
        assert {user.pid: (user.writes, user.stands) for user in shown} == {
            reader.pid: (False, False),
            sitter.pid: (False, True),
        }
        assert users_of([str(data)], writers_only=True) == ()
    finally:
        for process in (reader, sitter):
            process.kill()
            process.wait()


def test_a_file_mapped_for_writing_counts_as_written(tmp_path: Path) -> None:
    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    code = (
        "import ctypes, os, sys\nfile = os.open(sys.argv[1], os.O_RDWR)\nlibc = ctypes.CDLL(None)\n"
        "libc.mmap.restype = ctypes.c_void_p\nlibc.mmap(None, ctypes.c_size_t(4096), 3, 1, file, ctypes.c_long(0))\n"
        "os.close(file)\nprint('ok', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ok\n"
        assert str(path) not in [os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()]
        assert [user.pid for user in users_of([str(tmp_path)], writers_only=True)] == [process.pid]
        process.communicate()


def test_a_program_that_keeps_its_file_open_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore, writes to the old file, undo, and the other way round: each acknowledged line is live or in a guard."""
    monkeypatch.setattr(dump, "SETTLE", 0.2)
    with FilesetWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        first = driver.snapshot().generation
        then = world.whole()
        with kept_open(world.path("data/log"), tmp_path / "log") as keeper:
            bench = driver.bench()
            restored = activities.restore(bench, first.number)
            driver.dead.append(bench.job)
            assert world.whole() == then
            assert restored.guard is None, "what was set aside is still written to, so it must stand"
            assert restored.aside
            assert any(str(keeper.process.pid) in warning for warning in restored.warnings)
            keeper.write()
            driver.snapshot()
            keeper.write()
            assert keeper.acknowledged() == {0, 1, 2}
            driver.undo(bench.job)
            keeper.write()
            assert world.written() == keeper.acknowledged() == {0, 1, 2, 3}
        assert driver.left_behind(bench.job) == []


def test_the_guard_is_made_by_the_next_job_once_the_program_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "SETTLE", 0.2)
    with FilesetWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        first = driver.snapshot().generation
        with kept_open(world.path("data/log"), tmp_path / "log") as keeper:
            bench = driver.bench()
            restored = activities.restore(bench, first.number)
            driver.dead.append(bench.job)
            keeper.write()
            acknowledged = keeper.acknowledged()
        driver.snapshot()
        assert restored.guard_number is not None
        copy = driver.restored_elsewhere(restored.guard_number, "guard")
        assert world.written(copy) == acknowledged == {0, 1}
        assert driver.left_behind(bench.job) == []
