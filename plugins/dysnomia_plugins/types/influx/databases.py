"""What a server says of a database: whether it is there, and how it is defined."""

from __future__ import annotations

from collections.abc import Sequence

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.influx.contents import Definitions, Policy
from dysnomia_plugins.types.influx.influxql import ContinuousQuery, duration, identifier, of_kept
from dysnomia_plugins.types.influx.server import Server

INTERNAL = "_internal"
_NO_POLICY = "dysnomia none"
OURS = "dysnomia_"
"""Begins the names of databases that jobs make."""


def check_name(name: str) -> str:
    """Return ``name`` if a database can be called so: it is the name of a folder as well. Raises NotSafe."""
    if not name or "/" in name or "\\" in name or name in (".", "..", INTERNAL) or not name.isprintable():
        raise NotSafe(f"{name!r} cannot be the name of a database of InfluxDB", "choose another name")
    if len(name.encode()) > 200:
        raise NotSafe(f"the name {name!r} is longer than 200 bytes", "choose a shorter one")
    return name


def names(server: Server) -> list[str]:
    """Of all databases. Raises PluginError."""
    return [str(row[0]) for one in server.query("SHOW DATABASES") for row in one.get("values", ())]


def exists(server: Server, name: str) -> bool:
    """Raises PluginError."""
    return name in names(server)


def require(server: Server, name: str) -> None:
    """Raises PluginError where there is no such database."""
    if not exists(server, name):
        raise PluginError(f"InfluxDB on {server} has no database {name!r}", "activate the component first")


def create(server: Server, name: str) -> None:
    """An empty database with no retention policy. Raises PluginError.

    The server goes on to call the one that it is made with its default, also when that is gone: one of that name, made
    later, would be the default again."""
    server.query(f"CREATE DATABASE {identifier(name)} WITH NAME {identifier(_NO_POLICY)}")
    for policy in policies(server, name):
        server.query(f"DROP RETENTION POLICY {identifier(policy.name)} ON {identifier(name)}")


def drop(server: Server, name: str) -> None:
    """Idempotent. Raises PluginError."""
    server.query(f"DROP DATABASE {identifier(name)}")


def points_written(server: Server, name: str) -> int:
    """How many points were written into it by whoever, since the server was started. Raises PluginError."""
    return sum(
        int(row[one["columns"].index("writePointsOk")])
        for one in server.query("SHOW STATS FOR 'shard'")
        if one.get("tags", {}).get("database") == name
        for row in one.get("values", ())
    )


def policies(server: Server, name: str) -> Sequence[Policy]:
    """Raises PluginError."""
    series = server.query(f"SHOW RETENTION POLICIES ON {identifier(name)}")
    return [
        Policy(str(row[0]), duration(str(row[1])), int(row[3]), duration(str(row[2])), bool(row[4]))
        for one in series
        for row in one.get("values", ())
    ]


def raw_queries(server: Server, name: str) -> Sequence[ContinuousQuery]:
    """The continuous queries as they are there. Raises PluginError."""
    return [
        ContinuousQuery(str(row[0]), str(row[1]))
        for one in server.query("SHOW CONTINUOUS QUERIES")
        if one.get("name") == name
        for row in one.get("values", ())
    ]


def definitions(server: Server, name: str) -> Definitions:
    """Raises PluginError."""
    return Definitions(policies(server, name), [of_kept(one)[0] for one in raw_queries(server, name)])
