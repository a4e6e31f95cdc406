"""Which process an activation started, for as long as this boot lasts: what a file with a number alone cannot prove.

The file with a daemon's number may stand in a folder of another user. What is recorded here is that user's word on
nothing: the number and the time at which the process started are one process. Where there is no record (an activation
by bash Dysnomia), the rules of ``toolkit.pid_file`` are left. A user without a folder below ``/run`` needs none: the
kernel lets such a user signal none but their own processes.
"""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_plugins.toolkit.processes import RunningProcess, boot_id
from dysnomia_plugins.toolkit.run_records import RunRecords


@dataclass(frozen=True, slots=True)
class Record:
    """A process that was started, by the file that it writes its number to."""

    process: RunningProcess
    mark: str
    """What its environment, and its children's, holds (``plugin.MARK``)."""


class Records:
    """Those of one user."""

    def __init__(self, notes: RunRecords) -> None:
        self._notes = notes

    @classmethod
    def ours(cls) -> Records:
        """The caller's."""
        return cls(RunRecords.ours("processes"))

    def of(self, pid_file: str) -> Record | None:
        """What was recorded, where that process runs still."""
        values = self._notes.read(pid_file)
        try:
            pid, started, mark = int(values["pid"]), int(values["started"]), str(values["mark"])
        except (ValueError, KeyError, TypeError):
            return None
        process = RunningProcess.of(pid)
        if process is None or process.started != started or values.get("boot") != boot_id():
            return None
        return Record(process, mark)

    def write(self, pid_file: str, record: Record, tag: str) -> None:
        """Raises OSError."""
        values = {"pidFile": pid_file, "pid": record.process.pid, "started": record.process.started,
                  "boot": boot_id(), "mark": record.mark}  # fmt: skip
        self._notes.write(pid_file, values, tag)

    def forget(self, pid_file: str) -> None:
        """Idempotent. Raises OSError."""
        self._notes.forget(pid_file)
