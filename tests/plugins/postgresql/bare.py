"""What the tests of PostgreSQL share: a component on the server, and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_plugins.types.postgresql.surroundings import read
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.servers.postgresql import PostgresServer

ROLES = ("dysnomia_owner", "dysnomia_reader", 'dysnomia "odd" one')


def plain(server: PostgresServer) -> None:
    """Everything but the database ``postgres`` and the role goes."""
    for name in server.databases() - {"postgres"}:
        server.drop(name)
    for role in ROLES:
        server.sql('DROP ROLE IF EXISTS "' + role.replace('"', '""') + '"')


def bare_component(server: PostgresServer, folder: Path) -> Iterator[Bare]:
    """A component ``orders`` that is not there yet; for a fixture of one line."""
    path = folder / "orders"
    path.mkdir()
    yield Bare(PostgresqlDatabase(), folder, component(path, "orders", **server.properties))
    plain(server)


def seed(server: PostgresServer, database: str = "orders") -> None:
    server.sql('CREATE DATABASE "' + database.replace('"', '""') + '"')
    server.sql(
        """CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 1000) g;
        CREATE SEQUENCE s; SELECT nextval('s');""",
        database,
    )


def surroundings(bare: Bare, database: str = "orders") -> object:
    return read(Client.of(bare.context("look")), database)
