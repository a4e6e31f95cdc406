"""Run inside the tests' own systemd: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.systemd.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import Cancelled
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.systemd.plugin import SystemdUnit
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, UnfinishedJob
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.recover import needs_settling
from dysnomia_tui.engine.component.runner import CancelShield
from tests.plugins.conformance.driver import Mortal, Reporter, Token, in_child

STEPS = 60
"""More than an activation has."""
UNITS = Path("/etc/systemd/system")


class Jobs:
    """Jobs on one component, and those that died."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.component = Component(ComponentKey("units", path.name), path, {})
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
            store=self.store, plugin=SystemdUnit(), component=self.component, job=job, who="tester",
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


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: links, wants, states, accounts."""
    names = os.listdir(component / "etc" / "systemd" / "system")
    units = [name for name in names if "@" not in name]
    states = subprocess.run(
        ["systemctl", "show", "-p", "Id,LoadState,ActiveState", *units], capture_output=True, text=True, check=True
    ).stdout
    support = component / "dysnomia-support"
    users = sorted(path.name for path in (support / "users").glob("*"))
    groups = sorted(path.name for path in (support / "groups").glob("*"))
    return {
        "links": sorted(
            str(path) for path in UNITS.rglob("*") if path.name.lstrip(".").removeprefix("dysnomia.") in names
        ),
        "states": states,
        "users": [name for name in users if _there("passwd", name)],
        "groups": [name for name in groups if _there("group", name)],
    }


def _there(database: str, name: str) -> bool:
    return subprocess.run(["getent", database, name], capture_output=True, check=False).returncode == 0


def killed(jobs: Jobs, at: int, how: str, activity: str) -> bool:
    """Whether an activity died when it was killed at its ``at``-th step or line."""
    reporter = Dying(at) if how == "line" else None
    mortal = (at, how == "after") if how != "line" else (0, False)
    bench = jobs.bench(reporter, mortal)
    died = in_child(lambda: activities.activity(bench, activity))
    assert died in (0, signal.SIGKILL)
    if died:
        jobs.dead.append(bench.job)
    return died != 0


def heals(jobs: Jobs) -> Iterator[Callable[[], None]]:
    """What puts it right, one after the other: the recovery of the job, an activation, a deactivation."""

    def again() -> None:
        jobs.activity("activate")
        assert jobs.bench().active
        jobs.activity("deactivate")

    while True:
        yield jobs.recover
        yield again
        yield lambda: jobs.activity("deactivate")


def main(component: Path) -> None:
    jobs = Jobs(component, Path("/var/tmp/killed"))
    clean = everything(component)
    healing = heals(jobs)
    count = 0
    for how in ("before", "after", "line"):
        for at in range(1, STEPS):
            if not killed(jobs, at, how, "activate"):
                break
            count += 1
            next(healing)()
            if jobs.bench().active:  # it had come to its end, but for the journal's last entry
                jobs.activity("deactivate")
            assert everything(component) == clean, f"after a kill {how} step {at}: {everything(component)}"
        else:
            raise AssertionError("an activation without end")
        jobs.activity("deactivate")
    full = _activated(jobs, component)
    for how in ("line", "before"):
        for at in range(1, STEPS):
            if not killed(jobs, at, how, "deactivate"):
                break
            count += 1
            jobs.activity("activate")
            assert everything(component) == full, f"after a deactivation killed {how} {at}: {everything(component)}"
        jobs.activity("activate")
    _cancelled(jobs, component)
    sys.stdout.write(f"killed {count} times\n")


def _activated(jobs: Jobs, component: Path) -> dict[str, object]:
    jobs.activity("activate")
    return everything(component)


def _cancelled(jobs: Jobs, component: Path) -> None:
    """A cancel in the middle takes everything back too."""
    jobs.activity("deactivate")
    clean = everything(component)
    token = Token()
    reporter = Reporter()
    reporter.on_phase = lambda number: setattr(token, "cancelled", reporter.phases[-1] == "start")
    bench = jobs.bench(reporter)
    shield = CancelShield(token)
    bench = ComponentJob(**{**vars(bench), "runner": ProcessRunner(shield), "cancel": shield})
    try:
        activities.activity(bench, "activate")
    except Cancelled:
        assert everything(component) == clean
        return
    raise AssertionError("it was not cancelled")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
