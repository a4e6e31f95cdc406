"""A server that is stopped with SIGSTOP while the app is open: it takes connections and never answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.world import BIN, World
from tests.plugins.servers.common import Service
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.servers.redis import RedisServer

pytestmark = [pytest.mark.server, pytest.mark.terminal, pytest.mark.xdist_group("terminal")]
APP = str(BIN / "dysnomia-tui")


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """The postmaster and its children stand still."""
    os.killpg(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.pid, signal.SIGCONT)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[World, PostgresServer]]:
    """Two databases on a server of the test's own, and one folder beside them."""
    with PostgresServer() as server:
        world = World(tmp_path)
        world.container("pg", **server.properties)
        for name in ("orders", "stock"):
            world.component(f"pg/{name}", "postgresql-databases/first.sql", "CREATE TABLE t(n int);")
            world.run("dysnomia", "-o", "activate", "-C", "pg", "-c", name)
            world.run("dysnomia", "-o", "snapshot", "-C", "pg", "-c", name)
        yield world, server


def test_the_row_says_so_and_every_key_still_works(shop: tuple[World, PostgresServer]) -> None:
    world, server = shop
    with terminal() as screen:
        screen.start([APP], world.environment)
        screen.wait_for("orders: up", "public.t")
        with stopped(server):
            screen.press("C-l")
            screen.wait_for("orders: not answering")
            screen.press("j")
            screen.wait_for("pg/stock/1")
            screen.press("k")
            screen.wait_for("pg/orders/1")
            screen.press("?")
            screen.wait_for("Restore the generation under the cursor")
            screen.press("Escape")
            screen.wait_gone("Keys that work here")
            screen.press("r")
            screen.wait_for("the server of pg/orders is not answering")
            screen.press("Escape")
            screen.wait_for("1 Components")
        screen.press("C-l")
        screen.wait_for("orders: up")
        screen.press("q")
        screen.until(lambda: screen.dead)


@pytest.mark.worlds
def test_a_command_says_so_and_names_the_server(shop: tuple[World, PostgresServer]) -> None:
    world, server = shop
    with stopped(server):
        done = world.run("dysnomia", "-o", "restore", "-C", "pg", "-c", "orders", "--dry-run", status=8)
    assert "not answering" in done.out + done.err
    assert world.run("dysnomia", "-o", "restore", "-C", "pg", "-c", "orders", "--dry-run").status == 0


@pytest.mark.worlds
@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (PostgresServer, "is it running?"),
        (MariadbServer, "is it running?"),
        (RedisServer, "start it, or correct redisSocket"),
    ],
)
def test_a_plan_with_its_server_down_says_so_and_what_to_do(
    tmp_path: Path, kind: type[PostgresServer | MariadbServer | RedisServer], remedy: str
) -> None:
    """Of each type with the same exit code: a script that waits for a server needs one."""
    with kind() as server:
        world, restore = World(tmp_path), ("dysnomia", "-o", "restore", "-C", "main", "-c", "app")
        world.container("main", **server.properties)
        world.component("main/app", "of/none", "")
        world.run("dysnomia", "-o", "activate", "-C", "main", "-c", "app")
        world.run("dysnomia", "-o", "snapshot", "-C", "main", "-c", "app")
        job = world.run(*restore, "--json").json["job"]["id"]
        assert isinstance(server, Service)
        server.kill()
        for command in ((*restore, "--dry-run"), restore, ("dysnomia-tui", "undo", job, "--dry-run")):
            done = world.run(*command, status=8)
            assert f": {remedy}" in done.out + done.err, command
