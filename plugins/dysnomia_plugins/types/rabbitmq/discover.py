"""What is there: whether a node answers, which runs on this machine, and which virtual hosts it has."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping, Sequence

import psutil

from dysnomia_plugins.base import Found, Listed, ListedState, Probe, PropertyValue, Runner
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.toolkit.process import TimedOut
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.types.rabbitmq.node import (
    EPMD,
    EPMD_PORT,
    HOME,
    NODE,
    USER,
    USUAL_USER,
    Server,
    State,
    is_long,
    own_host,
    usual_node,
)
from dysnomia_plugins.types.rabbitmq.terms import Atom
from dysnomia_plugins.types.rabbitmq.vhosts import encoded, shown

TYPE = "rabbitmq-definitions"
_NAME = "rabbitmq"
_NODENAME, _EPMD_PORT = "RABBITMQ_NODENAME", "ERL_EPMD_PORT"
_OFFERED = 200
_PROGRAM, _MARK = "beam.smp", "rabbit"
NO_MESSAGES = "messages are no part of it"


def probe(server: Server, vhost: bytes, runner: Runner) -> Probe:
    """Never raises: a server that is down is an answer."""
    try:
        status, host = server.ask(runner, (Atom("status"),), (Atom("host"), vhost), timeout=PROBE_SECONDS)
    except PluginError as error:
        return down(error)
    state = State.of(status)
    against = next(state.against_changes(), "")
    if not against and state.alarms:
        against = f"an alarm blocks all publishers: {', '.join(state.alarms)}"
    exists, queues, clients = host
    detail = against or (f"{_queues(queues)}, on {server.node}" if exists == "true"
                         else f"there is no virtual host {shown(vhost)!r}")  # fmt: skip
    return Probe(up=True, version=state.version, clients=clients, detail=detail, broken=bool(against))


def _queues(count: int) -> str:
    return f"{count:,} {'queue' if count == 1 else 'queues'}"


def list_state(server: Server, runner: Runner) -> ListedState:
    """Raises PluginError."""
    (answer,) = server.ask(runner, (Atom("list"),), timeout=60.0)
    listed = []
    for vhost, _ in sorted(answer):
        name = encoded(vhost)
        listed.append(Listed(name or shown(vhost), "" if name else "its name cannot be a component's"))
    return ListedState(listed)


def discover(runner: Runner) -> Iterator[Found]:
    """The virtual hosts of each node of this machine. Nothing where none runs."""
    if shutil.which("erl") is None:
        return
    for number, (properties, is_seen) in enumerate(nodes()):
        container = _NAME if not number else f"{_NAME}-{str(properties[NODE]).partition('@')[0]}"
        yield from _of_node(container, properties, runner, is_seen=is_seen)


def _of_node(
    container: str, properties: Mapping[str, PropertyValue], runner: Runner, *, is_seen: bool
) -> Iterator[Found]:
    try:
        server = Server.from_properties(properties)
        (answer,) = server.ask(runner, (Atom("list"),), timeout=PROBE_SECONDS)
    except (ServerDown, TimedOut):
        return
    except PluginError as error:
        if os.geteuid() != 0 and is_seen:
            yield Found(TYPE, container, "definitions", properties, detail=error.message, readable=False,
                        remedy="sudo dysnomia-tui")  # fmt: skip
        return
    for vhost, queues in sorted(answer)[:_OFFERED]:
        name = encoded(vhost)
        if name is not None:
            detail = f"virtual host {shown(vhost)} on {server.node}: {_queues(queues)}; {NO_MESSAGES}"
            yield Found(TYPE, container, name, properties, detail=detail)


def nodes() -> Sequence[tuple[Mapping[str, PropertyValue], bool]]:
    """Those that run, as what a container's file would say of them, and whether they are seen: else the usual one."""
    made: dict[str, Mapping[str, PropertyValue]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError, PluginError):
            if process.name() == _PROGRAM and not is_contained(process.pid) and _MARK in process.cmdline():
                properties = _of_process(process)
                made.setdefault(str(properties.get(NODE, "")), properties)
    if not made:
        return [({"type": TYPE}, False)]
    return [(properties, True) for _, properties in sorted(made.items())]


def _of_process(process: psutil.Process) -> Mapping[str, PropertyValue]:
    """Raises psutil.Error, PluginError."""
    properties: dict[str, PropertyValue] = {"type": TYPE}
    try:
        environment = process.environ()
    except psutil.AccessDenied:
        return properties
    node = environment.get(_NODENAME, "")
    if node and "@" not in node:
        node = f"{node}@{own_host(is_long(environment))}"
    if node and node != usual_node():
        properties[NODE] = node
    port = environment.get(_EPMD_PORT, "")
    if port.isdigit() and int(port) != EPMD_PORT:
        properties[EPMD] = port
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(process.uids().effective)
        if entry.pw_name != USUAL_USER:
            properties[USER] = entry.pw_name
        home = environment.get("HOME", "")
        if home.startswith("/") and home != entry.pw_dir:
            properties[HOME] = home
    return properties
