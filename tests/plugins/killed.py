"""An activation or deactivation killed at every step of it, and what heals each: of a type that only deploys.

Run inside a machine of the tests' own, since accounts are made: by a module of the type's tests, as a program.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from dysnomia_plugins.base import Component, Plugin, PropertyValue
from dysnomia_plugins.errors import Cancelled
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, UnfinishedJob
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import needs_settling
from dysnomia_tui.engine.component.runner import CancelShield
from tests.plugins.conformance.driver import Mortal, Reporter, Token, in_child
from tests.waiting import wait_until

STEPS = 60
"""More than an activation has."""

Everything = Callable[[Path], Mapping[str, object]]
"""What an activation of a component could leave."""


class Jobs:
    """Jobs on one component, and those that died."""

    def __init__(
        self, plugin: Plugin, path: Path, folder: Path, properties: Mapping[str, PropertyValue] | None = None
    ) -> None:
        self.plugin = plugin
        self.component = Component(ComponentKey("killed", path.name), path, properties or {})
        self.folder = folder
        folder.mkdir()
        self.store = Store(folder / "state")
        self.dead: list[str] = []
        self._jobs = 0

    def left(self, job: str) -> UnfinishedJob:
        return UnfinishedJob(job, FileJournal(self.folder / job))

    def unsettled(self) -> list[UnfinishedJob]:
        return [left for left in map(self.left, self.dead) if needs_settling(left)]

    def bench(self, reporter: Reporter | None = None, mortal: tuple[int, bool] = (0, False)) -> ComponentJob:
        self._jobs += 1
        job = str(self._jobs)
        FileJournal.create(self.folder / job).close()
        shield = CancelShield(Token())
        return ComponentJob(
            store=self.store, plugin=self.plugin, component=self.component, job=job, who="tester",
            journal=Mortal(self.folder / job, mortal[0], after=mortal[1]), runner=ProcessRunner(shield),
            progress=reporter or Reporter(), cancel=shield, wait=60.0, unsettled=self.unsettled,
        )  # fmt: skip

    def activity(self, name: str) -> None:
        activities.activity(self.bench(), name)

    def recover(self) -> None:
        for left in self.unsettled():
            activities.recover(self.bench(), left)


class Dying(Reporter):
    """Kills its process at the n-th line of the log: between two links, two accounts, two units."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def log(self, line: str) -> None:
        super().log(line)
        if len(self.lines) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def accounts_of(component: Path) -> dict[str, object]:
    """The users and groups that it describes and that are there."""
    support = component / "dysnomia-support"
    users = sorted(path.name for path in (support / "users").glob("*"))
    groups = sorted(path.name for path in (support / "groups").glob("*"))
    return {
        "users": [name for name in users if _there("passwd", name)],
        "groups": [name for name in groups if _there("group", name)],
    }


def programs_of(component: Path) -> list[str]:
    """The programs in its ``bin/`` that run. What one of them has forked is called like it until it becomes another
    program, and does not count."""
    running = {
        one: words for one in psutil.process_iter() if f"/{component.name}/bin/" in " ".join(words := _words(one))
    }
    by_pid = {one.pid: words for one, words in running.items()}
    return sorted(words[-1] for one, words in running.items() if by_pid.get(_parent(one)) != words)


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


def _there(database: str, name: str) -> bool:
    return subprocess.run(["getent", database, name], capture_output=True, check=False).returncode == 0


def _killed(jobs: Jobs, at: int, how: str, activity: str) -> bool:
    """Whether an activity died when it was killed at its ``at``-th step or line."""
    reporter = Dying(at) if how == "line" else None
    mortal = (at, how == "after") if how != "line" else (0, False)
    bench = jobs.bench(reporter, mortal)
    died = in_child(lambda: activities.activity(bench, activity))
    assert died in (0, signal.SIGKILL)
    if died:
        jobs.dead.append(bench.job)
    return died != 0


def _heals(jobs: Jobs) -> Iterator[Callable[[], None]]:
    """What puts it right, one after the other: the recovery of the job, an activation, a deactivation."""

    def again() -> None:
        jobs.activity("activate")
        assert jobs.bench().active
        jobs.activity("deactivate")

    while True:
        yield jobs.recover
        yield again
        yield lambda: jobs.activity("deactivate")


def kill_everywhere(
    plugin: Plugin,
    component: Path,
    everything: Everything,
    *,
    briefly: bool = False,
    phase: str = "start",
    properties: Mapping[str, PropertyValue] | None = None,
    folder: Path = Path("/var/tmp"),
) -> None:
    """Kill both activities at each of their steps and lines, and heal them. Prints how often it was killed; raises
    where anything stayed.

    Args:
        briefly: of an activation right after each step alone, of a deactivation at each line: for a slow server.
        phase: the one in which a cancel comes.
        properties: of the container.
        folder: where the jobs and their store are."""
    jobs = Jobs(plugin, component, folder / f"killed-{plugin.type}", properties)
    clean = everything(component)
    healing = _heals(jobs)
    count = 0
    for how in ("after",) if briefly else ("before", "after", "line"):
        for at in range(1, STEPS):
            if not _killed(jobs, at, how, "activate"):
                break
            count += 1
            next(healing)()
            if jobs.bench().active:  # it had come to its end, but for the journal's last entry
                jobs.activity("deactivate")
            _comes_to(clean, component, everything, f"a kill {how} step {at}")
        else:
            raise AssertionError("an activation without end")
        jobs.activity("deactivate")
    jobs.activity("activate")
    full = wait_until(lambda: _settled(component, everything))
    assert full is not None
    assert full != clean
    for how in ("line",) if briefly else ("line", "before"):
        for at in range(1, STEPS):
            if not _killed(jobs, at, how, "deactivate"):
                break
            count += 1
            jobs.activity("activate")
            _comes_to(full, component, everything, f"a deactivation killed {how} {at}")
        jobs.activity("activate")
    _cancelled(jobs, component, everything, phase)
    sys.stdout.write(f"killed {count} times\n")


def _settled(component: Path, everything: Everything) -> Mapping[str, object] | None:
    """What is there, once two looks agree."""
    first = everything(component)
    return first if everything(component) == first else None


def _comes_to(wanted: Mapping[str, object], component: Path, everything: Everything, after: str) -> None:
    """Waited for, since a program is seen twice for a moment: between a fork in it and what that becomes."""
    try:
        wait_until(lambda: everything(component) == wanted, timeout=10.0)
    except AssertionError as error:
        raise AssertionError(f"after {after}: {everything(component)}, not {wanted}") from error


def _cancelled(jobs: Jobs, component: Path, everything: Everything, phase: str) -> None:
    """A cancel in the middle takes everything back too."""
    jobs.activity("deactivate")
    clean = everything(component)
    token = Token()
    reporter = Reporter()
    reporter.on_phase = lambda number: setattr(token, "cancelled", reporter.phases[-1] == phase)
    bench = jobs.bench(reporter)
    shield = CancelShield(token)
    bench = ComponentJob(**{**vars(bench), "runner": ProcessRunner(shield), "cancel": shield})
    try:
        activities.activity(bench, "activate")
    except Cancelled:
        assert everything(component) == clean
        return
    raise AssertionError("it was not cancelled")
