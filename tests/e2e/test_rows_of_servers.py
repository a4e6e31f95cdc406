"""Rows that were deleted from a database of a real server are put back by keys, and taken away again by the undo.

What is in the tables is asked with the server's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.test_story import Session
from tests.e2e.world import World
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.thorough import seldom

pytestmark = [pytest.mark.server, pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, name varchar(40));
CREATE TABLE refunds (id int PRIMARY KEY, customer int REFERENCES customers (id), reason varchar(80));
INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bo');
INSERT INTO refunds VALUES (1, 1, 'late'), (2, 2, 'it''s "broken"'), (3, 1, NULL), (4, 2, 'x\ty');
"""
NEW = "SELECT id, customer, reason FROM refunds WHERE id = 9"
ALL = "SELECT id, customer, reason FROM refunds ORDER BY id"


@dataclass
class Shop:
    """A database of a server, and the machine on which it is a component."""

    world: World
    sql: Callable[[str], str]
    table: str
    """As the screen names it."""


def _shop(world: World, properties: dict[str, str], folder: str, sql: Callable[[str], str], table: str) -> Shop:
    world.container("db", **properties)
    world.component("db/orders", f"{folder}/first.sql", TABLES)
    world.run("dysnomia", "-o", "activate", "-C", "db", "-c", "orders")
    world.run("dysnomia", "-o", "snapshot", "-C", "db", "-c", "orders")
    return Shop(world, sql, table)


@pytest.fixture(params=seldom(["mariadb", "postgresql"], "postgresql"))
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        if request.param == "mariadb":
            mariadb = stack.enter_context(MariadbServer())
            yield _shop(World(tmp_path), mariadb.properties, "mysql-databases",
                        lambda text: mariadb.sql(text, "orders"), "refunds")  # fmt: skip
        else:
            postgres = stack.enter_context(PostgresServer())
            yield _shop(World(tmp_path), postgres.properties, "postgresql-databases",
                        lambda text: postgres.sql(text, "orders"), "public.refunds")  # fmt: skip


def test_deleted_rows_are_put_back_and_the_undo_takes_them_away(shop: Shop) -> None:
    before = shop.sql(ALL)
    shop.sql("DELETE FROM refunds WHERE id > 1; INSERT INTO refunds VALUES (9, 1, 'written since')")
    deleted = shop.sql(ALL)
    with terminal() as screen:
        session = Session(screen, shop.world)
        session.start("db/orders")
        screen.wait_for("db/orders/1")
        keys = {
            "D": shop.table, "Enter": "written since", "Space": "1 row marked", " Space": "2 rows marked",
            "Space ": "3 rows marked", "r": "Type 3 and press Enter",
        }  # fmt: skip
        for key, shows in keys.items():
            screen.press(key.strip())
            screen.wait_for(shows)
        session.confirm()
        session.ended("put-back")
        assert shop.sql(ALL) == f"{before}\n{shop.sql(NEW)}", "exactly as they were, and what was written since stays"
        screen.press("Escape")
        screen.press("Escape")
        screen.wait_for("1 Components", "● done")
        screen.press("u")
        session.confirm()
        session.ended("undo")
        assert shop.sql(ALL) == deleted
