"""What servers are set to and what their other listeners bring in: whole, or refused when the snapshot is made."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from tests.plugins.conformance.driver import Driver
from tests.plugins.influx.world import InfluxWorld
from tests.plugins.servers.common import free_port
from tests.plugins.servers.influx import InfluxServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def test_points_are_loaded_into_a_server_that_takes_little_at_once(tmp_path: Path) -> None:
    with InfluxWorld(tmp_path / "world", InfluxServer(web="  max-body-size = 400000")) as world:
        driver = Driver(world, tmp_path / "store")
        world.server.query('create database "app"')
        for first in range(0, 200, 10):
            text = "x" * 20000
            world.server.write("".join(f'm s="{text}" {first + at}\n' for at in range(10)), "app")
        before = world.whole()
        number = driver.snapshot().generation.number
        world.server.query("drop measurement m", "app")
        driver.restore(number)
        assert world.whole() == before


def test_a_point_that_is_larger_than_the_server_takes_is_said(tmp_path: Path) -> None:
    with InfluxWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.server.query('create database "app"')
        world.server.write(f'm s="{"x" * 30000}" 1\n', "app")
        number = driver.snapshot().generation.number
        world.server.stop()
        text = world.server.conf.read_text()
        world.server.conf.write_text(text.replace("[http]", "[http]\n  max-body-size = 10000"))
        world.server.start()
        with pytest.raises(PluginError, match=r"takes no point of 30\d\d\d bytes") as raised:
            driver.restore(number)
        assert "max-body-size" in raised.value.hint


def test_a_database_whose_default_policy_is_gone_has_none_after_a_restore(tmp_path: Path) -> None:
    with InfluxWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.server.query('create database "app"')
        world.server.query("create retention policy r on app duration inf replication 1 default")
        world.server.query("drop retention policy r on app")
        world.server.write("m v=1 1\n", "app", "autogen")
        before = world.whole()
        number = driver.snapshot().generation.number
        world.server.query("drop measurement m", "app")
        driver.restore(number)
        assert world.whole() == before


@pytest.fixture
def opentsdb(tmp_path: Path) -> Iterator[tuple[InfluxWorld, int]]:
    port = free_port()
    more = (
        f'[[opentsdb]]\n  enabled = true\n  bind-address = "127.0.0.1:{port}"\n  database = "app"\n'
        '  batch-size = 1\n  batch-timeout = "10ms"\n'
    )
    with InfluxWorld(tmp_path / "world", InfluxServer(more=more)) as world:
        yield world, port


@pytest.mark.parametrize(("metric", "tag"), [("m", "a\\"), ("\tm", "a")])
def test_what_only_another_protocol_can_write_is_refused(
    opentsdb: tuple[InfluxWorld, int], tmp_path: Path, metric: str, tag: str
) -> None:
    """A snapshot of it was good, and could not be loaded."""
    world, port = opentsdb
    world.server.query('create database "app"')
    point = json.dumps({"metric": metric, "timestamp": 1500000000, "value": 1, "tags": {"host": tag}})
    with _DIRECT.open(f"http://127.0.0.1:{port}/api/put", point.encode()):
        pass
    wait_until(lambda: bool(world.server.query("show series", "app")))
    with pytest.raises(PluginError, match="a series is called what no line can hold"):
        Driver(world, tmp_path / "store").snapshot()
