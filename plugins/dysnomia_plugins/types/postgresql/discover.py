"""What is there: is the server up, who is connected, and which servers and databases this machine has."""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dysnomia_base.users import user_name
from dysnomia_plugins.base import Found, Listed, ListedState, Probe, PropertyValue, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.containers.find import found
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.toolkit.sqldump.names import made_by_job
from dysnomia_plugins.types.postgresql import contained
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.names import literal
from dysnomia_plugins.types.postgresql.server import RUNTIME_DIR, Server

DISCOVER_SECONDS = 5.0
_MOST_LOCK_FILE = 1 << 12
_SOCKET = re.compile(r"\.s\.PGSQL\.(\d+)\Z")
_TYPE = "postgresql-database"


def probe(client: Client, database: str) -> Probe:
    """Never raises: a server that is down is an answer."""
    try:
        facts: Mapping[str, Any] = client.ask(_PROBE.format(name=literal(database)), timeout=PROBE_SECONDS)
    except PluginError as error:
        return down(error)
    return Probe(
        up=True,
        version=facts["version"],
        size=facts["size"],
        clients=facts["clients"],
        who=tuple(facts["who"] or ()),
        detail="" if facts["exists"] else f"there is no database {database}",
    )


_PROBE = """SELECT json_build_object(
  'version', split_part(current_setting('server_version'), ' ', 1),
  'exists', EXISTS (SELECT FROM pg_database WHERE datname = {name}),
  'size', (SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
      THEN pg_database_size(oid) END FROM pg_database WHERE datname = {name}),
  'clients', (SELECT count(*) FROM pg_stat_activity WHERE datname = {name} AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()),
  'who', (SELECT json_agg(w) FROM (SELECT concat_ws(' ', usename, 'from', coalesce(host(client_addr), 'this machine'),
        nullif('(' || application_name || ')', '()'), coalesce(state, ''), 'since',
        to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')) AS w
      FROM pg_stat_activity WHERE datname = {name} AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
      ORDER BY backend_start LIMIT 100) a))"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server on this machine, as its socket or its process shows it."""

    folder: str
    port: int
    owner: str

    @property
    def server(self) -> Server:
        """How we come to it."""
        return Server(user=self.owner, port=str(self.port), folder=self.folder)

    def properties(self, type_name: str) -> dict[str, PropertyValue]:
        """What the file of a container on it says: nothing that is so by default."""
        properties: dict[str, PropertyValue] = {"type": type_name}
        if self.owner != "postgres":
            properties["postgresqlUsername"] = self.owner
        if self.port != 5432:
            properties["postgresqlPort"] = str(self.port)
        if os.path.realpath(self.folder) != os.path.realpath(RUNTIME_DIR):
            properties["postgresqlRuntimeDir"] = self.folder
        return properties


def discover(runner: Runner, folders: Iterable[str] = (RUNTIME_DIR, "/tmp")) -> Iterator[Found]:
    """Every database on every server that runs here. What may not be seen is named, with the line that could."""
    for container, cluster in _named(folders):
        yield from _databases(cluster, container, runner)
    yield from in_containers(runner)


def _named(folders: Iterable[str]) -> Iterator[tuple[str, Cluster]]:
    """Every server that runs here, and what its container is called."""
    taken: set[str] = set()
    for cluster in sorted(_clusters(folders), key=lambda one: (one.port, one.folder != RUNTIME_DIR, one.folder)):
        name = "postgresql" if cluster.port == 5432 else f"postgresql-{cluster.port}"
        numbered = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
        container = next(one for one in numbered if one not in taken)
        taken.add(container)
        yield container, cluster


def in_containers(runner: Runner, engines: Iterable[Engine] | None = None) -> Iterator[Found]:
    """Every database on every server in a container of Docker or Podman."""
    for one in found(runner, contained.PORT, *contained.PROGRAMS, among=engines):
        properties: dict[str, PropertyValue] = {"type": _TYPE, **one.properties}
        try:
            client = Client(Server.from_properties(properties), runner, connect_timeout=2)
            databases = client.ask(_DATABASES, timeout=DISCOVER_SECONDS)
            version = client.ask("SELECT to_json(split_part(current_setting('server_version'), ' ', 1))")
        except PluginError as error:
            yield one.refused(properties, "a PostgreSQL server", error)
            continue
        for name, encoding, size in of_operators(databases):
            yield Found(
                type=_TYPE,
                container=one.container,
                component=name,
                properties=properties,
                size=size,
                detail=f"{encoding}, PostgreSQL {version} {one.where}",
            )


_DATABASES = """SELECT json_agg(json_build_array(datname::text, pg_encoding_to_char(encoding), CASE
    WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) ORDER BY datname)
  FROM pg_database WHERE NOT datistemplate AND datallowconn AND datname NOT LIKE 'dysnomia\\_%'"""


def of_operators(databases: Sequence[tuple[str, str, int | None]] | None) -> Iterator[tuple[str, str, int | None]]:
    """Of what a server has, less the one that it came with where there are others and nothing seems to be in it."""
    for name, encoding, size in databases or ():
        if not (name == _OWN and len(databases or ()) > 1 and size is not None and size < 16 << 20):
            yield name, encoding, size


def _clusters(folders: Iterable[str]) -> set[Cluster]:
    clusters: dict[tuple[str, int], Cluster] = {}
    for folder in [*folders, *_folders_of_processes()]:
        for port, owner in _sockets(folder):
            key = (os.path.realpath(folder), port)
            clusters.setdefault(key, Cluster(folder, port, owner))
    return set(clusters.values())


def _sockets(folder: str) -> Iterator[tuple[int, str]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        match = _SOCKET.match(name)
        if match is None:
            continue
        try:
            status = (Path(folder) / name).lstat()
        except OSError:
            continue
        if stat.S_ISSOCK(status.st_mode):
            yield int(match[1]), user_name(status.st_uid)


def _folders_of_processes() -> Iterator[str]:
    """Folders of sockets of the servers that run, from the lock files in their data folders (as far as readable)."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] not in contained.PROGRAMS or is_contained(process.pid):
            continue
        line: list[str] = process.info["cmdline"] or []
        for option, value in itertools.pairwise(line):
            if option == "-k":
                yield from value.split(",")
            elif option == "-D":
                yield from _folder_in_lock_file(Path(value) / "postmaster.pid")


def _folder_in_lock_file(path: Path) -> Iterator[str]:
    """The fifth line of ``postmaster.pid`` (``src/include/utils/pidfile.h``).

    Any user may call a process ``postgres`` and name a folder: nothing but a small regular file is read there."""
    if not path.is_absolute():
        return
    try:
        with Folder.at(real_path(str(path.parent))) as folder, folder.file(path.name) as descriptor:
            text = os.read(descriptor, _MOST_LOCK_FILE)
    except (OSError, PluginError):
        return
    lines = text.decode("utf-8", "surrogateescape").splitlines()
    if len(lines) >= 5 and lines[4]:
        yield lines[4]


def _databases(cluster: Cluster, container: str, runner: Runner) -> Iterator[Found]:
    properties = cluster.properties(_TYPE)
    client = Client(cluster.server, runner, connect_timeout=2)
    try:
        databases = client.ask(_DATABASES, timeout=DISCOVER_SECONDS)
    except PluginError as error:
        yield Found(
            type=_TYPE,
            container=container,
            component="",
            properties=properties,
            detail=f"a PostgreSQL server of {cluster.owner} at {cluster.folder}:{cluster.port} ({error.message})",
            readable=False,
            remedy=f"sudo -u {cluster.owner} dysnomia-tui" if os.geteuid() != 0 else "",
        )
        return
    for name, encoding, size in of_operators(databases):
        yield Found(
            type=_TYPE,
            container=container,
            component=name,
            properties=properties,
            size=size,
            detail=f"{encoding}, at {cluster.folder}:{cluster.port}",
        )


_LISTED = """SELECT coalesce(json_agg(json_build_array(datname::text, datallowconn, datistemplate)
    ORDER BY datname), '[]')
  FROM pg_database WHERE datname NOT IN ('template0', 'template1')"""
_OWN = "postgres"
"""The database that every server has, to connect to."""
_USED = """SELECT to_json(EXISTS (SELECT FROM pg_class c WHERE c.oid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
  OR EXISTS (SELECT FROM pg_proc p WHERE p.oid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
  OR EXISTS (SELECT FROM pg_largeobject_metadata))"""
"""Whether anything in a database is somebody's: what is below 16384 came with the server (FirstNormalObjectId)."""


def list_state(client: Client) -> ListedState:
    """Every database of the server but its templates: a server shows them all to every role. Raises PluginError."""
    rows = client.ask(_LISTED, timeout=DISCOVER_SECONDS)
    return ListedState([_listed(client, *one) for one in rows if not made_by_job(one[0])])


def _listed(client: Client, name: str, connectable: bool, template: bool) -> Listed:
    if template:
        return Listed(name, "it is a template (ALTER DATABASE … IS_TEMPLATE)")
    if not connectable:
        return Listed(name, "it lets nobody connect (ALTER DATABASE … ALLOW_CONNECTIONS)")
    if name != _OWN:
        return Listed(name)
    try:
        used = client.ask(_USED, _OWN, timeout=DISCOVER_SECONDS)
    except PluginError as error:
        return Listed(name, f"whether it holds anything cannot be told ({error.message})")
    return Listed(name, idle=not used)


def discover_globals(runner: Runner, folders: Iterable[str] = (RUNTIME_DIR, "/tmp")) -> Iterator[Found]:
    """The globals of every server that runs here and lets us in. One that does not is named with its databases."""
    for container, cluster in _named(folders):
        try:
            roles = Client(cluster.server, runner, connect_timeout=2).ask(
                "SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_'", timeout=DISCOVER_SECONDS
            )
        except PluginError:
            continue
        yield Found(
            type="postgresql-globals",
            container=f"{container}-globals",
            component="globals",
            properties=cluster.properties("postgresql-globals"),
            detail=f"{roles} {'role' if roles == 1 else 'roles'}, at {cluster.folder}:{cluster.port}",
        )
