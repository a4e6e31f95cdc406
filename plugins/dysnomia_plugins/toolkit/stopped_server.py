"""A server that is stopped for an exchange and started again: by its unit, or as its container says.

The journal says how it is started before it is stopped, so that whoever recovers a dead job starts it. What is special
about a server (who has its files open, what the steps and settings are called) is said once, in a ``Kind``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from dysnomia_plugins.base import Component, Context
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.toolkit.command_words import command_words
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.processes import RunningProcess
from dysnomia_plugins.toolkit.run_records import RunRecords
from dysnomia_plugins.toolkit.units import unit_in, unit_of

SECONDS = 60.0
"""Within which a server must have stopped; or started, and opened its database."""
HIDDEN = "a process that cannot be seen from here (of the host, or of another container) has the database in {} open"
_LOOK = 0.05
_SETTLES = 3.0
"""Seconds within which a server that was told to stop by a command that did not end well begins to."""


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

    @classmethod
    def of(cls, pid: int) -> Holder | None:
        """None where the process has ended."""
        try:
            process = psutil.Process(pid)
            return cls(pid, process.name(), process.username())
        except psutil.Error:
            return None


@dataclass(frozen=True, slots=True)
class Kind:
    """Servers of one kind."""

    name: str
    """Begins the steps in journals, of jobs before an upgrade too: not to be changed."""
    program: str
    """What its processes are called, or how that begins."""
    stop_setting: str
    start_setting: str
    """The properties that say how it is stopped and started."""
    holders: Callable[[str], Sequence[Holder]]
    """The processes that have the database in a folder open for writing."""
    unseen: Callable[[str], str]
    """Why nothing in a folder may be exchanged though no server is seen there; ``""``: nothing is against it."""
    hidden: Callable[[str], bool]
    """Whether a process that cannot be seen has the database in a folder open."""
    of_script: str = ""
    """The unit that is made of an init script of the server's package."""

    @property
    def stop(self) -> str:
        return f"{self.name}-stop"

    @property
    def stopped(self) -> str:
        return f"{self.name}-stopped"

    @property
    def started(self) -> str:
        return f"{self.name}-started"

    @property
    def given_up(self) -> str:
        return f"{self.name}-not-started"


def control(kind: Kind, component: Component, tool_path: str, folder: str, pids: Sequence[int]) -> Control | None:
    """How the server with these processes on the database in a folder is stopped: as the container says, else by its
    systemd unit. None: that is not known. Raises PluginError where the container says half of it."""
    stop, start = (command_words(component, name) for name in (kind.stop_setting, kind.start_setting))
    if bool(stop) != bool(start):
        raise PluginError(
            f"{kind.stop_setting} and {kind.start_setting} belong together, and one is not set", "set both"
        )
    if stop:
        return Control(stop, start, f"{' '.join(stop)}, {' '.join(start)}")
    unit = unit_of(folder, pids, tool_path, kind.of_script)
    if not unit:
        return None
    words = f"systemctl stop and start {unit}"
    return Control(("systemctl", "stop", "--", unit), ("systemctl", "start", "--", unit), words, unit)


def last_time(kind: Kind, folder: str) -> float | None:
    """Seconds that the server was away at the last exchange since this machine was booted; None: not known."""
    value = RunRecords.ours(kind.name).read(folder).get("seconds")
    return float(value) if isinstance(value, (int, float)) else None


@contextmanager
def stopped(kind: Kind, ctx: Context, folder: str) -> Iterator[None]:
    """No server has the database open inside; one that ran before runs again afterwards.

    Raises PluginError: before the body with the server as it was, after it where it does not start again."""
    users = kind.holders(folder)
    if not users:
        obstacle = kind.unseen(folder)
        if obstacle:
            raise NotSafe(obstacle, "run it as root, or stop that first; live is unchanged")
        yield
        return
    how = control(kind, ctx.component, ctx.tool_path, folder, [user.pid for user in users])
    if how is None:
        raise NotSafe(
            f"{users[0]}, and how it is stopped is not known",
            f"stop it, or set {kind.stop_setting} and {kind.start_setting} (words of commands) in its container",
        )
    ctx.cancel.check()
    away = _Away(kind, folder, how.start, how.unit, frozenset(filter(None, (key(user.pid) for user in users))))
    ctx.journal.step(kind.stop, **away.recorded())
    began = time.monotonic()
    try:
        _stop(kind, ctx, how, folder, users)
        yield
    except BaseException:
        _start_again(ctx, away)
        raise
    _start(ctx, away)
    ctx.journal.step(kind.started)
    seconds = time.monotonic() - began
    ctx.progress.log(f"the server was stopped for {seconds:.1f} s")
    try:
        RunRecords.ours(kind.name).write(folder, {"seconds": round(seconds, 2)}, ctx.tag)
    except OSError:
        return


def _stop(kind: Kind, ctx: Context, how: Control, folder: str, users: Sequence[Holder]) -> None:
    """To its end, also where a cancel is asked for meanwhile: a server that is stopping cannot be started yet."""
    ProcessRunner(tool_path=ctx.tool_path).run(how.stop, timeout=SECONDS)
    ctx.journal.step(kind.stopped)
    until = time.monotonic() + SECONDS
    for user in users:
        process = RunningProcess.of(user.pid)
        if process is not None and not process.ended(max(until - time.monotonic(), 0)):
            raise PluginError(f"{user.program} (pid {user.pid}) did not stop within {SECONDS:g} s", "live is unchanged")
    left = kind.holders(folder)
    if left:
        raise PluginError(f"{left[0]}, though the server was stopped", "end it first; live is unchanged")
    if os.geteuid() == 0 and kind.hidden(folder):
        raise NotSafe(f"{HIDDEN.format(folder)}, though the server was stopped", "end it first; live is unchanged")


def key(pid: int) -> tuple[int, int] | None:
    """Of one process of this boot."""
    process = RunningProcess.of(pid)
    return None if process is None else (process.pid, process.started)


@dataclass(frozen=True, slots=True)
class _Away:
    """A server that was to be stopped, as the journal has it."""

    kind: Kind
    folder: str
    start: tuple[str, ...]
    unit: str
    before: frozenset[tuple[int, int]]
    """The processes that had the database open before: numbers, and when they started."""

    @classmethod
    def of(cls, kind: Kind, data: Mapping[str, Any]) -> _Away:
        before = frozenset((int(pid), int(started)) for pid, started in data.get("processes", ()))
        start = tuple(str(word) for word in data["start"])
        return cls(kind, str(data["folder"]), start, str(data.get("unit", "")), before)

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
        while self.before and all(key(pid) == (pid, started) for pid, started in self.before):
            if time.monotonic() > until:
                return True
            time.sleep(_LOOK)
        return False

    def has_started(self) -> bool:
        """Whether a server has the database open that did not before."""
        return any(
            one.program.startswith(self.kind.program) and key(one.pid) not in self.before
            for one in self.kind.holders(self.folder)
        )

    def is_back(self) -> bool:
        """Whether a server that was started since has the database open; or the unit's, which systemd said is started:
        it was never stopped then."""
        return any(
            key(one.pid) not in self.before or (self.unit and unit_in(one.pid) == self.unit)
            for one in self.kind.holders(self.folder)
        )


def _start_again(ctx: Context, away: _Away) -> None:
    """After something failed: that is what is told, not how this ends."""
    try:
        _start(ctx, away)
    except PluginError as error:
        ctx.progress.log(f"{error.message} ({error.hint})")
        ctx.journal.step(away.kind.given_up)
    else:
        ctx.journal.step(away.kind.started)


def _start(ctx: Context, away: _Away) -> None:
    """Also where a cancel is asked for. Raises PluginError where it does not come up.

    It is started whatever is seen: what has the database open may be a server that has yet to end, or none. systemd
    does nothing where the unit runs, and waits where it is stopping. A command of the container's could start a second
    server: it is not given where a server was started since, nor where the stop did not succeed and all run on."""
    if not away.unit and (away.has_started() or (not _was_stopped(away.kind, ctx) and away.never_stopped())):
        return
    hint = f"start it: {' '.join(away.start)}"
    try:
        ProcessRunner(tool_path=ctx.tool_path).follow(away.start, umask=SERVICE_UMASK)
    except ProcessFailed as error:
        raise PluginError(f"the server does not start: {error.message}", hint) from error
    until = time.monotonic() + SECONDS
    while not away.is_back():
        if time.monotonic() > until:
            raise PluginError(f"the server was started and does not open the database in {away.folder}", hint)
        time.sleep(_LOOK)


def _since_stop(kind: Kind, ctx: Context) -> tuple[Mapping[str, Any] | None, Sequence[str]]:
    """What the journal has of the last stop, and the steps after it."""
    begun: Mapping[str, Any] | None = None
    names: list[str] = []
    for name, data in ctx.journal.steps():
        if name == kind.stop:
            begun, names = data, []
        else:
            names.append(name)
    return begun, names


def _was_stopped(kind: Kind, ctx: Context) -> bool:
    return kind.stopped in _since_stop(kind, ctx)[1]


def start_left(kind: Kind, ctx: Context, *, given_up_too: bool = False) -> None:
    """Start the server that a dead job, or one whose exchange failed, has stopped and not started. Idempotent.

    One that does not start is logged: it must not be in the way of an undo.

    Args:
        given_up_too: also one that did not start before, as what was in its way is away now.
    """
    begun, since = _since_stop(kind, ctx)
    if begun is None or kind.started in since or (kind.given_up in since and not given_up_too):
        return
    _start_again(ctx, _Away.of(kind, begun))
