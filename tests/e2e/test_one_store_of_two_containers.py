"""A store that a machine shares with a container: there a process has another number, or none, and its jobs go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_store.store import Store
from tests.e2e.world import World
from tests.waiting import wait_until

NUMBERED = 'echo 4000000 > /proc/sys/kernel/ns_last_pid; "$@" & wait $!'
APART = ("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", NUMBERED, "sh")
"""Runs a program as in a container, whose processes have numbers that nobody has here."""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a PID namespace")
MODULE = """#!/bin/bash
case $1 in
  activate) touch "$place/begun"; while [ -e "$place/wait" ]; do sleep 0.05; done ;;
  lock) ;;
esac
"""
BUSY = """
import os, sys
from pathlib import Path
from dysnomia_store.store import Store
workspace = Store(Path(sys.argv[1]))._workspace
for number in range(300):
    with workspace.staging("") as base:
        (base / "new").write_text("x")
        os.rename(base / "new", sys.argv[2])
    workspace.republish(Path(sys.argv[1]) / "cache" / "file", b"x")
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "slow").write_text(MODULE)
    (modules / "slow").chmod(0o755)
    made = World(tmp_path, extra={"DYSNOMIA_MODULES_PATH": str(modules)})
    made.container("box", type="slow", place=str(tmp_path))
    made.component("box/one", "README", "")
    return made


def test_a_job_that_runs_there_runs_here_too(world: World) -> None:
    """It was "interrupted: its process died", and ``status`` a warning, for as long as it ran."""
    (world.root / "wait").touch()
    command = world.start("dysnomia", "-o", "activate", "-C", "box", "-c", "one", through=APART)
    wait_until((world.root / "begun").exists)
    (job,) = world.run("dysnomia-tui", "jobs", "--json").json
    assert job["state"] == "running"
    assert "interrupted" not in world.run("dysnomia-tui", "status", status=None).out
    (world.root / "wait").unlink()
    assert command.wait(60) == 0
    (job,) = world.run("dysnomia-tui", "jobs", "--json").json
    assert job["state"] == "done"


def test_what_is_being_made_there_is_not_swept_from_here(world: World, tmp_path: Path) -> None:
    """A hundred jobs that begin there, and as many sweeps of what the dead left, begun here."""
    store = Store(world.state)
    world.run("dysnomia", "-o", "lock", "-C", "box", "-c", "one")
    (tmp_path / "busy.py").write_text(BUSY)
    command = world.start(
        "python", str(tmp_path / "busy.py"), str(world.state), str(tmp_path / "made"), through=APART
    )  # fmt: skip
    while command.poll() is None:
        list(store.sweep(alive=lambda _: True))
    assert command.returncode == 0, command.communicate()[1]
    assert list((world.state / "staging").iterdir()) == []
