"""What the tests of PostgreSQL share: a component on the server, its rows, a restore without the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.pg.client import Client
from dysnomia_plugins.pg.surroundings import read
from dysnomia_plugins.postgresql import PostgresqlDatabase
from tests.plugins.bare import Bare, BareStored, component
from tests.plugins.services import PostgresServer

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


def restore(bare: Bare, stored: BareStored, job: str = "2") -> None:
    """Replace live, and drop what was live."""
    ctx = bare.context(job)
    beside, aside = (bare.plugin.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    bare.plugin.drop(ctx, aside)


def surroundings(bare: Bare, database: str = "orders") -> object:
    return read(Client.of(bare.context("look")), database)
