"""What is there: whether a server answers, and which databases it has."""

from __future__ import annotations

from collections.abc import Iterator

from dysnomia_plugins.base import Found, Listed, ListedState, Probe
from dysnomia_plugins.errors import PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.processes import RunningProcess
from dysnomia_plugins.types.influx import databases
from dysnomia_plugins.types.influx.running import Running
from dysnomia_plugins.types.influx.server import Server

TYPE = "influx-database"
_CONTAINER = "influxdb"
_ANSWER = 0.5


def probe(server: Server, live: str) -> Probe:
    """Never raises: a server that is down is an answer."""
    try:
        version = server.version()
        exists = databases.exists(server, live)
    except ServerDown as error:
        return Probe(up=False, detail=error.message)
    except PluginError as error:
        return Probe(up=True, detail=error.message, broken=True)
    return Probe(up=True, version=version, detail="" if exists else f"there is no database {live}")


def status(server: Server) -> Status:
    """Since when the server runs, and where its databases are."""
    try:
        running = Running.of(server)
    except PluginError:
        return Status(facts=(Fact(f"on {server}", tone=Tone.DIM),))
    facts = [Fact(f"on {server}, databases in {running.data}", tone=Tone.DIM)]
    process = RunningProcess.of(running.pid)
    if process is not None:
        facts.insert(0, Fact(f"influxd (pid {process.pid}) runs since", at=process.since))
    return Status(facts=tuple(facts))


def discover() -> Iterator[Found]:
    """The databases of the server on the usual port of this machine."""
    server = Server(timeout=_ANSWER)
    properties = {"type": TYPE}
    try:
        names = names_of_operators(server)
    except WrongCredentials:
        yield Found(TYPE, _CONTAINER, "databases", properties, detail=f"on {server}: it asks for an account",
                    readable=False, remedy="set influxdbUser and influxdbPassword in its container")  # fmt: skip
        return
    except PluginError:
        return
    for name in names:
        yield Found(TYPE, _CONTAINER, name, properties, detail=f"on {server}")


def names_of_operators(server: Server) -> list[str]:
    """The databases that are neither the server's own nor a job's. Raises PluginError."""
    return [name for name in databases.names(server) if name != databases.INTERNAL and not _of_a_job(name)]


def _of_a_job(name: str) -> bool:
    return name.startswith(databases.OURS)


def list_state(server: Server) -> ListedState:
    """Raises PluginError."""
    return ListedState([Listed(name) for name in names_of_operators(server)])
