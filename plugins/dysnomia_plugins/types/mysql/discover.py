"""What is there: is the server up, who is connected, and which servers and databases this machine has."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dysnomia_base.users import user_name
from dysnomia_plugins.base import Found, Listed, ListedState, Probe, PropertyValue, Runner
from dysnomia_plugins.errors import PluginError, ToolMissing
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.containers.find import found
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.toolkit.sqldump.names import made_by_job
from dysnomia_plugins.types.mysql import contained
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import SYSTEM, literal
from dysnomia_plugins.types.mysql.server import SOCKET, Server

DISCOVER_SECONDS = 5.0
SOCKETS = (SOCKET, "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")
_TYPE = "mysql-database"


def probe(client: Client, database: str) -> Probe:
    """Never raises: a server that is down is an answer."""
    name = literal(database)
    sql = f"""SELECT JSON_ARRAY(0, VERSION(),
      (SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = {name}),
      (SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = {name}));
    SELECT JSON_ARRAY(1, CONCAT_WS(' ', user, 'from', SUBSTRING_INDEX(host, ':', 1), '(', command, state, ')',
      'since', DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL time SECOND, '%Y-%m-%d %H:%i:%sZ')))
      FROM information_schema.processlist WHERE db = {name} AND id <> CONNECTION_ID() ORDER BY id"""
    try:
        rows = client.rows(sql, timeout=PROBE_SECONDS)
    except PluginError as error:
        return down(error)
    _, version, exists, size = rows[0]
    who = [str(one[1]).replace("( ", "(").replace(" )", ")") for one in rows[1:]]
    return Probe(
        up=True,
        version=version.split("-")[0] + (" MariaDB" if "mariadb" in version.lower() else ""),
        size=None if size is None else int(size),
        clients=len(who),
        who=tuple(who[:100]),
        detail="" if exists else f"there is no database {database}",
    )


@dataclass(frozen=True, slots=True)
class Instance:
    """A server on this machine, as its socket or its process shows it."""

    socket: str
    owner: str

    def properties(self, type_name: str) -> dict[str, PropertyValue]:
        """What the file of a container on it says: nothing that is so by default."""
        properties: dict[str, PropertyValue] = {"type": type_name}
        if os.path.realpath(self.socket) != os.path.realpath(SOCKET):
            properties["mysqlSocket"] = self.socket
        return properties


def discover(runner: Runner, sockets: Iterable[str] = SOCKETS) -> Iterator[Found]:
    """Every database on every server that runs here. What may not be seen is named, with the line that could."""
    for container, instance in _named(sockets):
        yield from _databases(instance, container, runner)
    yield from in_containers(runner)


def _named(sockets: Iterable[str]) -> Iterator[tuple[str, Instance]]:
    """Every server that runs here, and what its container is called."""
    numbered = itertools.chain(["mysql"], (f"mysql-{n}" for n in itertools.count(2)))
    return zip(numbered, _instances(sockets), strict=False)


def in_containers(runner: Runner, engines: Iterable[Engine] | None = None) -> Iterator[Found]:
    """Every database on every server in a container of Docker or Podman."""
    for one in found(runner, contained.PORT, *contained.PROGRAMS, among=engines):
        properties: dict[str, PropertyValue] = {"type": _TYPE, **one.properties}
        try:
            client = Client(Server.from_properties(properties), runner, connect_timeout=2)
            rows = client.rows(_DATABASES, timeout=DISCOVER_SECONDS)
            version = client.version_text
        except PluginError as error:
            yield one.refused(properties, "a server", error)
            continue
        product = "MariaDB" if client.mariadb else "MySQL"
        for name, charset, size in rows:
            if name.lower() not in SYSTEM:
                yield Found(
                    type=_TYPE,
                    container=one.container,
                    component=name,
                    properties=properties,
                    size=None if size is None else int(size),
                    detail=f"{charset}, {product} {version.split('-')[0]} {one.where}",
                )


_DATABASES = """SELECT JSON_ARRAY(s.schema_name, s.default_character_set_name, SUM(t.data_length + t.index_length))
  FROM information_schema.schemata s LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name
  WHERE s.schema_name NOT LIKE 'dysnomia\\_%' GROUP BY s.schema_name, s.default_character_set_name
  ORDER BY s.schema_name"""


def _instances(sockets: Iterable[str]) -> list[Instance]:
    instances: dict[str, Instance] = {}
    for path in [*sockets, *_sockets_of_processes()]:
        try:
            status = Path(path).stat()
        except OSError:
            continue
        if stat.S_ISSOCK(status.st_mode):
            instances.setdefault(os.path.realpath(path), Instance(path, user_name(status.st_uid)))
    return list(instances.values())


def _sockets_of_processes() -> Iterator[str]:
    """Sockets of the servers that run: as their command lines say, and as they hold them open, where we may see it."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] not in contained.PROGRAMS or is_contained(process.pid):
            continue
        for word in process.info["cmdline"] or []:
            if word.startswith("--socket="):
                yield word.removeprefix("--socket=")
        try:
            yield from (str(one.laddr) for one in process.net_connections("unix") if one.laddr)
        except psutil.Error:
            continue


def _databases(instance: Instance, container: str, runner: Runner) -> Iterator[Found]:
    properties = instance.properties(_TYPE)
    try:
        client = Client(Server(socket=instance.socket), runner, connect_timeout=2)
        rows = client.rows(_DATABASES, timeout=DISCOVER_SECONDS)
    except PluginError as error:
        yield Found(
            type=_TYPE,
            container=container,
            component="",
            properties=properties,
            detail=f"a server of {instance.owner} at {instance.socket} ({error.message})",
            readable=False,
            remedy=_remedy(error),
        )
        return
    for name, charset, size in rows:
        if name.lower() not in SYSTEM:
            yield Found(
                type=_TYPE,
                container=container,
                component=name,
                properties=properties,
                size=None if size is None else int(size),
                detail=f"{charset}, at {instance.socket}",
            )


def _remedy(error: PluginError) -> str:
    """The line that could see it."""
    if isinstance(error, ToolMissing):
        return "sudo apt-get install mariadb-client"
    return "sudo dysnomia-tui" if os.geteuid() != 0 else "write mysqlUsername and mysqlPassword into its container file"


_SEES_ALL = """SELECT JSON_ARRAY(COUNT(*)) FROM information_schema.user_privileges WHERE privilege_type <> 'USAGE'
  AND (grantee NOT LIKE '%@%' OR grantee = CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER())
      - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), '''@''',
    SUBSTRING_INDEX(CURRENT_USER(), '@', -1), ''''))"""
"""Whoever has a privilege on everything is shown all databases."""


def list_state(client: Client) -> ListedState:
    """Every database of the server but its own, as far as the account sees them. Raises PluginError."""
    answers = client.several(
        names="SELECT JSON_ARRAY(schema_name) FROM information_schema.schemata ORDER BY schema_name", all=_SEES_ALL
    )
    names = [str(name) for (name,) in answers["names"]]
    remark = "" if answers["all"][0][0] else "the account is shown only databases on which it has a privilege"
    return ListedState([Listed(name) for name in names if name.lower() not in SYSTEM and not made_by_job(name)], remark)


def discover_globals(runner: Runner, sockets: Iterable[str] = SOCKETS) -> Iterator[Found]:
    """The accounts of every server that runs here and lets us read them. One that does not is named with its
    databases."""
    for container, instance in _named(sockets):
        client = Client(Server(socket=instance.socket), runner, connect_timeout=2)
        try:
            count = client.ask("SELECT JSON_ARRAY(COUNT(*)) FROM mysql.global_priv", timeout=DISCOVER_SECONDS)[0]
        except PluginError:
            continue
        yield Found(
            type="mysql-globals",
            container=f"{container}-globals",
            component="globals",
            properties=instance.properties("mysql-globals"),
            detail=f"{count} accounts and roles, at {instance.socket}",
        )
