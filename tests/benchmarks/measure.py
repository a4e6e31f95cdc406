"""Measuring: wall time in turns, memory of a process with its children, and the table that is printed."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROUNDS = 3
MIB = 1 << 20
LIMIT_MEMORY = 150.0
"""MB a snapshot, a restore or a diff may take."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    work: str
    measured: str
    limit: str
    """What it is compared to, and how long that took in the same run."""
    ratio: float
    hold: float
    unit: str = "x"

    @property
    def held(self) -> bool:
        return self.ratio <= self.hold


@dataclass(frozen=True, slots=True)
class Part:
    """What can be measured by itself: a module in this folder names it in its ``PARTS``, and it is found."""

    name: str
    """For the command line."""
    measure: Callable[[], Sequence[Figure]]
    order: int = 30
    """Where its lines stand in the table: types of state from 10, stores from 40, the diff at 60."""
    by_name: bool = False
    """Whether it is measured only where it is named: it takes long, or much of the disk."""


def ratio(work: str, ours: float, limit: str, theirs: float, hold: float) -> Figure:
    """A figure in times of its limit; both in seconds."""
    return Figure(work, seconds(ours), f"{limit}: {seconds(theirs)}", ours / theirs, hold)


def absolute(work: str, value: float, hold: float, unit: str, note: str = "-") -> Figure:
    """A figure that has a bound of its own."""
    return Figure(work, f"{value:.0f} {unit}", note, value, hold, unit)


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    lines = ["| work | here | compared to | ratio | to hold | |", "| --- | --- | --- | --- | --- | --- |"]
    for figure in figures:
        ratio_text = f"{figure.ratio:.2f} x" if figure.unit == "x" else f"{figure.ratio:.0f} {figure.unit}"
        hold = f"≤ {figure.hold:g} {figure.unit}" if math.isfinite(figure.hold) else "none"
        cells = (figure.work, figure.measured, figure.limit, ratio_text, hold, "" if figure.held else "**over**")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def conditions() -> str:
    """On what it is measured, in a sentence; the load is that of others, before the run."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    processors = len(os.sched_getaffinity(0))
    return (
        f"Measured on {system}, {processors} processors ({_model()}), Python {platform.python_version()},"
        f" load {os.getloadavg()[0]:.1f} before the run."
    )


def _model() -> str:
    names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
             if line.startswith("model name"))  # fmt: skip
    return next(names, platform.machine())


def in_turns(*works: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """The best time of each, run in turns so that a busy moment of the machine meets all alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for held, work in zip(times, works, strict=True):
            held.append(work())
    return [min(held) for held in times]


def set_aside(path: Path) -> None:
    """Make room for a first run: by another name, not by deleting it. ext4 passes over the inodes of files that were
    deleted less than a minute ago (``recently_deleted``), one by one, so that whatever makes files right after would be
    measured with half a millisecond more for each."""
    if path.exists():
        path.rename(path.with_name(f"{path.name}.aside-{time.monotonic_ns()}"))


def timed(work: Callable[[], object]) -> float:
    """Seconds a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def shell(command: str, environment: Mapping[str, str] | None = None) -> float:
    """Seconds a pipe of programs takes; every one must end well."""
    argv = ["bash", "-o", "pipefail", "-ec", command]
    return timed(lambda: subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL))


@contextmanager
def memory_of(pid: int, *, leave_out: Sequence[str] = ()) -> Iterator[list[float]]:
    """The peak, in MB, of what a process and its children take together (shared pages counted once).

    Looking costs time: what is looked at is not to be timed. ``leave_out`` names programs whose memory is not ours.
    """
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], together(pid, leave_out) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def together(pid: int, leave_out: Sequence[str] = ()) -> int:
    """Bytes that a process and its children take now (shared pages counted once)."""
    total = 0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            if process.name() not in leave_out:
                total += process.memory_full_info().pss
        except (psutil.Error, OSError):
            continue
    return total


def cached(paths: Sequence[Path]) -> None:
    """Read files once, so that both sides of a comparison find them in memory."""
    for path in paths:
        with path.open("rb") as file:
            while file.read(MIB):
                pass
