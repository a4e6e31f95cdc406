"""Folders with an RDB file, and servers of our own on them: beside live, on a copy, on a scratch place.

A place is a folder ``redisCopiesDir/NAME`` with ``dump.rdb`` in it, which any Redis server of the same version loads.
A server of ours stands in its folder (that is how a later job finds it), is reached by a socket there with a random
password, writes nothing by itself, and dies with the job.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from dysnomia_base.children import is_readable
from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.redis import folders
from dysnomia_plugins.types.redis.programs import PROGRAMS, Program
from dysnomia_plugins.types.redis.resp import Connection, Refused
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.versions import Version

PREFIX = "dysnomia_"
"""Begins the name of what a job makes."""
START_SECONDS = 600.0
"""Within which a server must have loaded its file: they load some 200 MB a second."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Temporary:
    """A server of our own that runs."""

    connection: Connection
    address: str
    """Where live can reach it; ``""`` where it has only its socket."""
    port: int
    password: str
    run: Folder
    """The folder it works in."""


def remove(folder: Path) -> None:
    """Delete a place, and end the servers that stand in it. Idempotent."""
    for process in _servers_in(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(10)
    folders.remove(folder)


def _servers_in(folder: Path) -> Iterator[psutil.Process]:
    """Redis servers whose working folder it is. (psutil kills a process only while it is the one that was found.)"""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith(PROGRAMS) and Path(process.cwd()) in (folder, folder / folders.RUN):
                yield process


@contextmanager
def serving(
    ctx: Context,
    server: Server,
    program: Program,
    folder: Path,
    *,
    databases: int,
    address: str = "",
    keep_expired: bool = False,
    sanitize: bool = False,
) -> Iterator[Temporary]:
    """Run a server of our own on a place.

    Args:
        address: where it listens for live as well; only on its socket without it.
        keep_expired: keys that have expired since stay, so that what it holds is what its file did.
        sanitize: its file comes from elsewhere: everything in it is looked at before it is believed.

    Raises PluginError with the server's own words where it does not start or does not load its file.
    """
    with folders.lent(folder, server.run_as) as run:
        lines = partial(_configuration, address, databases, keep_expired, sanitize)
        yield from _served(ctx, server, program, run, lines, address)


def _served(
    ctx: Context, server: Server, program: Program, run: Folder, lines: Callable[[int, str], list[str]], address: str
) -> Iterator[Temporary]:
    for attempt in range(1, _TRIES + 1):
        port = _free_port(address) if address else 0
        password = secrets.token_hex(24)
        try:
            with _running(ctx, server, program, run, lines(port, password), password) as connection:
                yield Temporary(connection, address, port, password, run)
                return
        except _NotStarted as error:
            if "Address already in use" not in error.message or attempt == _TRIES:
                raise PluginError(error.message, error.hint) from None


class _NotStarted(PluginError):
    """It ended before it was ready."""


def _configuration(
    address: str, databases: int, keep_expired: bool, sanitize: bool, port: int, password: str
) -> list[str]:
    lines = [
        f"port {port}",
        "unixsocket s",
        "unixsocketperm 700",
        f"dbfilename {folders.DUMP}",
        'save ""',
        "appendonly no",
        f"databases {databases}",
        "maxmemory 0",
        "daemonize no",
        'logfile ""',
        "repl-diskless-sync yes",
        "repl-diskless-sync-delay 0",
        "repl-timeout 3600",
        "client-output-buffer-limit replica 0 0 0",
        f"requirepass {password}",
    ]
    if address:
        lines.append(f"bind {address}")
    if keep_expired:  # a replica leaves expired keys alone; its master is not there
        lines += ["replicaof 127.0.0.1 1", "replica-read-only no"]
    if sanitize:
        lines.append("sanitize-dump-payload yes")
    return lines


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(
    ctx: Context, server: Server, program: Program, run: Folder, lines: list[str], password: str
) -> Iterator[Connection]:
    output: deque[str] = deque(maxlen=12)
    # The server holds the other end as long as it lives: its end is seen at once.
    alive, held = os.pipe()
    try:
        with ctx.runner.writing(
            [program.path, "-"],
            user=server.run_as,
            cwd=Path(run.inside(".")),  # it may pass no folder above this one
            pass_fds=(held,),
            on_stdout=lambda line: output.append(line.decode("utf-8", "replace")),
        ) as stdin:
            os.close(held)
            held = -1
            stdin.write("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
            stdin.close()
            connection = _connect(ctx, run, server.run_as, password, alive, output)
            with connection:
                yield connection
                _stop(connection)
    except ProcessFailed as error:
        raise PluginError(f"the temporary server on {run.path} failed ({_reason(output)})", error.hint) from error
    finally:
        os.close(alive)
        if held >= 0:
            os.close(held)


def _connect(
    ctx: Context, run: Folder, run_as: str | None, password: str, alive: int, output: deque[str]
) -> Connection:
    deadline = time.monotonic() + START_SECONDS
    while True:
        ctx.cancel.check()
        try:
            connection = Connection.private(run, run_as, password)
        except (OSError, ServerDown):
            connection = None
        if connection is not None:
            if _ready(connection):
                return connection
            connection.close()
        if is_readable(alive, 0.01 if connection is None else 0.05):
            ctx.cancel.check()
            raise _NotStarted(f"the temporary server on {run.path} did not load its file: {_reason(output)}")
        if time.monotonic() > deadline:
            raise PluginError(f"the temporary server on {run.path} does not come up ({_reason(output)})")


def _ready(connection: Connection) -> bool:
    try:
        connection.call("PING")
        return True
    except Refused as error:
        if error.code != "LOADING":
            raise
    except ServerDown:
        pass  # what it held was not to be loaded; whether it still lives is looked at next
    return False


def _stop(connection: Connection) -> None:
    with contextlib.suppress(PluginError):
        since_7 = Version.of(connection.info("server"), "_").series >= (7, 0)
        connection.call("SHUTDOWN", "NOSAVE", *(("NOW", "FORCE") if since_7 else ()))


def _reason(output: deque[str]) -> str:
    """The server's last words worth repeating."""
    errors = [line.split(" # ", 1)[1] for line in output if " # " in line] or [line for line in output if line.strip()]
    return errors[-1].strip() if errors else "it said nothing"
