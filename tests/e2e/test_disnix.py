"""Disnix's acceptance story for the migration of data (its ``tests/datamigration.nix``), step by step.

A coordinator and two targets, each with a store of its own, and the commands with the arguments and the environment
that Disnix's service gives them (``libstatemgmt``). Nix and D-Bus are not run: folders are copied between the machines.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.world import World

WRAPPER = """#!/bin/bash -e
source @prefix@/share/dysnomia/util
composeUtilityVariables wrapper @name@ $3
live=@live@/@name@
case "$1" in
    activate)
        if [ ! -d $live ]; then mkdir -p $live; echo 0 > $live/state; fi
        markComponentAsActive ;;
    deactivate) markComponentAsGarbage ;;
    snapshot)
        tmpdir=$(mktemp -d); cd $tmpdir
        cp $live/state .
        hash=$(cat state | sha256sum); hash=${hash:0:64}
        snapshotsPath=$(composeSnapshotsPath)
        if [ -d $snapshotsPath/$hash ]; then rm -Rf $tmpdir
        else mkdir -p $snapshotsPath/$hash; mv state $snapshotsPath/$hash; rmdir $tmpdir; fi
        createGenerationSymlink $hash ;;
    restore)
        lastSnapshot=$(determineLastSnapshot)
        if [ "$lastSnapshot" != "" ]; then cp $lastSnapshot/state $live; fi ;;
    collect-garbage)
        if componentMarkedAsGarbage; then rm $live/state; rmdir $live; unmarkComponentAsGarbage; fi ;;
esac
"""
FIRST, SECOND = "testService1", "testService2"


class Target(World):
    """A machine of Disnix's: nothing is configured on it; all that is known comes with the call."""

    def prepare(self) -> None:
        (self.root / "live").mkdir(parents=True)
        self.run("dysnomia-tui", "install-modules", str(self.root / "prefix"))
        for name in (FIRST, SECOND):
            wrapper = self.root / "store" / name / "bin" / "wrapper"
            wrapper.parent.mkdir(parents=True)
            text = WRAPPER.replace("@prefix@", str(self.root / "prefix")).replace("@name@", name)
            wrapper.write_text(text.replace("@live@", str(self.root / "live")))
            wrapper.chmod(0o755)

    def activity(self, activity: str, name: str) -> None:
        """As ``run_dysnomia_activity`` and ``lock_or_unlock``: the container's properties are the environment."""
        argv = ["dysnomia", "--type", "wrapper", "--operation", activity]
        if activity in ("lock", "unlock"):
            argv += ["--container", "wrapper", "--component", str(self.root / "store" / name)]
        else:
            argv += ["--component", str(self.root / "store" / name), "--container", "wrapper"]
        environment = {"PATH": f"{self.bin}:{os.defpath}", "DYSNOMIA_STATEDIR": str(self.state), "hostname": "here"}
        done = subprocess.run(
            [str(self.bin / argv[0]), *argv[1:], "--environment"], env=environment, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{activity} of {name}: {done.stdout}{done.stderr}"

    def live(self, name: str) -> str | None:
        """What the state of a service is; None: there is none."""
        file = self.root / "live" / name / "state"
        return file.read_text().strip() if file.exists() else None

    def becomes(self, name: str, text: str) -> None:
        (self.root / "live" / name / "state").write_text(f"{text}\n")

    def snapshots(self, *more: str) -> list[str]:
        return self.run("dysnomia-snapshots", "--query-all", *more).lines


class Network:
    """The coordinator, the two targets, and where each service is deployed."""

    def __init__(self, root: Path) -> None:
        self.coordinator = Target(root / "coordinator")
        self.targets = (Target(root / "testtarget1"), Target(root / "testtarget2"))
        for machine in (self.coordinator, *self.targets):
            machine.prepare()
        self.places: dict[str, Target] = {}

    def copy(self, source: World, to: World, name: str, *, every: bool) -> None:
        """As ``copy_snapshots_to_sync``: one by one, and one that is there is brought into its order again."""
        where = ("--container", "wrapper", "--component", name)
        query = "--query-all" if every else "--query-latest"
        for snapshot in source.run("dysnomia-snapshots", query, *where).lines:
            missing = to.run("dysnomia-snapshots", "--print-missing", snapshot).lines
            (folder,) = (source if missing else to).run("dysnomia-snapshots", "--resolve", snapshot).lines
            if missing:
                arrived = to.root / "arriving" / Path(folder).name
                shutil.copytree(folder, arrived)
                folder = str(arrived)
            to.run("dysnomia-snapshots", "--import", *where, folder)
            shutil.rmtree(to.root / "arriving", ignore_errors=True)

    def snapshot(self, services: Sequence[str] = (FIRST, SECOND), *, depth_first: bool = False) -> None:
        """``disnix-snapshot``: all are taken, then all are copied here; depth first: each is copied at once."""
        for name in services:
            self.places[name].activity("snapshot", name)
            if depth_first:
                self.copy(self.places[name], self.coordinator, name, every=False)
        for name in () if depth_first else services:
            self.copy(self.places[name], self.coordinator, name, every=False)

    def restore(self, services: Sequence[str] = (FIRST, SECOND)) -> None:
        """``disnix-restore --no-upgrade``."""
        for name in services:
            self.copy(self.coordinator, self.places[name], name, every=False)
            self.places[name].activity("restore", name)

    def deploy(self, first: Target, second: Target) -> None:
        """``disnix-env``: lock, take the state of what moves, deactivate, activate, bring the state there, unlock."""
        new = {FIRST: first, SECOND: second}
        moving = [name for name in self.places if self.places[name] is not new[name]]
        for name, target in self.places.items():
            target.activity("lock", name)
        self.snapshot(moving)
        for name in moving:
            self.places[name].activity("deactivate", name)
        for name, target in new.items():
            target.activity("activate", name)
        before, self.places = self.places, new
        self.restore(moving)
        for name, target in before.items():
            target.activity("unlock", name)

    def delete_state(self, first: Target, second: Target, services: Sequence[str] = (FIRST, SECOND)) -> None:
        """``disnix-delete-state`` of the manifest in which the services were there."""
        for name in services:
            {FIRST: first, SECOND: second}[name].activity("collect-garbage", name)

    def clean(self, *more: str) -> None:
        """``disnix-clean-snapshots --keep 0``."""
        for target in self.targets:
            target.run("dysnomia-snapshots", "--gc", "--keep", "0", *more)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def test_state_follows_the_services_of_a_network(network: Network) -> None:
    one, two = network.targets
    coordinator = network.coordinator
    network.deploy(one, two)
    assert (one.live(FIRST), two.live(SECOND)) == ("0", "0"), "1: both machines have state"

    network.delete_state(one, two)
    assert (one.live(FIRST), two.live(SECOND)) == ("0", "0"), "2: what is not garbage is kept"

    one.becomes(FIRST, "1")
    two.becomes(SECOND, "2")
    network.deploy(two, one)
    assert (one.live(SECOND), two.live(FIRST)) == ("2", "1"), "3: the state is where its service is now"

    shutil.rmtree(coordinator.state)
    network.snapshot()
    for number, name in enumerate((FIRST, SECOND), 4):
        found = coordinator.snapshots("--container", "wrapper", "--component", name)
        assert len(found) == 1, f"{number}: one snapshot of {name}"

    assert (one.live(FIRST), two.live(SECOND)) == ("1", "2"), "6: the old state is there until it is deleted"
    network.delete_state(one, two)
    assert (one.live(FIRST), two.live(SECOND)) == (None, None), "7: and gone then"

    network.clean()
    assert one.snapshots("--container", "wrapper", "--component", SECOND) == [], "8: none is left on the first target"
    assert two.snapshots("--container", "wrapper", "--component", FIRST) == [], "9: nor on the second"

    one.becomes(SECOND, "5")
    two.becomes(FIRST, "6")
    network.restore()
    assert (one.live(SECOND), two.live(FIRST)) == ("2", "1"), "10: restored from what the coordinator has"

    network.clean()
    coordinator.run("dysnomia-snapshots", "--gc", "--keep", "0")
    network.snapshot([FIRST])
    (only,) = coordinator.snapshots("--container", "wrapper")
    assert FIRST in only, "11: a snapshot of one service alone"

    network.snapshot()
    one.becomes(SECOND, "5")
    two.becomes(FIRST, "6")
    network.restore([FIRST])
    assert (one.live(SECOND), two.live(FIRST)) == ("5", "1"), "12: one service restored, the other left"

    network.restore()
    network.clean("--component", FIRST)
    assert two.snapshots("--component", FIRST) == [], "13: the snapshots of one service cleaned"
    other = one.snapshots("--component", SECOND)
    (taken,) = coordinator.snapshots("--component", SECOND)
    assert [line == taken for line in other] == [True, False, True], "the other's are kept (and a restore's guard)"

    network.deploy(one, two)
    network.delete_state(two, one, [FIRST])
    states = (one.live(FIRST), one.live(SECOND), two.live(FIRST), two.live(SECOND))
    assert states == ("1", "2", None, "2"), "14: the garbage of one service is gone, of the other not"

    coordinator.run("dysnomia-snapshots", "--gc", "--keep", "0")
    network.clean()
    one.becomes(FIRST, "1")
    network.snapshot(depth_first=True)
    one.becomes(FIRST, "2")
    network.restore()
    assert one.live(FIRST) == "1", "15: depth first"
