"""A component's daemon: which process it is, on whose word, and how it is ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.pid_file import PidFile, read_pid_file, remove_pid_file
from dysnomia_plugins.toolkit.processes import RunningProcess, with_variable
from dysnomia_plugins.toolkit.started import MARK, end_all
from dysnomia_plugins.types.process.record import Records

PATIENCE = 30.0
"""Seconds that a daemon has for its end once it was asked to."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a daemon now."""

    file: PidFile | None
    processes: tuple[RunningProcess, ...]
    """Those that are the daemon and may be signalled: the one that its file names, and the one that was started."""
    refusal: str = ""
    """Why the process that the file names is not taken for it."""
    mark: str = ""

    @property
    def process(self) -> RunningProcess | None:
        return self.processes[0] if self.processes else None

    @property
    def stale(self) -> bool:
        """Whether the file names a number that no process has."""
        return self.file is not None and RunningProcess.of(self.file.number) is None


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon of one file with a number."""

    pid_file: str
    records: Records

    def look(self, mark: str = "", since: int = 0) -> Found:
        """Find it.

        Args:
            mark, since: of an activation: the processes that have it are its own, whatever their file may say.

        Raises NotSafe, PluginError where the file cannot be read."""
        file = read_pid_file(self.pid_file, "pidFile")
        record = self.records.of(self.pid_file)
        started = [record.process] if record else []
        named = file.process if file else None
        refusal = ""
        if file and named and named not in started:
            refusal = file.why_not(named)
            if refusal and mark and named in set(with_variable(MARK, mark, since)):
                refusal = ""
            if not refusal:
                started.insert(0, named)
        return Found(file, tuple(started), refusal, record.mark if record else "")

    def end(self, say: Callable[[str], None], check: Callable[[], None]) -> None:
        """Ask it to end, and wait until it has. What is left is only said: it is not known what it waits for.

        Raises NotSafe where it is not known to be the daemon, PluginError where it does not end."""
        state = self.look()
        if state.refusal and not state.processes:
            raise NotSafe(
                f"{self.pid_file} {state.refusal}: the process was not stopped",
                "end it yourself if it is the daemon, and remove the file",
            )
        if state.refusal:
            say(f"{self.pid_file} {state.refusal}: the process is not stopped")
        elif not state.processes:
            say(why_none(self.pid_file, state))
        for process in state.processes:
            say(f"end process {process.pid}")
            if process.send(signal.SIGTERM) and not process.ended(PATIENCE, check):
                raise PluginError(
                    f"process {process.pid} still runs {PATIENCE:g} s after SIGTERM",
                    "see what it waits for (ps, strace), end it, then deactivate again",
                )
        self.tidy()
        left = [str(process.pid) for process in with_variable(MARK, state.mark, 0)] if state.mark else []
        if left:
            say(f"processes that it started still run: {', '.join(left)}")

    def tidy(self) -> None:
        """Remove what still says that it runs, once it does not. Raises NotSafe, PluginError, OSError."""
        state = self.look()
        if state.file is not None and state.stale:
            remove_pid_file(state.file)
        if not state.processes:
            self.records.forget(self.pid_file)

    def end_all(self, mark: str, since: int) -> None:
        """End whatever an activation started that failed, at last by force. Raises PluginError."""
        end_all(lambda: self._started(mark, since))
        self.tidy()

    def _started(self, mark: str, since: int) -> Iterator[RunningProcess]:
        """Those that have the mark, and the one in the file: it may have cleaned its environment."""
        seen = set(with_variable(MARK, mark, since))
        yield from seen
        state = self.look(mark, since)
        yield from (process for process in state.processes if process.started >= since and process not in seen)


def why_none(path: str, found: Found) -> str:
    """Why nothing runs, of a daemon that was looked for."""
    if found.file is None:
        return f"{path} does not exist: the process has ended already, or did not write it"
    if not found.file.number:
        return f"{path} holds no process's number"
    if found.stale:
        return f"{path} names process {found.file.number}, which has ended"
    return f"{path} names process {found.file.number}, which has ended: another has that number now"
