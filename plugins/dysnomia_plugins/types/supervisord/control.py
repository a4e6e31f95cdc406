"""Talking to supervisord by its own client, which finds the server by its configuration, as Dysnomia's module does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown

MOST = 1 << 20
NOT_THERE = re.compile(r"(?m)^(?:unix|https?):\S+ (?:no such file|refused connection)$")
"""What its client says of the server; of a program that is missing it says nearly the same."""
FAILED = frozenset({"FATAL", "BACKOFF"})
IDLE = frozenset({"FATAL", "STOPPED"})


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord says of one process."""

    name: str
    """``web``, or ``group:web``."""
    state: str
    about: str

    @property
    def group(self) -> str:
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisord."""

    runner: Runner

    def run(self, *words: str) -> str:
        """One call of supervisorctl: what it printed. Raises ServerDown, PluginError where it says that it failed."""
        output, status = self._called(*words)
        failed = [line for line in output.splitlines() if "ERROR" in line]
        if status or failed:
            said = (failed or output.strip().splitlines()[-1:] or [f"status {status}"])[0]
            raise PluginError(f"supervisorctl {words[0]}: {said}", "see the log of supervisord")
        return output

    def _called(self, *words: str) -> tuple[str, int]:
        """What it printed, and its status, which tells of processes as well. Raises ServerDown."""
        output, status = b"", 0
        try:
            with self.runner.reading(("supervisorctl", *words)) as stream:
                output = stream.read(MOST)
        except ProcessFailed as error:
            status = error.status
        text = output.decode("utf-8", "backslashreplace")
        if status and NOT_THERE.search(text):
            raise ServerDown(f"supervisord does not answer: {text.strip()}", "start it")
        return text, status

    def version(self) -> str:
        return self.run("version").strip()

    def states(self, groups: Iterable[str]) -> tuple[ProcessState, ...]:
        """How the processes of groups are. Raises ServerDown."""
        wanted = set(groups)
        output, _ = self._called("status")
        rows = [line.split(None, 2) for line in output.splitlines()]
        told = [ProcessState(row[0], row[1], row[2] if len(row) > 2 else "") for row in rows if len(row) > 1]
        return tuple(one for one in told if one.group in wanted)

    def update(self, groups: Iterable[str]) -> list[str]:
        """Let it read its files again and take over what changed of these groups, and of no others. Returns those that
        it knows. Raises PluginError."""
        read = self.run("reread")
        changed = {line.split(": ")[0] for line in read.splitlines() if ": " in line}
        output, _ = self._called("status")
        running = {line.partition(" ")[0].partition(":")[0] for line in output.splitlines()}
        known = sorted(set(groups) & (changed | running))
        if known:
            self.run("update", *known)
        return known

    def log(self, name: str) -> list[str]:
        """The end of what a process printed."""
        output, status = self._called("tail", "-4000", name)
        return [line for line in output.splitlines() if line.strip()] if not status else []
