"""What Redis's restores are refused for: before anything is touched, live, its settings, its role, its writers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Severity
from dysnomia_plugins.errors import NotSafe, PluginError, Unsupported
from dysnomia_plugins.types.redis import swap, temporary_server
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.redis.scene import as_bytes, first_and_changed, settings_of
from tests.plugins.redis.world import USER, RedisWorld
from tests.plugins.servers.common import free_port
from tests.plugins.servers.redis import RedisServer
from tests.waiting import wait_until

# In one worker: what discovery finds are all servers of the machine, those of these tests too.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis")]
WORLD = RedisWorld


class TestRefusals:
    """Before anything is touched: live, its settings, its role, its writers."""

    @contextlib.contextmanager
    def refused(self, world: RedisWorld, driver: Driver, number: int, match: str) -> Iterator[None]:
        before, now, ids = settings_of(world), world.whole(), driver.ids()
        bench = driver.bench()
        with pytest.raises((NotSafe, PluginError), match=match):
            activities.restore(bench, number)
        yield
        assert swap.SWAP.encode() not in driver.journal_path(bench.job).read_bytes()
        assert settings_of(world) == before
        assert world.whole() == now
        assert driver.ids() == ids
        assert driver.left_behind(bench.job) == []

    def blockers(self, world: RedisWorld, driver: Driver, number: int) -> list[str]:
        with driver.context() as ctx:
            stored = driver.store.stored(driver.key, driver.ids()[number])
            found = world.plugin.preflight(ctx, stored, replace=True)
        return [one.text for one in found.findings if one.severity is Severity.BLOCKER]

    def test_none_stands_against_an_ordinary_one(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        assert self.blockers(world, driver, first.number) == []

    def test_a_replica(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with RedisServer(tcp=True) as master, world.at() as client:
            client("REPLICAOF", "127.0.0.1", master.port)
            client("CONFIG", "SET", "replica-serve-stale-data", "yes")
            wait_until(lambda: b"master_link_status:up" in as_bytes(client("INFO", "replication")))
            with self.refused(world, driver, first.number, "is a replica of"):
                pass
            assert "is a replica of" in self.blockers(world, driver, first.number)[0]
            client("REPLICAOF", "NO", "ONE")

    def test_a_cluster(self, tmp_path: Path, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with RedisServer({"cluster-enabled": "yes", "cluster-port": str(free_port())}, tcp=True) as cluster:
            with_properties(world, redisSocket=str(cluster.socket), redisUsername="", redisPassword="")
            with pytest.raises(NotSafe, match="runs as cluster"):
                driver.restore(first.number)
            assert any("only the keys of its own slots" in text for text in driver.snapshot().warnings)

    def test_a_sentinel_that_watches(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with world.server.client() as sentinel:
            sentinel("CLIENT", "SETNAME", "sentinel-0123abcd-cmd")
            with self.refused(world, driver, first.number, "watched by a Sentinel"):
                pass

    @pytest.mark.parametrize("denied", ["config|set", "replicaof", "client|pause", "sync"])
    def test_a_command_that_is_denied(self, world: RedisWorld, driver: Driver, denied: str) -> None:
        first = first_and_changed(world, driver)
        with world.at() as client:
            client("ACL", "SETUSER", USER, f"-{denied}")
        with self.refused(world, driver, first.number, denied.split("|")[0].upper()):
            pass
        assert self.blockers(world, driver, first.number)

    def test_a_command_that_is_denied_to_a_user_who_may_not_ask(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with world.at() as client:
            client("ACL", "SETUSER", USER, "-replicaof", "-acl", "-command")
        with self.refused(world, driver, first.number, "REPLICAOF"):
            pass

    def test_a_command_that_was_renamed(self, tmp_path: Path) -> None:
        with RedisWorld(tmp_path / "world", {"rename-command": 'REPLICAOF ""'}) as world:
            driver = Driver(world, tmp_path / "store")
            first = first_and_changed(world, driver)
            with self.refused(world, driver, first.number, "no command REPLICAOF"):
                pass

    @pytest.mark.parametrize("command", ["CONFIG", "INFO", "SYNC"])
    def test_a_snapshot_says_which_command_was_renamed(self, tmp_path: Path, command: str) -> None:
        with RedisWorld(tmp_path / "world", {"rename-command": f'{command} "other"'}) as world:
            with pytest.raises(PluginError) as caught:
                Driver(world, tmp_path / "store").snapshot()
            assert f"the server has no command {command} (see rename-command" in str(caught.value)

    def test_a_renamed_command_is_named_once(self, tmp_path: Path) -> None:
        with RedisWorld(tmp_path / "world", {"rename-command": 'CLIENT ""'}) as world:
            driver = Driver(world, tmp_path / "store")
            with world.at() as client:
                client("SET", "key", "value")
            number = driver.snapshot().generation.number
            (text,) = [one for one in self.blockers(world, driver, number) if "command" in one]
            assert "no command CLIENT" in text

    def test_a_database_beyond_those_of_live(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        world.server.stop()
        world.server.settings["databases"] = "23"
        world.server.start()
        with self.refused(world, driver, first.number, "keys in database 23"):
            pass
        assert "database 23" in self.blockers(world, driver, first.number)[0]

    def test_more_than_live_may_hold(self, world: RedisWorld, driver: Driver) -> None:
        world.seed()
        with world.at() as client:
            client.many(("SET", f"filler {n}", os.urandom(100_000)) for n in range(100))
        number = driver.snapshot().generation.number
        with world.at() as client:
            client("FLUSHALL")
            client("CONFIG", "SET", "maxmemory-policy", "noeviction")
            client("CONFIG", "SET", "maxmemory", "6mb")
        with self.refused(world, driver, number, "maxmemory"):
            pass

    def test_a_server_of_ours_that_live_cannot_reach(
        self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = first_and_changed(world, driver)
        real = temporary_server.serving

        @contextlib.contextmanager
        def elsewhere(*args: object, **how: object) -> Iterator[temporary_server.Temporary]:
            with real(*args, **how) as ours:  # type: ignore[arg-type]
                yield replace(ours, port=free_port())

        monkeypatch.setattr(temporary_server, "serving", elsewhere)
        with self.refused(world, driver, first.number, "cannot reach"):
            pass

    def test_a_program_of_another_version(self, world: RedisWorld, driver: Driver, newest_redis: Path) -> None:
        first = first_and_changed(world, driver)
        with_properties(world, redisBinDir=str(newest_redis.parent))
        with self.refused(world, driver, first.number, "here is Redis 8"):
            pass
        assert "same version" in self.blockers(world, driver, first.number)[0]

    def test_no_program_at_all(self, world: RedisWorld, driver: Driver, tmp_path: Path) -> None:
        first = first_and_changed(world, driver)
        with_properties(world, redisBinDir=str(tmp_path))
        with self.refused(world, driver, first.number, "neither redis-server nor valkey-server"):
            pass

    def test_an_imported_file_of_a_module_is_refused(self, world: RedisWorld, driver: Driver, tmp_path: Path) -> None:
        folder = tmp_path / "foreign"
        folder.mkdir()
        (folder / "dump.rdb").write_bytes(b"REDIS0010\x07\x01kxx\xff" + bytes(8))
        with pytest.raises(Unsupported, match="module"):
            driver.identity(Place(str(folder)))
