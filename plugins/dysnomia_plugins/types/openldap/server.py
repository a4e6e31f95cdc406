"""The server that has a database open: who it is, and how it is stopped for an exchange and started again.

The journal says how it is started before it is stopped, so that whoever recovers a dead job starts it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dysnomia_plugins.base import Component, Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.command_words import command_words
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.processes import PROC, RunningProcess
from dysnomia_plugins.toolkit.run_records import RunRecords
from dysnomia_plugins.toolkit.trees.exchange import identity
from dysnomia_plugins.types.openldap.places import LOCK, data_at
from dysnomia_plugins.types.openldap.units import unit_in, unit_of

STOP = "openldap-stop"
STOPPED = "openldap-stopped"
STARTED = "openldap-started"
GIVEN_UP = "openldap-not-started"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
STOP_SETTING, START_SETTING = "ldapStop", "ldapStart"
_RECORDS = "openldap"
_SECONDS = 60.0
"""Within which a server must have stopped; or started, and opened its database."""
_LOOK = 0.05
_SETTLES = 3.0
"""Seconds within which a server that was told to stop by a command that did not end well begins to."""
_HIDDEN = "a process that cannot be seen from here (of the host, or of another container) has the database in {} open"
_FLOCK = "@hhqqi0q"
"""``struct flock`` of Linux: type, whence, start, length, process."""


@dataclass(frozen=True, slots=True)
class Control:
    """How a server is stopped and started."""

    stop: tuple[str, ...]
    start: tuple[str, ...]
    words: str
    """For the plan."""
    unit: str = ""
    """The systemd unit, where it is one."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a database open for writing."""

    pid: int
    program: str
    who: str

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid}, {self.who}) has the database open"


def holders(folder: str) -> Sequence[Holder]:
    """Processes that have a place's database open for writing, whatever they call it (in a container, or since it was
    exchanged). Without root, only the caller's own are seen."""
    file = identity(data_at(Place(folder)))
    if file is None:
        return ()
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    return tuple(filter(None, (_holder(pid) for pid in pids if _writes(pid, file))))


def in_use(folder: str) -> bool:
    """Whether anybody has a place's database open, whoever that is. Raises PluginError where that cannot be seen."""
    return _locked_by(folder) is not None


def hidden(folder: str) -> bool:
    """Whether a process has a place's database open that cannot be seen from here: of another process namespace, as of
    the host seen from a container. Raises PluginError."""
    try:
        with Folder.at(folder) as opened:
            seen = opened.seen(LOCK)
    except (FileNotFoundError, LinkInTheWay):
        return False
    except OSError as error:
        raise NotSafe(f"{folder} cannot be opened ({error.strerror})", "run it as root") from error
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return False
    pid = _locked_by(folder)
    return pid is not None and not (pid > 0 and (PROC / str(pid)).exists())


def _locked_by(folder: str) -> int | None:
    """A process that has a place's database open, 0 for one of another namespace: LMDB holds a lock on the first byte
    of its table of readers as long (``mdb_env_setup_locks``). Raises PluginError."""
    try:
        with Folder.at(folder) as opened, opened.file(LOCK) as descriptor:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            lock = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotSafe(
            f"it cannot be seen whether a server has the database in {folder} open ({error.strerror})", "run it as root"
        ) from error
    return None if int(lock[0]) == fcntl.F_UNLCK else int(lock[4])


def unseen(folder: str) -> str:
    """Why nothing in a folder may be exchanged though no server is seen there; ``""`` where nothing is against it.

    Root sees every process of its namespace; others only their own. Raises PluginError."""
    if os.geteuid() == 0:
        return _HIDDEN.format(folder) if hidden(folder) else ""
    try:
        with Folder.at(folder) as opened:
            owner = opened.stat().st_uid
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise NotSafe(f"{folder} cannot be opened ({error.strerror})", "run it as root") from error
    if owner != os.geteuid():
        return f"{folder} belongs to {user_in_words(owner)}, whose server could not open what you load"
    if not in_use(folder):
        return ""
    return f"a process of another user has the database in {folder} open"


def _writes(pid: int, file: tuple[int, int]) -> bool:
    folder = f"{PROC}/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return False
    for number in numbers:
        try:
            seen = os.stat(f"{folder}/{number}")  # noqa: PTH116 (a descriptor, not a path)
            if (seen.st_dev, seen.st_ino) == file and _for_writing(f"{PROC}/{pid}/fdinfo/{number}"):
                return True
        except OSError:
            continue
    return False


def _for_writing(path: str) -> bool:
    """From the octal ``flags:`` of ``fdinfo``."""
    lines = Path(path).read_bytes().splitlines()
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith(b"flags:")), 0)
    return bool(flags & (os.O_WRONLY | os.O_RDWR))


def _holder(pid: int) -> Holder | None:
    try:
        process = psutil.Process(pid)
        return Holder(pid, process.name(), process.username())
    except psutil.Error:
        return None


def control(component: Component, tool_path: str, folder: str, pids: Sequence[int]) -> Control | None:
    """How the server with these processes on the database in a folder is stopped: as the container says, else by its
    systemd unit. None: that is not known. Raises PluginError where the container says half of it."""
    stop, start = (command_words(component, name) for name in (STOP_SETTING, START_SETTING))
    if bool(stop) != bool(start):
        raise PluginError(f"{STOP_SETTING} and {START_SETTING} belong together, and one is not set", "set both")
    if stop:
        return Control(stop, start, f"{' '.join(stop)}, {' '.join(start)}")
    unit = unit_of(folder, pids, tool_path)
    if not unit:
        return None
    words = f"systemctl stop and start {unit}"
    return Control(("systemctl", "stop", "--", unit), ("systemctl", "start", "--", unit), words, unit)


def last_time(folder: str) -> float | None:
    """Seconds that the server was away at the last exchange since this machine was booted; None: not known."""
    value = RunRecords.ours(_RECORDS).read(folder).get("seconds")
    return float(value) if isinstance(value, (int, float)) else None


@contextmanager
def stopped(ctx: Context, folder: str) -> Iterator[None]:
    """No server has the database open inside; one that ran before runs again afterwards.

    Raises PluginError: before the body with the server as it was, after it where it does not start again."""
    users = holders(folder)
    if not users:
        obstacle = unseen(folder)
        if obstacle:
            raise NotSafe(obstacle, "run it as root, or stop that first; live is unchanged")
        yield
        return
    how = control(ctx.component, ctx.tool_path, folder, [user.pid for user in users])
    if how is None:
        raise NotSafe(
            f"{users[0]}, and how it is stopped is not known",
            f"stop it, or set {STOP_SETTING} and {START_SETTING} (words of commands) in its container",
        )
    ctx.cancel.check()
    away = _Away(folder, how.start, how.unit, frozenset(filter(None, (_key(user.pid) for user in users))))
    ctx.journal.step(STOP, **away.recorded())
    began = time.monotonic()
    try:
        _stop(ctx, how, folder, users)
        yield
    except BaseException:
        _start_again(ctx, away)
        raise
    _start(ctx, away)
    ctx.journal.step(STARTED)
    seconds = time.monotonic() - began
    ctx.progress.log(f"the server was stopped for {seconds:.1f} s")
    try:
        RunRecords.ours(_RECORDS).write(folder, {"seconds": round(seconds, 2)}, ctx.tag)
    except OSError:
        return


def _stop(ctx: Context, how: Control, folder: str, users: Sequence[Holder]) -> None:
    """To its end, also where a cancel is asked for meanwhile: a server that is stopping cannot be started yet."""
    ProcessRunner(tool_path=ctx.tool_path).run(how.stop, timeout=_SECONDS)
    ctx.journal.step(STOPPED)
    until = time.monotonic() + _SECONDS
    for user in users:
        process = RunningProcess.of(user.pid)
        if process is not None and not process.ended(max(until - time.monotonic(), 0)):
            raise PluginError(
                f"{user.program} (pid {user.pid}) did not stop within {_SECONDS:g} s", "live is unchanged"
            )
    left = holders(folder)
    if left:
        raise PluginError(f"{left[0]}, though the server was stopped", "end it first; live is unchanged")
    if os.geteuid() == 0 and hidden(folder):
        raise NotSafe(f"{_HIDDEN.format(folder)}, though the server was stopped", "end it first; live is unchanged")


def _key(pid: int) -> tuple[int, int] | None:
    """Of one process of this boot."""
    process = RunningProcess.of(pid)
    return None if process is None else (process.pid, process.started)


@dataclass(frozen=True, slots=True)
class _Away:
    """A server that was to be stopped, as the journal has it."""

    folder: str
    start: tuple[str, ...]
    unit: str
    before: frozenset[tuple[int, int]]
    """The processes that had the database open before: numbers, and when they started."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> _Away:
        before = frozenset((int(pid), int(started)) for pid, started in data.get("processes", ()))
        start = tuple(str(word) for word in data["start"])
        return cls(str(data["folder"]), start, str(data.get("unit", "")), before)

    def recorded(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "start": list(self.start),
            "unit": self.unit,
            "processes": sorted(map(list, self.before)),
        }

    def never_stopped(self) -> bool:
        """Whether all that had the database open still have, and go on to."""
        until = time.monotonic() + _SETTLES
        while self.before and all(_key(pid) == (pid, started) for pid, started in self.before):
            if time.monotonic() > until:
                return True
            time.sleep(_LOOK)
        return False

    def has_started(self) -> bool:
        """Whether a server has the database open that did not before."""
        return any(one.program.startswith("slapd") and _key(one.pid) not in self.before for one in holders(self.folder))

    def is_back(self) -> bool:
        """Whether a server that was started since has the database open; or the unit's, which systemd said is started:
        it was never stopped then."""
        return any(
            _key(one.pid) not in self.before or (self.unit and unit_in(one.pid) == self.unit)
            for one in holders(self.folder)
        )


def _start_again(ctx: Context, away: _Away) -> None:
    """After something failed: that is what is told, not how this ends."""
    try:
        _start(ctx, away)
    except PluginError as error:
        ctx.progress.log(f"{error.message} ({error.hint})")
        ctx.journal.step(GIVEN_UP)
    else:
        ctx.journal.step(STARTED)


def _start(ctx: Context, away: _Away) -> None:
    """Also where a cancel is asked for. Raises PluginError where it does not come up.

    It is started whatever is seen: what has the database open may be a server that has yet to end, or none. systemd
    does nothing where the unit runs, and waits where it is stopping. A command of the container's could start a second
    server: it is not given where a server was started since, nor where the stop did not succeed and all run on."""
    if not away.unit and (away.has_started() or (not _was_stopped(ctx) and away.never_stopped())):
        return
    hint = f"start it: {' '.join(away.start)}"
    try:
        ProcessRunner(tool_path=ctx.tool_path).follow(away.start)
    except ProcessFailed as error:
        raise PluginError(f"the server does not start: {error.message}", hint) from error
    until = time.monotonic() + _SECONDS
    while not away.is_back():
        if time.monotonic() > until:
            raise PluginError(f"the server was started and does not open the database in {away.folder}", hint)
        time.sleep(_LOOK)


def _since_stop(ctx: Context) -> tuple[Mapping[str, Any] | None, Sequence[str]]:
    """What the journal has of the last stop, and the steps after it."""
    begun: Mapping[str, Any] | None = None
    names: list[str] = []
    for name, data in ctx.journal.steps():
        if name == STOP:
            begun, names = data, []
        else:
            names.append(name)
    return begun, names


def _was_stopped(ctx: Context) -> bool:
    return STOPPED in _since_stop(ctx)[1]


def start_left(ctx: Context) -> None:
    """Start the server that a dead job, or one whose exchange failed, has stopped and not started. Idempotent.

    One that does not start is logged: it must not be in the way of an undo."""
    begun, since = _since_stop(ctx)
    if begun is None or STARTED in since or GIVEN_UP in since:
        return
    _start_again(ctx, _Away.of(begun))
