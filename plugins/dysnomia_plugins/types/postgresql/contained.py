"""A PostgreSQL server in a container of Docker or Podman: how it is reached, and as whom.

``dockerContainer`` or ``podmanContainer`` names it (see ``toolkit/containers``). Role and password are those that the
official image was given (``POSTGRES_USER``, ``POSTGRES_PASSWORD``, ``POSTGRES_PASSWORD_FILE``), unless the properties
say others; ``postgresqlPort`` is the port inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dysnomia_plugins.base import Runner
from dysnomia_plugins.toolkit.containers.facts import Facts
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.postgresql.tools import newest

if TYPE_CHECKING:
    from dysnomia_plugins.types.postgresql.server import Server

PORT = 5432
PROGRAMS = ("postgres", "postmaster")


def resolved(server: Server, runner: Runner) -> Server:
    """The server as it is reached now. Raises ServerDown where its container does not run, PluginError."""
    container = server.container
    if container is None or server.reached:
        return server
    from dysnomia_plugins.toolkit.containers.reach import client_user, port_inside, reach

    port = port_inside(server.port, PORT, "postgresqlPort")
    reached = reach(container, runner, port, client=lambda facts: _fits(facts, server.bin_folder))
    user = reached.facts.environment.get("POSTGRES_USER") or "postgres"
    password = server.password
    if not (password or server.passfile) and server.user in ("", user):
        password = reached.secret(runner, "POSTGRES_PASSWORD")
    reachable = replace(
        server, container=reached.container, reached=reached, user=server.user or user, password=password
    )
    if not reached.host:
        return replace(reachable, passfile="")
    run_as = "" if reachable.passfile else client_user()
    return replace(reachable, host=reached.host, port=reached.port, run_as=run_as)


def _fits(facts: Facts, folder: str) -> bool:
    """Whether this machine has a pg_dump that is not older than the server, as far as its image tells."""
    ours = newest("pg_dump", folder)
    theirs = facts.environment.get("PG_MAJOR", "").partition(".")[0]
    return ours is not None and (not theirs.isascii() or not theirs.isdigit() or ours >= int(theirs[:4]))


def shell(server: Server, database: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """psql inside the container, as the role that its image was given. Raises PluginError where that does not run."""
    assert server.container is not None
    env = {"PGDATABASE": database}
    env |= {"PGUSER": server.user} if server.user else {}
    env |= {"PGPORT": server.port} if server.port else {}
    env |= {"PGPASSWORD": server.password} if server.password else {}
    start = 'PGUSER="${PGUSER:-${POSTGRES_USER:-postgres}}" exec psql'
    return server.container.in_terminal(ProcessRunner(NeverCancelled()), ["sh", "-c", start], env)
