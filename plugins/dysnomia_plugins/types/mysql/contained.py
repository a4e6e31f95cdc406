"""A MariaDB or MySQL server in a container of Docker or Podman: how it is reached, and as whom.

``dockerContainer`` or ``podmanContainer`` names it (see ``toolkit/containers``). Account and password are those that
the official images were given (``MARIADB_ROOT_PASSWORD``, else ``MARIADB_USER`` and ``MARIADB_PASSWORD``; ``MYSQL_…``
too; each also as ``…_FILE``), unless the properties say others; ``mysqlPort`` and ``mysqlSocket`` are those inside.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.containers.facts import Facts
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.containers.reach import Reached
    from dysnomia_plugins.types.mysql.server import Server

PORT = 3306
PROGRAMS = ("mariadbd", "mysqld")
_ROOT = ("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")
_OTHER = ("MARIADB_PASSWORD", "MYSQL_PASSWORD")
_USERS = ("MARIADB_USER", "MYSQL_USER")
_MYSQL_SOCKET = "/var/run/mysqld/mysqld.sock"
"""Where MySQL's own image has it, and its client programs look elsewhere."""


def resolved(server: Server, runner: Runner) -> Server:
    """The server as it is reached now. Raises ServerDown where its container does not run, NotSafe, PluginError."""
    container = server.container
    if container is None or server.reached:
        return server
    from dysnomia_plugins.toolkit.containers.reach import port_inside, reach

    port = port_inside(server.port, PORT, "mysqlPort")
    reached = reach(container, runner, port, client=_fits)
    user, password = server.user, server.password
    if not (password or server.defaults_file):
        user, password = _account(reached, runner, server.user)
    reachable = replace(server, container=reached.container, reached=reached, user=user, password=password)
    if reached.host:
        return replace(reachable, host=reached.host, port=reached.port, socket="")
    if server.defaults_file:
        raise NotSafe(
            f"mysqlDefaultsFile is a file of this machine, and the client programs would run inside the {container}",
            "write mysqlUsername and mysqlPassword instead",
        )
    usual = _MYSQL_SOCKET if "MYSQL_VERSION" in reached.facts.environment else ""
    return replace(reachable, host="", port="", socket=server.socket or usual)


def _fits(_facts: Facts) -> bool:
    """Whether this machine has the client programs."""
    return shutil.which("mariadb-dump") is not None


def _account(reached: Reached, runner: Runner, asked: str) -> tuple[str, str]:
    """Of the accounts that the image was given: the one that is asked for, else root, else the other."""
    named = next((name for one in _USERS if (name := reached.facts.environment.get(one, ""))), "")
    if asked in ("", "root") and ((password := reached.secret(runner, *_ROOT)) or not named):
        return "root", password
    if asked in ("", named):
        return named, reached.secret(runner, *_OTHER)
    return asked, ""


def shell(server: Server, database: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """The client program inside the container, as the account that its image was given.

    Raises PluginError where the container does not run."""
    assert server.container is not None
    env = {"MYSQL_PWD": server.password} if server.password else {}
    start = (
        'if [ -z "$MYSQL_PWD" ] && [ "$1" = root ]; then'
        ' MYSQL_PWD="${MARIADB_ROOT_PASSWORD-$MYSQL_ROOT_PASSWORD}"; export MYSQL_PWD; fi;'
        ' exec "$(command -v mariadb || echo mysql)" --user="$1" --database="$2"'
    )
    words = ["sh", "-c", start, "sh", server.user or "root", database]
    return server.container.in_terminal(ProcessRunner(NeverCancelled()), words, env)
