"""The programs of Redis and Valkey on this machine: on the PATH, or in the folder that ``redisBinDir`` names."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import ToolMissing
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.versions import REDIS, UNKNOWN, VALKEY, Version

PROGRAMS = ("redis-server", "valkey-server")
CLIENTS = ("redis-cli", "valkey-cli")
_SAID = re.compile(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program."""

    path: str
    version: Version


def fitting(runner: Runner, server: Server, like: Version | None = None) -> Program:
    """The program that runs a server like another one: of its series, else of its product, else any there is.

    What each is tells itself: Debian's valkey-redis-compat calls Valkey ``redis-server``. Raises ToolMissing."""
    programs = [program for name in PROGRAMS if (program := _asked(runner, server, name)) is not None]
    if not programs:
        where = f"in {server.bin_folder}" if server.bin_folder else "installed here"
        raise ToolMissing(
            f"neither redis-server nor valkey-server is {where}",
            "install the package redis-server or valkey-server, or name the folder of its programs in redisBinDir",
        )
    return max(programs, key=lambda one: _likeness(one.version, like))


def _likeness(version: Version, like: Version | None) -> tuple[bool, bool]:
    """For ``max``, which takes the first of equals."""
    wanted = like or UNKNOWN
    return version.same_series(wanted), version.product == wanted.product


def _asked(runner: Runner, server: Server, name: str) -> Program | None:
    path = str(Path(server.bin_folder) / name) if server.bin_folder else name
    try:
        output = runner.run([path, "--version"], timeout=10).stdout.decode("utf-8", "replace")
    except ToolMissing:
        return None
    match = _SAID.search(output)
    return Program(path, Version(VALKEY if match[1] == "Valkey" else REDIS, match[2])) if match else None


def client(server: Server) -> str:
    """The command-line client: Redis' own, or Valkey's where only that one is."""
    folder = server.bin_folder or None
    return next((path for name in CLIENTS if (path := shutil.which(name, path=folder))), CLIENTS[0])
