"""A Redis or Valkey server in a container of Docker or Podman: where it is reached, and by which password.

``dockerContainer`` or ``podmanContainer`` names it (see ``toolkit/containers``). We talk to it ourselves, so it must
have an address that this machine reaches: no program inside could pass on what replication sends. The password is the
one of the container's file, else the one that its command was given (``--requirepass``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from dysnomia_plugins.errors import ServerDown
from dysnomia_plugins.toolkit.containers.reach import reach
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.containers.facts import Facts
    from dysnomia_plugins.types.redis.server import Server

_CLIENT = 'exec "$(command -v redis-cli || command -v valkey-cli)" "$@"'


def resolved(server: Server) -> Server:
    """The server as it is reached now. Raises ServerDown where its container does not run, or has no address that is
    reached from here; PluginError."""
    container = server.container
    if container is None:
        return server
    reached = reach(container, ProcessRunner(NeverCancelled()), server.port, client=lambda _facts: True)
    if not reached.host:
        raise ServerDown(
            f"the server in the {container} does not answer at an address of the container's own that is reached from"
            " this machine",
            "put it on a network of this machine's (bridge), have it listen on all its addresses, or mount the folder"
            " of its socket here and set redisSocket instead of the container",
        )
    return replace(
        server, host=reached.host, port=int(reached.port), password=_password(server, reached.facts), container=None
    )


def _password(server: Server, facts: Facts) -> str:
    if server.password or server.password_file:
        return server.password
    words = facts.words
    return next((value for name, value in pairwise(words) if name == "--requirepass"), "")


def shell(server: Server) -> tuple[Sequence[str], Mapping[str, str]]:
    """The client program inside the container. Raises PluginError where the container does not run."""
    assert server.container is not None
    runner = ProcessRunner(NeverCancelled())
    secret = server.secret() or _password(server, server.container.engine.look(runner, server.container.name))
    user = ["--user", server.user] if server.user else []
    words = ["sh", "-c", _CLIENT, "sh", "-p", str(server.port), *user]
    return server.container.in_terminal(runner, words, {"REDISCLI_AUTH": secret} if secret else {})
