"""Rows put back by the engine, into PostgreSQL: by command, undone, and killed on both sides of the commit."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import OutcomeUnknown, ServerDown
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.talk import Talk
from dysnomia_store.model import Generation
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.component.rows_by_key import wanted_rows
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.postgresql.bare import bare_component
from tests.plugins.postgresql.shop import CUSTOMERS, Shop
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.sql_shop import WHERE, enter
from tests.unit.cli.calling import call
from tests.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def shop(postgres: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(postgres, tmp_path):
        yield Shop(server=postgres, bare=bare)


@pytest.fixture
def world(postgres: PostgresServer, tmp_path: Path) -> Iterator[PostgresqlWorld]:
    with PostgresqlWorld(postgres, tmp_path / "world") as world:
        yield world


def test_killed_or_cut_off_around_the_commit_the_next_one_knows_which(
    world: PostgresqlWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(world, tmp_path / "store")
    world.seed()
    first = driver.snapshot().generation
    then = _lines(world)
    lose = "DELETE FROM orders WHERE number IN ('N1', 'N2')"
    world.server.sql(lose, DATABASE)
    now = _lines(world)
    planned = _planned(driver, first, "public.orders", "N1", "N2", "N3")
    bench = driver.bench()
    activities.put_back(bench, first.number, first.id, planned, "put back")
    assert _lines(world) == then
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
        assert _lines(world) == (then if "its rows" in said else now)
    world.server.sql(lose, DATABASE)
    bench = driver.bench()
    with monkeypatch.context() as away:
        away.setattr(Talk, "ask", _cut_off(Talk.ask))
        away.setattr(Client, "end_backends", _down)
        with pytest.raises(OutcomeUnknown, match="unknown whether the rows"):
            activities.put_back(bench, first.number, first.id, planned, "put back")
    driver.dead.append(bench.job)
    (text,) = [activities.recover(driver.bench(), left).text for left in driver.unsettled()]
    assert "had put its rows back" in text
    assert _lines(world) == then


def test_under_load_no_write_is_lost(world: PostgresqlWorld, tmp_path: Path) -> None:
    """Into the very table that an application is writing to."""
    driver = Driver(world, tmp_path / "store")
    world.seed()
    world.server.sql("INSERT INTO log VALUES (-1), (-2)", DATABASE)
    first = driver.snapshot().generation
    world.server.sql("DELETE FROM log", DATABASE)
    planned = _planned(driver, first, "public.log", "-1", "-2")
    with world.writer(tmp_path / "acknowledged") as writer:
        wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
        done = activities.put_back(driver.bench(), first.number, first.id, planned, "put back")
        until = len(writer.acknowledged()) + 20
        wait_until(lambda: len(writer.acknowledged()) >= until, world.patience)
        writer.stop()
        acknowledged = writer.acknowledged()
    assert (done.done, done.left) == (2, ())
    assert acknowledged <= world.written()
    assert world.server.sql("SELECT count(*) FROM log WHERE n < 0", DATABASE) == "2"


def _planned(driver: Driver, generation: Generation, table: str, *keys: str) -> list[PlannedRow]:
    """As a plan has them: of those that are not in live as they are wanted."""
    plugin = driver.world.plugin
    stored = driver.store.stored(driver.key, generation.id)
    section = next(one for one in stored.sections() if one.name == table)
    rows = wanted_rows(plugin, stored, section, [(key,) for key in keys])
    with driver.context() as ctx:
        seen = plugin.look_at_rows(ctx, rows).rows
    return [
        PlannedRow(f"table:{table}", row.key, one.digest, one.wanted)
        for row, one in zip(rows, seen, strict=True)
        if one.digest != one.wanted
    ]


def _cut_off(ask: Callable[[Talk, str], list[bytes]]) -> Callable[[Talk, str], list[bytes]]:
    """The answer to the COMMIT does not come through."""

    def asking(talk: Talk, sql: str) -> list[bytes]:
        said = ask(talk, sql)
        if sql == "COMMIT;":
            raise BrokenPipeError
        return said

    return asking


def _down(_: Client) -> None:
    raise ServerDown("the server is not there")


def _lines(world: PostgresqlWorld) -> list[str]:
    """Of pg_dump, in an order that no update changes."""
    whole = world.whole()
    assert isinstance(whole, list)
    return sorted(whole)


def test_by_command_with_an_undo(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(tmp_path, monkeypatch, shop.server.properties)
    shop.server.sql("CREATE DATABASE orders")
    shop.sql(CUSTOMERS)
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE) == 0
    then = shop.dumped()
    shop.sql("DELETE FROM orders")
    now = shop.dumped()
    put_back = ("-o", "put-back", *WHERE, "--generation", "1", "--section", "table:public.orders", "--lacking")
    capsys.readouterr()
    assert call(monkeypatch, "dysnomia", *put_back, "--json") == 0
    job = json.loads(capsys.readouterr().out)["job"]
    assert (job["details"]["put"], shop.dumped()) == (3, then)
    assert call(monkeypatch, "dysnomia-tui", "undo", job["id"]) == 0
    assert shop.dumped() == now
