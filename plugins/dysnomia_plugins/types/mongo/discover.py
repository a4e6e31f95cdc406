"""What is there: whether a server answers, and which databases it has."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from dysnomia_plugins.base import Found, Listed, ListedState, Probe
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, ToolMissing, WrongCredentials
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.types.mongo.names import check_database
from dysnomia_plugins.types.mongo.places import Spot
from dysnomia_plugins.types.mongo.server import About, Server, version

_CONTAINER = "mongodb"
_ANSWER = 0.5


def probe(server: Server, live: str) -> Probe:
    """Never raises: a server that is down is an answer."""
    spot = Spot.of(live)
    try:
        with server.client() as client:
            exists = spot.exists(client)
            size = spot.size(client) if exists else None
            return Probe(
                up=True, version=version(client), size=size, detail="" if exists else f"there is no database {live} yet"
            )
    except (ServerDown, ToolMissing) as error:
        return Probe(up=False, detail=error.message)
    except PluginError as error:
        return Probe(up=True, detail=error.message, broken=True)


def status(server: Server) -> Status:
    """Whether the server is alone. Raises PluginError."""
    with server.client() as client:
        about = About.of(client)
    what = f"a member of the replica set {about.replica_set}" if about.replica_set else "a server alone"
    return Status(facts=(Fact(f"on {server}, {what}", tone=Tone.DIM),))


def discover(server: Server, type_name: str) -> Iterator[Found]:
    """The databases of the server on the usual port of this machine."""
    try:
        with socket.create_connection((server.host, server.port), _ANSWER):
            pass
    except OSError:
        return
    properties = {"type": type_name}
    try:
        names = names_of_operators(server)
    except WrongCredentials:
        yield Found(type_name, _CONTAINER, "databases", properties, detail=f"on {server}: it asks for an account",
                    readable=False, remedy="set mongoUser and mongoPassword in its container")  # fmt: skip
        return
    except PluginError as error:
        yield Found(type_name, _CONTAINER, "databases", properties, detail=f"on {server}: {error.message}",
                    readable=False, remedy=error.hint)  # fmt: skip
        return
    for name in names:
        yield Found(type_name, _CONTAINER, name, properties, detail=f"on {server}")


def names_of_operators(server: Server) -> list[str]:
    """The databases that are not the server's own. Raises PluginError."""
    with server.client() as client:
        return [name for name in sorted(client.list_database_names()) if _is_operators(name)]


def _is_operators(name: str) -> bool:
    try:
        return bool(check_database(name))
    except NotSafe:
        return False


def list_state(server: Server) -> ListedState:
    """Raises PluginError."""
    names = names_of_operators(server)
    remark = f"the account {server.user!r} may see only some" if server.user else ""
    return ListedState([Listed(name) for name in names], remark=remark)
