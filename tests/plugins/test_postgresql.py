"""The type ``postgresql-database`` on a real server: dump, load, swap, recover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.postgresql import PostgresqlDatabase
from tests.plugins.bare import Bare, component
from tests.plugins.services import PostgresServer

pytestmark = pytest.mark.server


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    """A component ``orders`` that is not there yet."""
    path = tmp_path / "orders"
    path.mkdir()
    yield Bare(PostgresqlDatabase(), tmp_path, component(path, "orders", **postgres.properties))
    for name in postgres.databases() - {"postgres"}:
        postgres.drop(name)


def seed(server: PostgresServer, database: str = "orders") -> None:
    server.sql(f'CREATE DATABASE "{database}"')
    server.sql(
        """CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 1000) g;
        CREATE SEQUENCE s; SELECT nextval('s');""",
        database,
    )


def test_dump_swap_and_back(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    plugin, live = bare.plugin, bare.plugin.live(bare.component)
    first = bare.dump()
    assert bare.dump().digest == first.digest
    postgres.sql("UPDATE t SET v = 'changed' WHERE id = 7", "orders")
    ctx = bare.context("2")
    beside, aside = plugin.place(ctx, Purpose.BESIDE), plugin.place(ctx, Purpose.ASIDE)
    plugin.load(ctx, first, beside)
    plugin.swap(ctx, beside, aside)
    assert plugin.recover(ctx)
    assert bare.dump().digest == first.digest
    assert postgres.sql("SELECT v FROM t WHERE id = 7", aside.name) == "changed"
    assert list(plugin.left_behind(ctx)) == [aside]
    plugin.drop(ctx, aside)
    assert list(plugin.left_behind(ctx)) == []
    assert live == Place("orders")
