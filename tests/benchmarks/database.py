"""What benchmarks of databases on a server share: snapshots and loads, each in a process of its own, and its memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from tests.benchmarks.measure import LIMIT_MEMORY, Figure, absolute, memory_of, set_aside, timed


class Server(Protocol):
    """Of the tests."""

    def databases(self) -> set[str]: ...

    def drop(self, database: str) -> None: ...


class Work:
    """Our side of the figures: the database ``bench`` on a server.

    Args:
        folder: where the snapshots go.
        where: the server's socket, or the folder of it.
        kind: the type of the component.
    """

    def __init__(self, server: Server, folder: Path, where: str, kind: str) -> None:
        self._server = server
        self._folder = folder
        self._where = where
        self._kind = kind
        self._jobs = count(1)

    def argv(self, what: str) -> list[str]:
        """The program that does one activity, as a new job."""
        arguments = [what, str(self._folder), self._where, str(next(self._jobs)), self._kind]
        return [sys.executable, "-m", "tests.benchmarks.work", *arguments]

    def snapshot(self) -> float:
        """The seconds of the first snapshot in a store."""
        set_aside(self._folder / "state")
        return timed(lambda: subprocess.run(self.argv("snapshot"), check=True))

    def load(self) -> float:
        """The seconds of a load beside live, which is removed again."""
        before = self._server.databases()
        taken = timed(lambda: subprocess.run(self.argv("load"), check=True))
        for name in self._server.databases() - before:
            self._server.drop(name)
        return taken


def memory(
    argv: Callable[[str], list[str]], folder: Path, title: str, *, leave_out: Sequence[str] = ()
) -> Iterator[Figure]:
    """The most memory of a snapshot and of a load; ``{}`` in the title is which of them."""
    set_aside(folder / "state")
    for what in ("snapshot", "load"):
        process = subprocess.Popen(argv(what), stdout=subprocess.DEVNULL)
        with memory_of(process.pid, leave_out=leave_out) as peak:
            assert process.wait() == 0
        yield absolute(title.format(what), peak[0], LIMIT_MEMORY, "MB")


def unpacked_size(dump: Path) -> str:
    """How large a compressed dump is, in words."""
    counted = subprocess.run(f"zstd -q -dc {dump} | wc -c", shell=True, check=True, capture_output=True)  # noqa: S602
    return f"{int(counted.stdout) / 1e6:.0f} MB"
