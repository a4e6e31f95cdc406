"""Rows put back by the engine, into MariaDB: by command, undone, and killed on both sides of the commit."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import OutcomeUnknown, ServerDown
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.talk import Talk
from dysnomia_tui.engine import RowsAsked
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.conformance.put_back import planned_rows
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.mysql.bare import bare_component
from tests.plugins.mysql.shop import CUSTOMERS, Shop
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.sql_shop import WHERE, enter
from tests.unit.cli.calling import call

pytestmark = pytest.mark.server


@pytest.fixture
def shop(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(mariadb, tmp_path):
        yield Shop(server=mariadb, bare=bare)


@pytest.fixture
def world(mariadb: MariadbServer, tmp_path: Path) -> Iterator[MariadbWorld]:
    with MariadbWorld(mariadb, tmp_path / "world") as world:
        yield world


def test_killed_or_cut_off_around_the_commit_the_next_one_knows_which(
    world: MariadbWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(world, tmp_path / "store")
    world.seed()
    first = driver.snapshot().generation
    then = world.whole()
    lose = "DELETE FROM prices WHERE item IN ('item 1', 'item 2')"
    world.server.sql(lose, DATABASE)
    now = world.whole()
    planned = planned_rows(driver, first, RowsAsked("table:prices", lacking=True))
    assert planned
    bench = driver.bench()
    activities.put_back(bench, first.number, first.id, planned, "put back")
    assert world.whole() == then
    names = [name for name, _ in bench.journal.steps()]
    begun = max(at for at, name in enumerate(names) if "put-back" in name)
    for step, after, said in ((begun + 2, True, "had put no row back"), (begun + 3, False, "had put its rows back")):
        world.server.sql(lose, DATABASE)
        job = driver.new_job()
        died = in_child(
            lambda job=job, mortal=(step, after): activities.put_back(  # type: ignore[misc]
                driver.bench(job, mortal=mortal), first.number, first.id, planned, "put back"
            )
        )
        assert died == signal.SIGKILL
        driver.dead.append(job)
        (text,) = [activities.recover(driver.bench(), left).text for left in driver.unsettled()]
        assert said in text
        assert world.whole() == (then if "its rows" in said else now)
    for cut in (_after_commit, _before_commit):
        world.server.sql(lose, DATABASE)
        bench = driver.bench()
        with monkeypatch.context() as away:
            away.setattr(Talk, "ask", cut(Talk.ask))
            away.setattr(Client, "end_own", _down)
            with pytest.raises(OutcomeUnknown, match="may be back or not"):
                activities.put_back(bench, first.number, first.id, planned, "put back")
        driver.dead.append(bench.job)
        (text,) = [activities.recover(driver.bench(), left).text for left in driver.unsettled()]
        assert ("had put its rows back" if cut is _after_commit else "had put no row back") in text
        assert world.whole() == (then if cut is _after_commit else now)


Asking = Callable[[Talk, str | bytes], list[bytes]]


def _after_commit(ask: Asking) -> Asking:
    """The answer to the COMMIT does not come through."""

    def asking(talk: Talk, sql: str | bytes) -> list[bytes]:
        said = ask(talk, sql)
        if sql == "COMMIT;":
            raise BrokenPipeError
        return said

    return asking


def _before_commit(ask: Asking) -> Asking:
    """It does not come to the server."""

    def asking(talk: Talk, sql: str | bytes) -> list[bytes]:
        if sql == "COMMIT;":
            raise BrokenPipeError
        return ask(talk, sql)

    return asking


def _down(_: Client) -> None:
    raise ServerDown("the server is not there")


@pytest.fixture
def by_command(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop as the commands find it: the component ``box/orders``."""
    enter(tmp_path, monkeypatch, shop.server.properties)
    return shop


def test_by_command_with_an_undo(
    by_command: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = by_command
    shop.create(CUSTOMERS)
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE) == 0
    then = shop.dumped()
    shop.sql("DELETE FROM orders WHERE number <> 'B2'; UPDATE orders SET cents = 1")
    now = shop.dumped()
    put_back = ("-o", "put-back", *WHERE, "--generation", "1", "--section", "table:orders")
    capsys.readouterr()
    assert call(monkeypatch, "dysnomia", *put_back, "--row", "B2", "--lacking", "--json") == 0
    job = json.loads(capsys.readouterr().out)["job"]
    assert (job["details"]["put"], shop.dumped()) == (3, then)
    assert call(monkeypatch, "dysnomia-tui", "undo", job["id"]) == 0
    assert shop.dumped() == now


def test_a_key_that_the_server_takes_for_another_is_left(
    by_command: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else ``bob`` would delete ``Bob``, and the undo of one that was spelled anew would not bring it back."""
    shop = by_command
    shop.create("CREATE TABLE people (name varchar(20) PRIMARY KEY, n int);"
                "CREATE TABLE numbers (id int PRIMARY KEY, n int);"
                "INSERT INTO people VALUES ('Bob', 1), ('Eve', 1); INSERT INTO numbers VALUES (12, 1);")  # fmt: skip
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE) == 0
    shop.sql("UPDATE people SET name = 'eve', n = 2 WHERE name = 'Eve'")
    now = shop.dumped()
    for table, key, other in (("people", "bob", "Bob"), ("people", "Bob ", "Bob"), ("people", "Eve", "eve"),
                              ("numbers", "012", "12")):  # fmt: skip
        capsys.readouterr()
        call(monkeypatch, "dysnomia", "-o", "put-back", *WHERE, "--generation", "1", "--section", f"table:{table}",
             "--row", key)  # fmt: skip
        out, err = capsys.readouterr()
        assert f"takes the key {key} of table {table} for that of the row {other}" in out + err
        assert shop.dumped() == now
