"""A server that was stopped for an exchange runs again, whatever else has its database open, and whoever looks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit import stopped_server
from dysnomia_plugins.types.openldap import server as control
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.openldap.world import LdapWorld
from tests.plugins.other_user import needs_root

pytestmark = pytest.mark.server
WORLD = LdapWorld
WRITER = "import sys\nopened = open(sys.argv[1], 'r+b')\nprint(1, flush=True)\nsys.stdin.read()\n"
LOCKER = (
    "import fcntl, sys\nopened = open(sys.argv[1], 'r+b')\nfcntl.lockf(opened, fcntl.LOCK_SH, 1)\n"
    "print(1, flush=True)\nsys.stdin.read()\n"
)
ASKED = (
    "import sys\nfrom dysnomia_plugins.types.openldap.server import holders, unseen\n"
    "print(len(holders(sys.argv[1])), unseen(sys.argv[1]))\n"
)


@contextmanager
def running(program: str, path: Path) -> Iterator[int]:
    """A process that does so to a file until it is left."""
    argv = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


def test_it_is_started_though_another_process_does_not_end(
    world: LdapWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    monkeypatch.setattr(stopped_server, "SECONDS", 5.0)
    with running(WRITER, world.server.folder / "data.mdb"):
        with pytest.raises(PluginError, match="did not stop within"):
            activities.restore(driver.bench(), number)
        assert world.server.running
    world.server.ready()


def test_it_is_started_as_by_hand_and_not_as_a_job_is(world: LdapWorld, driver: Driver) -> None:
    """Its socket is for everybody: one made under a job's umask would be for root alone."""
    world.seed()
    number = driver.snapshot().generation.number
    before = os.umask(0o077)
    try:
        activities.restore(driver.bench(), number)
    finally:
        os.umask(before)
    world.server.ready()
    assert "Umask:\t0022\n" in Path(f"/proc/{world.server.pid}/status").read_text()


def test_what_a_dead_job_has_stopped_is_started_though_another_process_has_it_open(
    world: LdapWorld, driver: Driver
) -> None:
    world.seed()
    folder = str(world.server.folder)
    with running(WRITER, world.server.folder / "data.mdb") as writer, driver.context() as ctx:
        processes = [list(key) for pid in (world.server.pid, writer) if (key := stopped_server.key(pid))]
        start = [str(world.server.home / "start")]
        ctx.journal.step(control.KIND.stop, folder=folder, start=start, unit="", processes=processes)
        world.server.stop()
        control.start_left(ctx)
        assert world.server.running
        assert [name for name, _ in ctx.journal.steps()][-1] == control.KIND.started
    world.server.ready()


def test_one_that_a_dead_job_did_not_come_to_stop_is_not_started_twice(
    world: LdapWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    monkeypatch.setattr(stopped_server, "_SETTLES", 0.2)
    pid = world.server.pid
    with driver.context() as ctx:
        start, processes = [str(world.server.home / "start")], [list(stopped_server.key(pid) or ())]
        ctx.journal.step(
            control.KIND.stop, folder=str(world.server.folder), start=start, unit="", processes=processes
        )  # fmt: skip
        control.start_left(ctx)
    assert world.server.pid == pid
    world.server.ready()


@needs_root
def test_a_server_outside_of_the_namespace_of_processes_is_seen_by_its_lock(tmp_path: Path) -> None:
    """As root in a container sees the host's: by no descriptor."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / name).write_bytes(bytes(8192))
    argv = ["unshare", "--fork", "--pid", "--mount-proc", sys.executable, "-c", ASKED, str(tmp_path)]

    def asked() -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ})
        if "unshare" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with running(LOCKER, tmp_path / "lock.mdb"):
        assert "cannot be seen from here" in asked()
        assert control.unseen(str(tmp_path)) == "", "here it is seen, and only reads"
    assert asked() == "0"
