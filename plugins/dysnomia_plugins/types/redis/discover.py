"""What is there: is the server up, who is connected, and which servers run on this machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dysnomia_plugins.base import Found, Probe, PropertyValue, Runner
from dysnomia_plugins.errors import PluginError, WrongCredentials
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.containers.find import found
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.toolkit.servers import down
from dysnomia_plugins.types.redis.programs import PROGRAMS
from dysnomia_plugins.types.redis.resp import Connection, Refused
from dysnomia_plugins.types.redis.server import PORT, Server
from dysnomia_plugins.types.redis.server_info import keyspace
from dysnomia_plugins.types.redis.temporary_server import PREFIX
from dysnomia_plugins.types.redis.versions import Version

SECONDS = 1.5
"""Within which a probe has its answer."""
_MOST = 100
_TITLE = re.compile(r"\S*(?:redis|valkey)-server (?:unixsocket:(?P<socket>/\S+)|(?P<host>\S+):(?P<port>\d+))")
_TYPE = "redis-database"
COMPONENT = "data"
"""What the one component of a server is called, where nobody names it."""


def probe(server: Server) -> Probe:
    """Never raises: a server that is down is an answer."""
    try:
        with Connection.open(server, limit=SECONDS) as connection:
            info = connection.info()
            who = _who(connection)
    except Refused as error:
        return Probe(up=error.code == "LOADING", detail=error.message)
    except PluginError as error:
        return down(error)
    counts_of_databases = keyspace(info)
    keys = sum(counts.keys for counts in counts_of_databases.values())
    role = "" if info.get("role") == "master" else f", a replica of {info.get('master_host')}:{info.get('master_port')}"
    loading = ", still loading" if info.get("loading") == "1" else ""
    databases = f" in {len(counts_of_databases)} databases" if len(counts_of_databases) > 1 else ""
    return Probe(
        up=True,
        version=Version.of(info, "_").number,
        size=int(info["used_memory"]) if "used_memory" in info else None,
        clients=len(who) if who is not None else max(0, int(info.get("connected_clients", 1)) - 1),
        who=tuple(who or ()),
        detail=f"{keys:,} key{'s' if keys != 1 else ''}{databases}{role}{loading}",
    )


def _who(connection: Connection) -> list[str] | None:
    """The clients but ourselves, a line each; None where we may not see them."""
    try:
        own = connection.call("CLIENT", "ID")
        answer = connection.call("CLIENT", "LIST")
    except Refused:
        return None
    lines = answer.decode("utf-8", "replace").splitlines() if isinstance(answer, bytes) else []
    fields = [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in lines]
    return [_client(one) for one in fields if one.get("id") != str(own)][:_MOST]


def _client(one: dict[str, str]) -> str:
    name = f" ({one['name']})" if one.get("name") else ""
    where = "this machine" if "/" in one.get("addr", "") or one.get("addr", "").startswith("127.") else one.get("addr")
    return f"{one.get('user', 'default')} from {where}{name}, connected {one.get('age')} s, last {one.get('cmd')}"


@dataclass(frozen=True, slots=True)
class Running:
    """A server's process."""

    socket: str
    host: str
    port: int
    owner: str


def discover() -> Iterator[Found]:
    """Every server that runs here, but for those of a job."""
    taken: set[str] = set()
    for one in sorted(set(running()), key=lambda one: (one.port != PORT, one.port, one.socket)):
        name = "redis" if one.port == PORT else f"redis-{one.port or _slug(one.socket)}"
        while name in taken:
            name += "-2"
        taken.add(name)
        yield _found(one, name)


def in_containers(runner: Runner, engines: Iterable[Engine] | None = None) -> Iterator[Found]:
    """Every server in a container of Docker or Podman."""
    for one in found(runner, PORT, *PROGRAMS, among=engines):
        properties: dict[str, PropertyValue] = {"type": _TYPE, **one.properties}
        try:
            with Connection.open(Server.from_properties(properties), limit=SECONDS) as connection:
                info = connection.info()
        except PluginError as error:
            yield one.refused(properties, "a Redis server", error)
            continue
        keys = sum(counts.keys for counts in keyspace(info).values())
        yield Found(
            type=_TYPE,
            container=one.container,
            component=COMPONENT,
            properties=properties,
            size=int(info["used_memory"]),
            detail=f"{Version.of(info, '_')}, {keys:,} keys, {one.where}",
        )


def running() -> Iterator[Running]:
    """From the titles that servers give to their processes; where a title says something else (proc-title-template),
    from what a program of that name listens on."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            title = " ".join(process.cmdline()).strip()
            match = _TITLE.match(title)
            if (match is None and process.name() not in PROGRAMS) or "[sentinel]" in title or _is_elsewhere(process):
                continue
            if match is not None:
                socket, host, port = match["socket"] or "", match["host"] or "", int(match["port"] or 0)
            else:
                socket, host, port = _listening(process)
            if socket or port:
                yield Running(socket, _address(host), port, process.username())


def _listening(process: psutil.Process) -> tuple[str, str, int]:
    """Socket, or address and port; neither for a server whose socket is below its own folder. Raises psutil.Error."""
    for one in process.net_connections("inet"):
        if one.status == psutil.CONN_LISTEN:
            return "", one.laddr.ip, one.laddr.port
    paths = sorted(str(one.laddr) for one in process.net_connections("unix") if str(one.laddr).startswith("/"))
    return (paths[0] if paths else ""), "", 0


def _is_elsewhere(process: psutil.Process) -> bool:
    """Whether it is a job's, or its address is that of a container and not this machine's."""
    return is_contained(process.pid) or _is_a_jobs(process)


def _is_a_jobs(process: psutil.Process) -> bool:
    try:
        folder = Path(process.cwd())
        return folder.name.startswith(PREFIX) or folder.parent.name.startswith(PREFIX)
    except psutil.AccessDenied:
        return False


def _address(bound: str) -> str:
    return "127.0.0.1" if bound in ("*", "0.0.0.0", "::", "[::]", "-::*") else bound.strip("[]")


def _slug(text: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in text).strip("-")


def _found(one: Running, container: str) -> Found:
    properties: dict[str, PropertyValue] = {"type": _TYPE}
    if one.socket:
        properties["redisSocket"] = one.socket
    else:
        if one.host != "127.0.0.1":
            properties["redisHost"] = one.host
        properties["redisPort"] = str(one.port)
    size: int | None = None
    detail, readable, remedy = f"run by {one.owner}", True, ""
    try:
        with Connection.open(Server.from_properties(properties), limit=SECONDS) as connection:
            info = connection.info()
        size = int(info["used_memory"])
        keys = sum(counts.keys for counts in keyspace(info).values())
        detail = f"{Version.of(info, '_')}, {keys:,} keys, {detail}"
    except WrongCredentials:
        detail += "; it asks for a password: set redisPassword in the container's file"
    except PluginError as error:
        detail, readable, remedy = f"{detail}; {error.message}", False, "sudo dysnomia-tui"
    return Found(
        type=_TYPE,
        container=container,
        component=COMPONENT,
        properties=properties,
        size=size,
        detail=detail,
        readable=readable,
        remedy=remedy,
    )
