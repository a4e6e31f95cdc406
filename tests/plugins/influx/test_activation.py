"""The initial state: laid down once, whole or not at all, and finished where its job was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.influx import activation
from tests.plugins.conformance.driver import Driver, Reporter, in_child
from tests.plugins.influx.world import InfluxWorld

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[InfluxWorld]:
    with InfluxWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: InfluxWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def test_one_that_fails_leaves_nothing(world: InfluxWorld, driver: Driver) -> None:
    path = world.component.path / "influx-databases" / "b.influxql"
    path.write_text("# DDL\nCREATE SOMETHING\n")
    with pytest.raises(PluginError, match="SOMETHING"):
        driver.activity("activate")
    assert world.whole() is None
    path.write_text("# DML\n# CONTEXT-DATABASE: app\nthis is no point\n")
    with pytest.raises(PluginError, match="the points"):
        driver.activity("activate")
    assert world.whole() is None
    path.unlink()
    driver.activity("activate")
    assert world.whole() is not None


@pytest.mark.parametrize("point", ["cpu,host=client load=1 1", "cpu,host=a load=9 1000000000"])
def test_one_that_fails_deletes_nothing_that_a_client_has_written(
    world: InfluxWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Not even where a client has written over a point of the initial state."""
    (world.component.path / "influx-databases" / "b.influxql").write_text("# DDL\nCREATE SOMETHING\n")
    load = activation._load

    def loads(*words: Any) -> None:
        load(*words)
        world.server.write(point, "app")

    monkeypatch.setattr(activation, "_load", loads)
    reporter = Reporter()
    with driver.context() as given:
        ctx = replace(given, progress=reporter)
        with pytest.raises(PluginError, match="SOMETHING"):
            world.plugin.activate(ctx)
        assert "the database app was kept" in "\n".join(reporter.lines)
        assert world.plugin.recover(ctx) is False
    assert [one for one in world.server.points("app") if one["name"] == "cpu"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE USER x WITH PASSWORD 'hunter2' WITH NONSENSE",
        "CREATE USER x WITH PASSWORD hunter2",
        "SET PASSWORD FOR nobody = 'hunter2'",
        'create user x with password "hunter2"',
    ],
)
def test_no_password_of_a_statement_is_shown(world: InfluxWorld, driver: Driver, statement: str) -> None:
    (world.component.path / "influx-databases" / "b.influxql").write_text(f"# DDL\n{statement}\n")
    with pytest.raises(PluginError, match=" ".join(statement.split()[:2])) as raised:
        driver.activity("activate")
    assert "hunter2" not in f"{raised.value!r} {raised.value} {raised.value.hint}"


def test_what_a_killed_one_began_is_finished_and_nothing_is_lost(
    world: InfluxWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients may have written as soon as the database was there."""
    with driver.context() as ctx:

        def dies() -> None:
            monkeypatch.setattr(activation, "_load", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            world.plugin.activate(ctx)

        assert in_child(dies) == signal.SIGKILL
        ctx.journal.step(activation.BEGUN)  # the child's copy of the journal died with it
        world.server.write("cpu,host=client load=1 1", "app")
        assert world.plugin.recover(ctx) is False
        points = world.server.points("app")
        assert {one["tags"]["host"] for one in points if one["name"] == "cpu"} == {"", "a", "b", "client"}
        assert world.plugin.recover(ctx) is False
        assert world.server.points("app") == points


def test_what_a_server_holds_is_listed(world: InfluxWorld) -> None:
    world.seed()
    world.server.query('create database "dysnomia_0_1_beside"')
    listed = world.plugin.list_state(world.component, ProcessRunner())
    assert sorted(one.name for one in listed.all) == ["another one", "app"]
    probe = world.plugin.probe(world.component, ProcessRunner())
    assert (probe.up, probe.version, probe.detail) == (True, probe.version, "")
    world.server.stop()
    assert not world.plugin.probe(world.component, ProcessRunner()).up
