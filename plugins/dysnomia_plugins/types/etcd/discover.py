"""What is there: whether a server answers, which runs on this machine, and what its keys begin with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import psutil

from dysnomia_plugins.base import Found, Listed, ListedState, Probe, PropertyValue
from dysnomia_plugins.errors import PluginError, ServerDown, Unsupported
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.types.etcd.api import Session, session
from dysnomia_plugins.types.etcd.facts import Facts
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.records import shown
from dysnomia_plugins.types.etcd.server import ENDPOINT, PREFIX, Endpoint, Server
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

TYPE = "etcd-database"
_ANSWER = 1.0
_MOST, _OFFERED = 10_000, 200
_OPTION, _VARIABLE = "--listen-client-urls", "ETCD_LISTEN_CLIENT_URLS"
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_WITHOUT_SLASH = "%/"


def probe(server: Server, prefix: str) -> Probe:
    """Never raises: a server that is down is an answer."""
    try:
        with session(server, timeout=_ANSWER, patience=0) as made:
            facts = Facts.of(made)
            count = Keyspace.of(made, prefix).count(serializable=True)
    except ServerDown as error:
        return Probe(up=False, detail=error.message)
    except PluginError as error:
        return Probe(up=True, detail=error.message, broken=True)
    against = next(facts.against_writes(), "")
    keys = f"{count:,} {'key' if count == 1 else 'keys'}" + (f" below {prefix}" if prefix else "")
    return Probe(up=True, version=facts.version, detail=against or keys, broken=bool(against))


def names_below(made: Session, pattern: str) -> Iterator[tuple[str, bool]]:
    """What stands for the ``%`` of a pattern in keys that there are, each once, and whether it can name a component.

    Folders of keys are stepped over. Raises PluginError."""
    head, _, tail = pattern.partition("%")
    keyspace = Keyspace.of(made, head)
    end = tail.encode("utf-8", "surrogateescape")
    start: bytes | None = b""
    while start is not None:
        pairs = keyspace.pairs(start=start, keys_only=True)
        start = None
        for pair in pairs:
            at = pair.key.find(end, 1) if end else -1
            if at < 0:
                continue
            name = pair.key[:at]
            text = shown(name)
            yield text, _is_component(text, name)
            start = name + end[:-1] + bytes([end[-1] + 1]) if end[-1] < 0xFF else None
            break


def _is_component(text: str, name: bytes) -> bool:
    try:
        return validate_name(text, "component").encode("utf-8", "surrogateescape") == name
    except NameRejected:
        return False


def list_state(server: Server) -> ListedState:
    """Raises PluginError, Unsupported."""
    if server.whole or "%" not in server.prefix or server.prefix.endswith("%"):
        raise Unsupported(
            "a container of type etcd-database can have components=* where etcdPrefix has a % and something behind it",
            "name each component",
        )
    with session(server) as made:
        names = list(islice(names_below(made, server.prefix), _MOST + 1))
    if len(names) > _MOST:
        raise PluginError(f"etcd has keys below more than {_MOST:,} names", "name the components")
    return ListedState([Listed(text, "" if fits else "its name cannot be a component's") for text, fits in names])


def discover() -> Iterator[Found]:
    """What the servers on this machine hold, by the first part of each key."""
    for number, endpoint in enumerate(endpoints()):
        container = "etcd" if not number else f"etcd-{endpoint.port}"
        properties: dict[str, PropertyValue] = {"type": TYPE}
        if str(endpoint) != ENDPOINT:
            properties["etcdEndpoints"] = str(endpoint)
        yield from _of_server(endpoint, container, properties)


def _of_server(endpoint: Endpoint, container: str, properties: Mapping[str, PropertyValue]) -> Iterator[Found]:
    try:
        with session(Server((endpoint,)), timeout=_ANSWER, patience=0) as made:
            for pattern, name in ((PREFIX, container), (_WITHOUT_SLASH, f"{container}-keys")):
                more = {} if pattern == PREFIX else {"etcdPrefix": pattern}
                for text, fits in islice(names_below(made, pattern), _OFFERED):
                    if fits:
                        detail = f"keys below {pattern.replace('%', text)}, on {endpoint}"
                        yield Found(TYPE, name, text, {**properties, **more}, detail=detail)
    except ServerDown:
        return
    except PluginError as error:
        remedy = "set etcdUser and etcdPassword, or etcdCaFile, etcdCertFile and etcdKeyFile, in its container"
        yield Found(TYPE, container, "keys", properties, detail=error.message, readable=False, remedy=remedy)


def endpoints() -> Sequence[Endpoint]:
    """Where servers of this machine listen for clients, as their commands and environments say that may be read; where
    there is none, the usual address."""
    urls: dict[str, None] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "etcd" and not is_contained(process.pid):
                urls |= dict.fromkeys(_listens(process).split(","))
    made: dict[str, Endpoint] = {}
    for url in urls or {ENDPOINT: None}:
        with contextlib.suppress(PluginError):
            endpoint = Endpoint.of(url.strip())
            local = Endpoint(_ANY.get(endpoint.host, endpoint.host), endpoint.port, endpoint.tls)
            made.setdefault(f"{local.port} {local.tls}", local)
    return sorted(made.values(), key=lambda one: (str(one) != ENDPOINT, one.port))


def _listens(process: psutil.Process) -> str:
    """Raises psutil.Error."""
    words = process.cmdline()
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in (_OPTION, _OPTION[1:]):
            return value if equals else next(iter(words[at + 1 :]), ENDPOINT)
    try:
        return process.environ().get(_VARIABLE, ENDPOINT)
    except psutil.AccessDenied:
        return ENDPOINT
