"""The server's process on this machine: which it is, where it keeps its files, and how it is stopped for an exchange.

The server says its number and its folders itself (``SHOW DIAGNOSTICS``). It is believed where a process of that number
runs here that is called ``influxd`` and listens on the port that answered; and all that is done in those folders is
done as the user of that process, so that what it says can lead nobody further than that user.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.processes import PROC, RunningProcess, opened_for_writing
from dysnomia_plugins.toolkit.stopped_server import Holder, Kind
from dysnomia_plugins.types.influx.server import LOCAL, Server

STOP_SETTING, START_SETTING = "influxdbStop", "influxdbStart"
PROGRAM = "influxd"
STEPS = "influxdb"
"""Begins the steps in journals, of jobs before an upgrade too: not to be renamed."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server's process and folders."""

    pid: int
    meta: str
    data: str
    wal: str
    uid: int
    gid: int

    @classmethod
    def of(cls, server: Server) -> Running:
        """Raises PluginError, NotSafe where it is not certain that it runs here."""
        diagnostics = _diagnostics(server)
        pid = diagnostics.get(("system", "PID"))
        if not isinstance(pid, int):
            raise NotSafe(f"InfluxDB on {server} does not say which process it is", "only copies can be made")
        _require_here(server, pid)
        folders = [str(diagnostics.get(one, "")) for one in _FOLDERS]
        if not all(folder.startswith("/") for folder in folders):
            raise NotSafe(f"InfluxDB on {server} names folders that are not absolute", "set dir and wal-dir to paths")
        meta, data, wal = map(posixpath.normpath, folders)
        uid, gid = _user(server, pid, (meta, data, wal))
        return cls(pid, meta, data, wal, uid, gid)

    def actor(self) -> Actor | None:
        return actor(self.uid, self.gid)


_FOLDERS = (("config-meta", "dir"), ("config-data", "dir"), ("config-data", "wal-dir"))


def _user(server: Server, pid: int, folders: Sequence[str]) -> tuple[int, int]:
    """Of the process that the server says it is, as it is now. Raises NotSafe where it is not one user's alone.

    A program that takes on root's rights may have got the port from whom it was started by: it is not believed."""
    process = RunningProcess.of(pid)
    _require_here(server, pid)
    try:
        gid = psutil.Process(pid).gids().effective
        program = os.readlink(f"{PROC}/{pid}/exe").removesuffix(" (deleted)")
    except (psutil.Error, OSError) as error:
        raise NotSafe(f"process {pid} cannot be examined ({type(error).__name__})", "run it as root") from error
    if process is None or not process.is_there:
        raise NotSafe(f"InfluxDB on {server} has ended", "start it")
    if len(process.uids) != 1:
        raise NotSafe(f"process {pid}, on port {server.port}, has the rights of several users", "see what it is")
    uid = min(process.uids)
    if uid == 0:
        _require_roots(pid, program, folders)
    return uid, gid


def _require_roots(pid: int, program: str, folders: Sequence[str]) -> None:
    """Raises NotSafe where a process of root's is another program, or its folders are not root's."""
    if posixpath.basename(program) != PROGRAM:
        raise NotSafe(f"process {pid}, which runs as root, is {program}", f"it must be {PROGRAM}")
    for path in folders:
        try:
            with Folder.at(path) as folder:
                owner = folder.stat().st_uid
        except OSError as error:
            raise NotSafe(f"{path} cannot be opened ({error.strerror})", "only copies can be made") from error
        if owner != 0:
            raise NotSafe(
                f"{path} belongs to {user_in_words(owner)}, and {PROGRAM} (pid {pid}) runs as root",
                f"run {PROGRAM} as that user, or give the folder to root",
            )


def actor(uid: int, gid: int) -> Actor | None:
    """As whom the server's files are worked on. Raises NotSafe where we are neither root nor that user."""
    if os.geteuid() == uid:
        return None
    if os.geteuid() != 0:
        raise NotSafe("the server's files belong to another user", "run it as root, or restore a copy")
    return Actor.of(uid, gid)


def _diagnostics(server: Server) -> Mapping[tuple[str, str], Any]:
    values: dict[tuple[str, str], Any] = {}
    for one in server.query("SHOW DIAGNOSTICS"):
        for row in one.get("values", ()):
            values |= {
                (str(one.get("name")), str(column)): cell for column, cell in zip(one["columns"], row, strict=True)
            }
    return values


def _require_here(server: Server, pid: int) -> None:
    why = _why_not_here(server, pid)
    if why:
        raise NotSafe(f"InfluxDB on {server} cannot be stopped from here: {why}", "only copies can be made")


def _why_not_here(server: Server, pid: int) -> str:
    if server.host not in LOCAL:
        return f"{server.host} is another machine, or may be one"
    try:
        process = psutil.Process(pid)
        if process.name() != PROGRAM:
            return f"process {pid}, which it says it is, is no {PROGRAM} here (it runs in a container?)"
        ports = {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    except psutil.Error as error:
        return f"process {pid}, which it says it is, cannot be examined ({type(error).__name__})"
    return "" if server.port in ports else f"process {pid}, which it says it is, does not listen on port {server.port}"


def kind(server: Server) -> Kind:
    """How such a server is stopped. A place is its folder of data.

    Nobody is asked who has it open: while the server is away, whoever has its port would be told the password."""

    def holders(folder: str) -> Sequence[Holder]:
        pids = {*_with_files_in(folder), *_listening(server, folder)}
        return tuple(filter(None, map(Holder.of, sorted(pids))))

    return Kind(
        name=STEPS,
        program=PROGRAM,
        stop_setting=STOP_SETTING,
        start_setting=START_SETTING,
        holders=holders,
        unseen=lambda folder: f"no server is seen that has {folder} open",
        hidden=lambda folder: False,
        of_script="influxdb.service",
    )


def owner_left(ctx: Context) -> int | None:
    """Who owns the folder of the server that this job has stopped; None where it has stopped none."""
    folders = [str(data["folder"]) for name, data in ctx.journal.steps() if name == f"{STEPS}-stop"]
    try:
        with Folder.at(folders[-1]) as folder:
            return folder.stat().st_uid
    except (IndexError, OSError):
        return None


def _listening(server: Server, folder: str) -> list[int]:
    """The servers of the folder's owner, or root, on this port."""
    try:
        with Folder.at(folder) as opened:
            users = {0, opened.stat().st_uid}
    except OSError:
        return []
    processes = [one for name in os.listdir(PROC) if name.isdigit() and (one := RunningProcess.of(int(name)))]
    return [one.pid for one in processes if one.uids <= users and not _why_not_here(server, one.pid)]


def _with_files_in(folder: str) -> list[int]:
    """The processes that have a file below a folder open for writing."""
    inside = folder.rstrip("/") + "/"
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in pids if RunningProcess.of(pid) is not None and _has_open(pid, inside)]


def _has_open(pid: int, inside: str) -> bool:
    folder = f"{PROC}/{pid}/fd"
    with suppress(OSError):
        for number in os.listdir(folder):
            with suppress(OSError):
                if os.readlink(f"{folder}/{number}").startswith(inside) and opened_for_writing(pid, number):
                    return True
    return False
