"""A fileset of 50,000 files, 400 MB: a first snapshot, one of what did not change, some of a little, and a restore.

Against tar and zstd, and against restic, which are Debian's. Processor time is shown beside: on a machine that does
other work as well it says more than the time it took. Run as a program, this is one activity, as a job has it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from dysnomia_plugins.types.fileset import Fileset
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.memory import keep_memory
from tests.benchmarks.database import memory
from tests.benchmarks.made_tree import FILES, change_files, make_tree
from tests.benchmarks.measure import ROUNDS, Figure, Part, ratio, set_aside, shell
from tests.benchmarks.work import job_in, load

CHANGED = 100
FIRST, RESTORE, SECOND = 1.1, 1.25, 1.0
"""What is to be held, in times of tar with zstd, of tar, and of restic."""


class Spent:
    """The least time and the least processor time of one work, over some rounds."""

    def __init__(self, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
        self._work = work
        self._before = before
        self.wall = self.cpu = float("inf")

    def once(self) -> None:
        self._before()
        used, start = _children(), time.perf_counter()
        self._work()
        self.wall = min(self.wall, time.perf_counter() - start)
        self.cpu = min(self.cpu, _children() - used)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError or CalledProcessError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        size = make_tree(folder / "srv" / "data")
        return _measure(folder, f"{FILES:,} files, {size / 1e6:.0f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, size: str) -> Sequence[Figure]:
    jobs = count(1)
    tar, out = folder / "tar.zst", folder / "out"

    def argv(what: str) -> list[str]:
        return [sys.executable, "-m", "tests.benchmarks.trees", what, str(folder), str(next(jobs))]

    def run(what: str) -> Callable[[], object]:
        return lambda: subprocess.run(argv(what), check=True, stdout=subprocess.DEVNULL)

    def forget() -> None:
        set_aside(folder / "state")

    def empty() -> None:
        set_aside(out)
        out.mkdir()

    def drop() -> None:
        for left in (folder / "srv").glob(".dysnomia-*"):
            set_aside(left.rename(folder / "restored"))

    data = folder / "srv"
    ours = Spent(run("snapshot"), forget)
    theirs = Spent(lambda: shell(f"tar -C {data} -cf - data | zstd -q -T2 -3 >{tar}"))
    figures = [*_both(f"first snapshot of a fileset, {size}", ours, "tar | zstd -T2 -3", theirs, FIRST)]
    ours = Spent(run("load"), drop)
    theirs = Spent(lambda: shell(f"zstd -q -dc {tar} | tar -C {out} -xf -"), empty)
    figures += _both("restore, same, beside live and checked", ours, "zstd -dc | tar -x", theirs, RESTORE)
    drop()
    if shutil.which("restic"):
        environment = _restic(folder)
        ours = Spent(run("snapshot"))
        theirs = Spent(lambda: shell(f"restic -q backup {data}", environment))
        theirs.once()  # its first backup
        theirs.wall = theirs.cpu = float("inf")
        figures += _both("second snapshot, nothing changed", ours, "restic's second backup", theirs, SECOND)
        seeds = count(3)
        ours = Spent(run("snapshot"), lambda: change_files(data / "data", CHANGED, next(seeds)))
        theirs = Spent(lambda: shell(f"restic -q backup {data}", environment))
        figures += _both(f"{CHANGED} files changed", ours, "restic's backup of the same", theirs, SECOND)
        here, there = (_on_disk(path) for path in (folder / "state", folder / "restic"))
        work = f"a first snapshot and {ROUNDS} of {CHANGED} files changed each, on disk"
        limit = f"restic's repository: {there / 1e6:.0f} MB"
        figures.append(Figure(work, f"{here / 1e6:.0f} MB", limit, here / there, SECOND))
    figures += memory(argv, folder, "memory of a {} of it")
    return figures


def _on_disk(folder: Path) -> int:
    return int(
        subprocess.run(["du", "-s", "--block-size=1", folder], check=True, capture_output=True).stdout.split()[0]
    )


def _restic(folder: Path) -> Mapping[str, str]:
    environment = {
        **os.environ, "RESTIC_REPOSITORY": str(folder / "restic"), "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(folder / "cache"),
    }  # fmt: skip
    shell("restic -q init", environment)
    return environment


def _both(work: str, ours: Spent, limit: str, theirs: Spent, hold: float) -> Sequence[Figure]:
    """The time, and the processors' time, which is not held to anything."""
    for _ in range(ROUNDS):
        ours.once()
        theirs.once()
    return [
        ratio(work, ours.wall, limit, theirs.wall, hold),
        ratio(f"{work}: processor time", ours.cpu, limit, theirs.cpu, float("inf")),
    ]


def bench_of(folder: Path, job: str) -> ComponentJob:
    found = job_in(folder, job, Fileset(), {"type": "fileset"})
    (found.component.path / ".dysnomia-fileset").write_text("mkdir data\n")
    (found.component.path / ".dysnomia-targetdir").write_text(f"{folder / 'srv'}\n")
    return found


def main() -> None:
    keep_memory()
    what, folder, job = sys.argv[1:]
    component_job = bench_of(Path(folder), job)
    if what == "snapshot":
        activities.snapshot(component_job)
    else:
        load(component_job)


PARTS = (Part("trees", measure, order=16),)


if __name__ == "__main__":
    main()
