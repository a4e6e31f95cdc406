"""Which process an activation started, for as long as this boot lasts: what a file with a number alone cannot prove.

The file with a daemon's number may stand in a folder of another user. What is recorded here, in a folder of the
caller's own below ``/run``, is that user's word on nothing: the number and the time at which the process started are
one process. Where there is no record (an activation by bash Dysnomia), the rules of ``toolkit.pid_file`` are left.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.processes import RunningProcess, boot_id

ROOTS = Path("/run")
USERS = Path("/run/user")
INSIDE = Path("dysnomia-tui") / "processes"
MOST = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """A process that was started, by the file that it writes its number to."""

    process: RunningProcess
    mark: str
    """What its environment, and its children's, holds (``plugin.MARK``)."""


class Records:
    """Those of one user. A user without a folder below ``/run`` has none: the kernel lets such a user signal none but
    their own processes."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def ours(cls) -> Records:
        """The caller's."""
        if os.geteuid() == 0:
            return cls(ROOTS / INSIDE)
        own = USERS / str(os.geteuid())
        return cls(own / INSIDE if own.is_dir() else None)

    def of(self, pid_file: str) -> Record | None:
        """What was recorded, where that process runs still."""
        if self._folder is None:
            return None
        try:
            with Folder.at(str(self._folder)) as folder:
                values = json.loads(folder.read_bytes(_name(pid_file), MOST))
            pid, started, mark = int(values["pid"]), int(values["started"]), str(values["mark"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        process = RunningProcess.of(pid)
        if process is None or process.started != started or values.get("boot") != boot_id():
            return None
        return Record(process, mark)

    def write(self, pid_file: str, record: Record, tag: str) -> None:
        """Raises OSError."""
        if self._folder is None:
            return
        values = {"pidFile": pid_file, "pid": record.process.pid, "started": record.process.started,
                  "boot": boot_id(), "mark": record.mark}  # fmt: skip
        with Folder.at(str(self._folder), make=0o700) as folder:
            folder.replace_file(_name(pid_file), json.dumps(values).encode(), tag)

    def forget(self, pid_file: str) -> None:
        """Idempotent. Raises OSError."""
        if self._folder is None or not self._folder.is_dir():
            return
        with Folder.at(str(self._folder)) as folder:
            folder.unlink(_name(pid_file))


def _name(pid_file: str) -> str:
    return hashlib.sha256(os.fsencode(pid_file)).hexdigest()[:32]
