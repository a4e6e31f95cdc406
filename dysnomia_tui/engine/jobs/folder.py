"""The folder of one job: ``jobs/<id>/``.

plan.json      the plan that runs, as the operator saw it
request.json   who, why, when, and where things are
record         started, ended, recovered: a small preallocated journal, so that a full disk cannot hide an outcome
journal.<n>    of the plan's n-th component: the steps of a swap
events.jsonl   what is happening, for watchers; a line that cannot be written is left out
lock           held by the worker while it lives, and by its children
cancel         there when someone asked it to stop
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dysnomia_base.records import dataclass
from dysnomia_base.whole_file import sync_folder
from dysnomia_store.errors import Corrupt
from dysnomia_store.records import codec as records
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import UnfinishedJob, needs_settling
from dysnomia_tui.engine.errors import Unreadable
from dysnomia_tui.engine.machine.identity import ProcessIdentity
from dysnomia_tui.engine.machine.permissions import share
from dysnomia_tui.engine.plans.plan import Plan

if TYPE_CHECKING:
    from dysnomia_tui.engine.jobs.request import JobRequest

RECORD_BYTES = 32 * 1024
OLD = ".old-"
"""Begins the name of a job's folder that is being removed."""
NEW = ".new-"
"""The same of one that is being made."""
_MOMENT = 60.0
"""Seconds: far longer than it takes from the folder of a new job to its lock."""
T = TypeVar("T")


@dataclass(frozen=True)
class JobFolder:
    """A job by its folder. Making one touches nothing."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    # Reading.

    def plan(self) -> Plan:
        """Raises Unreadable."""
        return self._record("plan.json", Plan.from_json)

    def request(self) -> JobRequest:
        """Raises Unreadable."""
        from dysnomia_tui.engine.jobs.request import JobRequest  # only where a job is read

        return self._record("request.json", JobRequest.from_json)

    def _record(self, name: str, read: Callable[[Mapping[str, Any]], T]) -> T:
        try:
            return read(records.load(records.read_file(self.path / name), name))
        except Corrupt as error:
            raise Unreadable(error.message, error.hint or f"see {self.path}") from error
        except ValueError as error:
            raise Unreadable(f"{name} cannot be read: {error}", f"see {self.path}") from error
        except OSError as error:
            raise Unreadable(f"{name} cannot be read: {error.strerror}", f"see {self.path}") from error

    def record(self) -> FileJournal:
        return FileJournal(self.path / "record")

    def journal(self, index: int) -> FileJournal:
        """The journal of the plan's component ``index``, made where it is not there yet."""
        path = self.path / f"journal.{index}"
        with suppress(FileExistsError):
            return FileJournal.create(path)
        return FileJournal(path)

    def journals(self) -> Iterator[tuple[int, FileJournal]]:
        """The journals that exist, with the index of their component in the plan."""
        try:
            names = [name.removeprefix("journal.") for name in os.listdir(self.path) if name.startswith("journal.")]
        except OSError:
            return
        for number in sorted(int(name) for name in names if is_number(name)):
            yield number, FileJournal(self.path / f"journal.{number}")

    @property
    def held(self) -> bool:
        """Whether the worker, or a child of it, still holds the job's lock. Never waits."""
        try:
            fd = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    @property
    def worker(self) -> ProcessIdentity | None:
        """The worker's process, once it has said who it is."""
        record = self.record().last("worker")
        if not record:
            return None
        return ProcessIdentity(record["pid"], record["start"], record["boot"], record.get("space", ""))

    @property
    def cancel_asked(self) -> bool:
        return (self.path / "cancel").exists()

    # Writing.

    def trim(self) -> None:
        """Give back what an ended job's journals set aside, unless something is left to be put right."""
        for _, journal in self.journals():
            if not needs_settling(UnfinishedJob(self.id, journal)):
                journal.trim()
        self.record().trim()

    def ask_cancel(self, who: str) -> None:
        """Ask the worker to stop. Raises OSError."""
        fd = os.open(self.path / "cancel", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(who)


def create_job(jobs: Path, plan: Plan, request: JobRequest, group: str = "") -> tuple[JobFolder, int]:
    """Make a job's folder, whole before it can be seen, and take its lock.

    Returns the folder and the descriptor of its lock, which the worker is to inherit: from its first moment the job
    is either held by somebody or interrupted. Raises OSError with nothing left behind.
    """
    _sweep(jobs)
    staged = jobs / f"{NEW}{os.getpid()}-{os.urandom(4).hex()}"
    staged.mkdir(mode=0o700)
    try:
        lock = os.open(staged / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _write(staged / "plan.json", json.dumps(plan.to_json()).encode())
            _write(staged / "request.json", json.dumps(request.to_json()).encode())
            _write(staged / "events.jsonl", b"")
            FileJournal.create(staged / "record", RECORD_BYTES).close()
            if group:
                share(staged, group)
            folder = _publish(jobs, staged)
        except BaseException:
            os.close(lock)
            raise
    except BaseException:
        _remove(staged)
        raise
    return folder, lock


def job_numbers(jobs: Path) -> list[int]:
    """The numbers of all jobs, ascending. Empty where there are none, or the folder may not be read."""
    try:
        return sorted(int(name) for name in os.listdir(jobs) if is_number(name))
    except OSError:
        return []


def is_number(name: str) -> bool:
    """Whether a name is a job's number: none that a stray folder of 200 nines could make the next one follow."""
    return name.isascii() and name.isdecimal() and len(name) <= 15 and str(int(name)) == name


def _sweep(jobs: Path) -> None:
    """Remove what a submitter left that was killed before its job could be seen, and what was left of an old job."""
    for name in os.listdir(jobs):
        if name.startswith(OLD) or (name.startswith(NEW) and _left(jobs / name)):
            _remove(jobs / name)


def _left(staged: Path) -> bool:
    """Whether nobody is making this job any more. A number of a process does not tell: where a store is shared with a
    container, or with another machine, it is that of another process, or of none. The lock does; it is there a moment
    after the folder."""
    try:
        if time.time() - staged.stat().st_mtime < _MOMENT:
            return False
        lock = os.open(staged / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    from shutil import rmtree  # a look at the jobs takes no longer than to load it

    rmtree(folder, ignore_errors=True)


def _publish(jobs: Path, staged: Path) -> JobFolder:
    """Give the folder the next number. A rename onto a folder that is there fails, so two never share one."""
    number = max(job_numbers(jobs), default=0) + 1
    while True:
        target = jobs / str(number)
        try:
            staged.rename(target)
        except OSError:
            if not target.exists():
                raise
            number += 1
            continue
        sync_folder(jobs)
        return JobFolder(target)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
