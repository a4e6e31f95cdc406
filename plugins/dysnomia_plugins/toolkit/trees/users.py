"""Who has files open below a folder: their writes go to the old files after an exchange, so they are named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass

if TYPE_CHECKING:
    import psutil


@dataclass(frozen=True, slots=True)
class User:
    """A process that uses something below a folder."""

    pid: int
    program: str
    who: str
    path: str
    writes: bool
    """Has it open, or mapped, for writing."""
    stands: bool = False
    """Only its working folder is there."""

    def __str__(self) -> str:
        how = "has its working directory in" if self.stands else "writes" if self.writes else "reads"
        return f"{self.program} (pid {self.pid}, {self.who}) {how} {self.path}"


def users_of(
    folders: Sequence[str],
    *,
    writers_only: bool = False,
    most: int = 50,
    besides: Callable[[str], bool] = lambda path: False,
) -> tuple[User, ...]:
    """Processes with something open below any of the folders, one line a process (its first writing one). Files of
    which ``besides`` says so do not count as written.

    Without root only the caller's own processes can be seen. This process and its parents are left out."""
    import psutil  # late: what looks at a set of files needs none of it

    prefixes = tuple(folder.rstrip("/") + "/" for folder in folders)
    exact = tuple(folder.rstrip("/") for folder in folders)
    own = {os.getpid()}
    users: list[User] = []
    for process in psutil.process_iter():
        if process.pid in own or len(users) >= most:
            continue
        user = _first(process, prefixes, exact, writers_only, besides)
        if user is not None:
            users.append(user)
    return tuple(users)


def _first(
    process: psutil.Process,
    prefixes: tuple[str, ...],
    exact: tuple[str, ...],
    writers_only: bool,
    besides: Callable[[str], bool],
) -> User | None:
    reading: tuple[str, bool] | None = None
    for path, writes in (*_open_files(process.pid), *_mapped(process.pid)):
        if path.startswith(prefixes) or (writes and path in exact):
            if writes and not besides(path):
                return _user(process, path, writes=True)
            reading = reading or (path, False)
    if writers_only:
        return None
    if reading is not None:
        return _user(process, reading[0], writes=False)
    stands = _link(f"/proc/{process.pid}/cwd")
    if stands.startswith(prefixes) or stands in exact:
        return _user(process, stands, writes=False, stands=True)
    return None


def _user(process: psutil.Process, path: str, *, writes: bool, stands: bool = False) -> User | None:
    import psutil

    try:
        return User(process.pid, process.name(), process.username(), path, writes, stands)
    except psutil.Error:
        return None


def _open_files(pid: int) -> Iterator[tuple[str, bool]]:
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        path = _link(f"{folder}/{number}")
        if path.startswith("/") and not path.endswith(" (deleted)"):
            yield path, _writes(pid, number)


def _writes(pid: int, number: str) -> bool:
    from dysnomia_plugins.toolkit.processes import opened_for_writing

    try:
        return opened_for_writing(pid, number)
    except OSError:
        return False


def _mapped(pid: int) -> Iterator[tuple[str, bool]]:
    """Files mapped shared and writable: they are written without being open."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
            for line in file:
                fields = line.rstrip(b"\n").split(None, 5)
                if len(fields) == 6 and b"w" in fields[1] and b"s" in fields[1] and fields[5].startswith(b"/"):
                    yield os.fsdecode(fields[5]), True
    except OSError:
        return


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
