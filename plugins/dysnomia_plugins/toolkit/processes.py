"""Running processes of this machine: the one that a number means now, signals that reach no other, what it writes.

A number alone means nothing for long: it is given out again. With the time at which the process started it is one
process of this boot (proc(5)). A signal goes by a descriptor of the process (pidfd_send_signal(2)), which was looked at
after it was opened: between the look and the signal the number can pass to nobody else.
"""

from __future__ import annotations

import os
import re
import select
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from dysnomia_plugins.errors import PluginError

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK = 100
"""Milliseconds between two looks at whether a cancel was asked for."""
_LOGS = re.compile(r"\.log$|/logs?/")
"""How a file of log is called, so that none of data is shown that is written in the same way."""
_TAIL = 1 << 16
"""Bytes at the end of a file of log that are read."""


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """One process of this boot."""

    pid: int
    started: int
    """When, in clock ticks after the boot."""
    uids: frozenset[int] = field(compare=False)
    """Its real, effective, saved and file system's user."""

    @classmethod
    def of(cls, pid: int) -> RunningProcess | None:
        """The process that has this number now; None where none has, or it has ended and is only not yet reaped."""
        if pid <= 0:
            return None
        try:
            words = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            lines = (PROC / str(pid) / "status").read_bytes().splitlines()
        except OSError:
            return None
        if words[0] in (b"Z", b"X", b"x"):
            return None
        users = next((line.split()[1:5] for line in lines if line.startswith(b"Uid:")), [])
        return cls(pid, int(words[19]), frozenset(map(int, users)))

    @property
    def is_there(self) -> bool:
        """Whether it runs still."""
        now = RunningProcess.of(self.pid)
        return now is not None and now.started == self.started

    @property
    def since(self) -> datetime:
        """When it started, by the clock as it is set now."""
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / _TICKS
        return datetime.fromtimestamp(time.time() - ago, UTC)

    def send(self, number: signal.Signals) -> bool:
        """Send it a signal. False where it has ended. Raises PluginError where we may not."""
        with self._held() as descriptor:
            if descriptor is None:
                return False
            try:
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                return False
            except PermissionError:
                raise PluginError(
                    f"process {self.pid} belongs to another user and was not stopped", "run it as root"
                ) from None
            return True

    def ended(self, seconds: float, check: Callable[[], None] = lambda: None) -> bool:
        """Wait until it has ended, for so many seconds. ``check`` raises Cancelled where that was asked for."""
        until = time.monotonic() + seconds
        with self._held() as descriptor:
            if descriptor is None:
                return True
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            while not poller.poll(_LOOK):
                check()
                if time.monotonic() > until:
                    return False
            return True

    @contextmanager
    def _held(self) -> Iterator[int | None]:
        """A descriptor of this very process; None where it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield descriptor if self.is_there else None
        finally:
            os.close(descriptor)


def now_in_ticks() -> int:
    """The time as processes have theirs: a process that starts from now on has started at this or later."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS)


def boot_id() -> str:
    """What this boot of the machine is called."""
    return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def with_variable(name: str, value: str, since: int) -> Iterator[RunningProcess]:
    """The processes that started then or later (in ticks) with this in their environment: children have it from who
    started them, unless one cleans its environment."""
    wanted = os.fsencode(f"{name}={value}")
    for entry in os.listdir(PROC):
        process = RunningProcess.of(int(entry)) if entry.isdigit() else None
        if process is None or process.started < since or process.pid == os.getpid():
            continue
        with suppress(OSError):  # another user's, or it has ended meanwhile
            if wanted in (PROC / entry / "environ").read_bytes().split(b"\0"):
                yield process


def memory_of(pid: int) -> tuple[int | None, int]:
    """Bytes in memory of a process and all it has started, and how many those are."""
    try:
        main = psutil.Process(pid)
        children = main.children(recursive=True)
        total = int(main.memory_info().rss)
    except psutil.Error:
        return None, 0
    for child in children:
        try:
            total += int(child.memory_info().rss)
        except psutil.Error:
            continue
    return total, len(children)


def log_of(process: RunningProcess, lines: int) -> tuple[list[str], str]:
    """The last lines of the file that a process writes its log to, and that file's name: its standard output or errors,
    else a file of log that it has open for appending. Nothing where there is none, or it may not be read."""
    for descriptor in _logs(process):
        try:
            name = os.readlink(descriptor)
            opened = os.open(descriptor, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:
            continue
        try:
            if stat.S_ISREG(os.fstat(opened).st_mode):
                return last_lines(opened, lines), name
        finally:
            os.close(opened)
    return [], ""


def _logs(process: RunningProcess) -> Iterator[Path]:
    """Its descriptors of regular files that it writes to, the likeliest first."""
    folder = PROC / str(process.pid)
    with suppress(OSError):
        numbers = sorted(map(int, os.listdir(folder / "fd")), key=lambda number: (number not in (1, 2), number))
        for number in numbers:
            with suppress(OSError):
                flags = _flags(process.pid, number)
                path = folder / "fd" / str(number)
                named = number in (1, 2) or _LOGS.search(os.readlink(path))
                writes = flags & (os.O_ACCMODE if number in (1, 2) else os.O_APPEND)
                if named and writes and stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (a descriptor, not a path)
                    yield path


def opened_for_writing(pid: int, number: int | str) -> bool:
    """Whether a process has this descriptor open for writing. Raises OSError where that cannot be seen."""
    return bool(_flags(pid, number) & os.O_ACCMODE)


def _flags(pid: int, number: int | str) -> int:
    about = (PROC / str(pid) / "fdinfo" / str(number)).read_bytes().split()
    return int(about[about.index(b"flags:") + 1], 8)


def last_lines(descriptor: int, lines: int) -> list[str]:
    """The last lines of an open file, of which no more than the end is read."""
    size = os.fstat(descriptor).st_size
    start = max(size - _TAIL, 0)
    text = os.pread(descriptor, _TAIL, start)
    if start:
        text = text.partition(b"\n")[2]
    return [line.decode("utf-8", "backslashreplace") for line in text.splitlines()[-lines:]]
