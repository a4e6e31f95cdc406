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

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.processes import PROC, RunningProcess
from dysnomia_plugins.toolkit.stopped_server import Holder, Kind
from dysnomia_plugins.types.influx.server import LOCAL, Server

STOP_SETTING, START_SETTING = "influxdbStop", "influxdbStart"
PROGRAM = "influxd"
_PROBE = 5.0


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
        why = _why_not_here(server, pid)
        if why:
            raise NotSafe(f"InfluxDB on {server} cannot be stopped from here: {why}", "only copies can be made")
        folders = [str(diagnostics.get(one, "")) for one in _FOLDERS]
        if not all(folder.startswith("/") for folder in folders):
            raise NotSafe(f"InfluxDB on {server} names folders that are not absolute", "set dir and wal-dir to paths")
        uid, gid = psutil.Process(pid).uids().effective, psutil.Process(pid).gids().effective
        meta, data, wal = map(posixpath.normpath, folders)
        return cls(pid, meta, data, wal, uid, gid)

    def actor(self) -> Actor | None:
        return actor(self.uid, self.gid)


_FOLDERS = (("config-meta", "dir"), ("config-data", "dir"), ("config-data", "wal-dir"))


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
    """How such a server is stopped. A place is its folder of data."""

    def holders(folder: str) -> Sequence[Holder]:
        pids = set(_with_files_in(folder))
        with suppress(PluginError):
            pids.add(Running.of(Server(server.host, server.port, server.user, server.password, _PROBE)).pid)
        return tuple(filter(None, map(Holder.of, sorted(pids))))

    return Kind(
        name="influxdb",
        program=PROGRAM,
        stop_setting=STOP_SETTING,
        start_setting=START_SETTING,
        holders=holders,
        unseen=lambda folder: f"no server is seen that has {folder} open",
        hidden=lambda folder: False,
        of_script="influxdb.service",
    )


def _with_files_in(folder: str) -> list[int]:
    """The processes that have a file below a folder open."""
    inside = folder.rstrip("/") + "/"
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in pids if RunningProcess.of(pid) is not None and _has_open(pid, inside)]


def _has_open(pid: int, inside: str) -> bool:
    folder = f"{PROC}/{pid}/fd"
    with suppress(OSError):
        for number in os.listdir(folder):
            with suppress(OSError):
                if os.readlink(f"{folder}/{number}").startswith(inside):
                    return True
    return False
