"""Redis live: who is let in, what is seen of it, what it begins with, keys that expire."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.types.redis import initial
from dysnomia_plugins.types.redis.discover import discover
from dysnomia_plugins.types.redis.initial import run_file, split
from dysnomia_plugins.types.redis.resp import Connection
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.server_info import read
from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Reporter, with_properties
from tests.plugins.redis.changes import FAR
from tests.plugins.redis.scene import first_and_changed
from tests.plugins.redis.world import PASSWORD, RedisWorld
from tests.plugins.servers.common import free_port
from tests.plugins.servers.redis import RedisServer
from tests.waiting import wait_until

# In one worker: what discovery finds are all servers of the machine, those of these tests too.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis")]
WORLD = RedisWorld


class TestLetIn:
    @pytest.mark.parametrize(
        ("properties", "error"),
        [
            ({"redisPassword": "wrong secret"}, WrongCredentials),
            ({"redisUsername": "", "redisPassword": "wrong secret"}, WrongCredentials),
            ({"redisSocket": "/nonexistent/s"}, ServerDown),
            ({"redisSocket": "", "redisPort": "1"}, ServerDown),
            ({"redisPort": "many"}, PluginError),
            ({"redisPassword": "", "redisPasswordFile": "/nonexistent"}, PluginError),
        ],
    )
    def test_who_is_not_let_in_is_told(
        self, world: RedisWorld, driver: Driver, properties: dict[str, str], error: type[PluginError]
    ) -> None:
        world.seed()
        with_properties(world, **properties)
        with pytest.raises(error) as caught:
            driver.snapshot()
        assert "wrong secret" not in str(caught.value)
        probe = world.plugin.probe(world.component, driver.bench().runner)
        assert not probe.up
        assert probe.detail

    def test_a_password_in_a_file(self, world: RedisWorld, driver: Driver, tmp_path: Path) -> None:
        world.seed()
        (tmp_path / "secret").write_text(PASSWORD + "\n")
        with_properties(world, redisPassword="", redisPasswordFile=str(tmp_path / "secret"))
        assert driver.snapshot().committed.new

    def test_no_secret_is_seen_from_outside(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        seen: set[str] = set()
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                for process in psutil.process_iter():
                    with contextlib.suppress(psutil.Error):
                        seen.update(process.cmdline())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            driver.restore(first.number)
            activities.verify(driver.bench(), first.number)
        finally:
            done.set()
            looking.join()
        assert any("redis-server" in word for word in seen)
        assert not any(PASSWORD in word or "requirepass" in word for word in seen)
        argv, env = world.plugin.shell(world.component)
        assert PASSWORD not in " ".join(argv)
        asked = subprocess.run([*argv, "GET", "number"], env={**os.environ, **env}, capture_output=True, check=True)
        assert asked.stdout.strip() == b"17"


class TestLooking:
    def test_a_probe_tells_version_size_and_clients(self, world: RedisWorld, driver: Driver) -> None:
        world.seed()
        with world.server.client() as other:
            other("CLIENT", "SETNAME", "shop")
            probe = world.plugin.probe(world.component, driver.bench().runner)
        assert probe.up
        assert probe.version.startswith("7.")
        assert probe.size
        assert probe.size > 500_000
        assert probe.clients == 1
        assert "(shop)" in probe.who[0]
        assert "keys in 3 databases" in probe.detail

    def test_a_server_that_is_stopped_is_not_answering(self, world: RedisWorld, driver: Driver) -> None:
        os.kill(world.server.pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            probe = world.plugin.probe(world.component, driver.bench().runner)
            assert time.monotonic() - start < 10
        finally:
            os.kill(world.server.pid, signal.SIGCONT)
        assert (probe.up, probe.detail) == (False, "not answering")

    def test_servers_that_run_are_found_but_not_those_of_a_job(self, world: RedisWorld, driver: Driver) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        with RedisServer(tcp=True) as other, driver.context() as ctx:
            beside = world.plugin.place(ctx, Purpose.BESIDE)
            world.plugin.load(ctx, driver.store.stored(driver.key, driver.ids()[number]), beside)
            found = list(discover())
            world.plugin.drop(ctx, beside)
            ports = {one.properties.get("redisPort") for one in found}
            sockets = {one.properties.get("redisSocket") for one in found}
        assert str(other.port) in ports
        assert str(world.server.socket) in sockets
        assert "s" not in sockets
        assert not [one for one in found if "asks for a password" in one.detail and one.properties.get("redisPort")]
        guarded = next(one for one in found if one.properties.get("redisSocket") == str(world.server.socket))
        assert "keys" in guarded.detail

    def test_over_tcp(self, tmp_path: Path) -> None:
        port = free_port()
        with RedisWorld(tmp_path / "world", {"port": str(port)}) as world:
            with_properties(world, redisSocket="", redisPort=str(port))
            driver = Driver(world, tmp_path / "store")
            first = first_and_changed(world, driver)
            driver.restore(first.number)
            assert driver.identity() == first.id
            with Connection.open(Server.of(world.component)) as live:
                assert read(live).databases == 24


class TestInitialState:
    def test_a_dump_file_and_then_commands(self, world: RedisWorld, driver: Driver, tmp_path: Path) -> None:
        initial = world.component.path / "redis-databases"
        with RedisServer() as other, other.client() as client:
            client("SET", "from", "the file")
            client("SAVE")
            (initial / "start.rdb").write_bytes((other.folder / "dump.rdb").read_bytes())
        (initial / "more.redis").write_text("APPEND from ' and commands'\n")
        driver.activity("activate")
        with world.at() as client:
            assert client("GET", "from") == b"the file and commands"
            assert client("GET", "greeting") == b"hello world"
            client("SELECT", 3)
            assert client("HGET", "a hash", "field") == b"\x00\xff"

    def test_keys_written_meanwhile_are_kept(
        self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at an empty server and the takeover."""
        (world.component.path / "redis-databases" / "more.redis").write_text("SET a b\n")

        def run_late(*words: Any) -> None:
            run_file(*words)
            with world.at() as client:
                client("SET", "written", "meanwhile")

        monkeypatch.setattr(initial, "run_file", run_late)
        with pytest.raises(NotSafe, match="keys were written"):
            driver.activity("activate")
        with world.at() as client:
            assert client("GET", "written") == b"meanwhile"
            assert client("DBSIZE") == 1
            client("SET", "it", "takes writes")
        assert world.left() == []

    def test_a_command_that_fails_is_named_and_nothing_is_there(self, world: RedisWorld, driver: Driver) -> None:
        (world.component.path / "redis-databases" / "z.redis").write_text("SET a b\nLPUSH a c\n")
        with pytest.raises(PluginError, match=r"line 2 of .*z\.redis"):
            driver.activity("activate")
        assert world.whole() is None
        assert world.left() == []

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ('SET "a b" \'c "d\'', [b"SET", b"a b", b'c "d']),
            (r'"\x00\xfF\n\"\\" plain\x41', [b'\x00\xff\n"\\', rb"plain\x41"]),
            (r"'it\'s' ''", [b"it's", b""]),
            ("é", ["é".encode()]),
        ],
    )
    def test_words(self, line: str, words: list[bytes]) -> None:
        assert split(line) == words

    @pytest.mark.parametrize("line", ['"open', "'open", '"a"b'])
    def test_open_quotes(self, line: str) -> None:
        with pytest.raises(ValueError, match="quote"):
            split(line)


class TestExpiring:
    def test_keys_that_expire_meanwhile_are_not_restored_and_prove_nothing_wrong(
        self, world: RedisWorld, driver: Driver
    ) -> None:
        world.seed()
        with world.at() as client:
            soon = int(time.time() * 1000) + 1500
            client("SET", "soon gone", "x", "PXAT", soon)
            client("HSET", "soon gone too", "a", "b")
            client("PEXPIREAT", "soon gone too", soon)
        number = driver.snapshot().generation.number
        wait_until(lambda: time.time() * 1000 > soon + 50)
        check = activities.verify(driver.bench(), number)
        assert check.result is CheckResult.OK, check.text
        reporter = Reporter()
        activities.restore(driver.bench(reporter=reporter), number)
        assert any("2 keys of the snapshot have expired" in line for line in reporter.lines)
        with world.at() as client:
            assert client("EXISTS", "soon gone", "soon gone too") == 0
            assert client("PEXPIRETIME", "passes") == FAR

    def test_keys_that_had_expired_are_counted_and_not_part_of_the_id(self, tmp_path: Path) -> None:
        with RedisWorld(tmp_path / "world", {"enable-debug-command": "local"}) as world:
            driver = Driver(world, tmp_path / "store")
            world.seed()
            before = driver.identity()
            with world.at() as client:
                client("DEBUG", "SET-ACTIVE-EXPIRE", "0")
                soon = int(time.time() * 1000) + 1
                client("SET", "gone", "x", "PXAT", soon)
            wait_until(lambda: time.time() * 1000 > soon + 1000)
            reporter = Reporter()
            made = activities.snapshot(driver.bench(reporter=reporter)).generation
            assert made.id == before
            assert any("1 keys had expired already" in line for line in reporter.lines)
