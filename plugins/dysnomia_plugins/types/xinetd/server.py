"""The xinetd that runs on this machine: which process it is, on whose word, and the ports at which it listens."""

from __future__ import annotations

import os
import posixpath
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown
from dysnomia_plugins.toolkit.pid_file import read_pid_file
from dysnomia_plugins.toolkit.processes import PROC, RunningProcess
from dysnomia_plugins.types.xinetd.services import Port

SETTING = "xinetdPidFile"
PROGRAM = "xinetd"
LOOK = 0.1
_KINDS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}


@dataclass(frozen=True, slots=True)
class Xinetd:
    """One that runs."""

    process: RunningProcess

    @classmethod
    def of(cls, component: Component) -> Xinetd:
        """The one that the container's pid file names, else the only one there is, root's or ours.

        Raises ServerDown where none runs, NotSafe where the file's word is not enough, PluginError."""
        path = component.prop(SETTING)
        return cls(_named(path) if path else _found())

    def reload(self) -> None:
        """Have it read its configuration again. Raises ServerDown, PluginError."""
        if not self.process.send(signal.SIGHUP):
            raise ServerDown("xinetd has ended", "start it")

    def ports(self) -> frozenset[Port] | None:
        """Where it listens now; None where we may not see that."""
        try:
            connections = psutil.Process(self.process.pid).net_connections("inet")
        except psutil.AccessDenied:
            return None
        except psutil.NoSuchProcess:
            return frozenset()
        return frozenset(
            (_KINDS[one.type], getattr(one.laddr, "port", 0))
            for one in connections
            if one.type in _KINDS and not one.raddr
        )

    def wait(self, reached: Callable[[frozenset[Port]], bool], seconds: float, check: Callable[[], None]) -> bool:
        """Whether its ports come to be so in that time; True as well where they cannot be seen."""
        until = time.monotonic() + seconds
        while (ports := self.ports()) is not None and not reached(ports):
            check()
            if time.monotonic() > until:
                return False
            time.sleep(LOOK)
        return True


def _named(path: str) -> RunningProcess:
    file = read_pid_file(path, SETTING)
    process = file.process if file is not None else None
    if file is None or process is None:
        raise ServerDown(f"no xinetd runs: {path} names no process", f"start it, or correct {SETTING}")
    refusal = file.why_not(process)
    if refusal:
        raise NotSafe(f"{path} {refusal}", "let only root write it")
    return process


def _found() -> RunningProcess:
    processes = list(_processes())
    numbers = {process.pid for process in processes}
    alone = [process for process in processes if _parent(process.pid) not in numbers]
    if not alone:
        raise ServerDown("no xinetd runs", f"start it, or name its file in {SETTING}")
    if len(alone) > 1:
        shown = ", ".join(str(process.pid) for process in alone)
        raise PluginError(f"several xinetd run (processes {shown})", f"name the file of one in {SETTING}")
    return alone[0]


def _processes() -> Iterator[RunningProcess]:
    """Those of this program, root's or ours, in our namespace of processes: nobody else can have one signalled."""
    ours = _namespace("self")
    for entry in os.listdir(PROC):
        process = RunningProcess.of(int(entry)) if entry.isdigit() else None
        if process is None or not process.uids <= {0, os.geteuid()}:
            continue
        if _program(entry) == PROGRAM and _namespace(entry) in (ours, ""):
            yield process


def _program(number: str) -> str:
    """What a process runs; of one that we may not look at what it calls itself, which is enough for looking."""
    try:
        return posixpath.basename(os.readlink(PROC / number / "exe").removesuffix(" (deleted)"))
    except PermissionError:
        with suppress(OSError):
            return (PROC / number / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        pass
    return ""


def _namespace(number: str) -> str:
    try:
        return os.readlink(PROC / number / "ns" / "pid")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0
