"""Redis's takeover: settings put back, what a crash right after it finds saved, who dies in the middle."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown
from dysnomia_plugins.types.redis import swap
from dysnomia_plugins.types.redis.resp import Connection
from dysnomia_store.model import Reason
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Reporter, in_child
from tests.plugins.redis.scene import SETTINGS, as_bytes, first_and_changed, settings_of
from tests.plugins.redis.world import PASSWORD, USER, RedisWorld
from tests.plugins.servers.common import free_port
from tests.plugins.servers.redis import Client, RedisError
from tests.waiting import wait_until

# In one worker: what discovery finds are all servers of the machine, those of these tests too.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis")]
WORLD = RedisWorld


class TestSettings:
    def test_all_are_as_before_and_no_secret_stands_in_the_journal(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with world.at() as client:
            for name, value in zip(SETTINGS, ("a master's own", "me", "on-empty-db", "no", "3"), strict=True):
                client("CONFIG", "SET", name, value)
        before = settings_of(world)
        bench = driver.bench()
        activities.restore(bench, first.number)
        assert settings_of(world) == before
        said = driver.journal_path(bench.job).read_bytes()
        assert b"a master's own" not in said
        assert PASSWORD.encode() not in said
        assert world.left() == []

    def test_they_are_put_back_after_a_worker_died_as_a_replica(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        with world.at() as client:
            client("CONFIG", "SET", "masterauth", "a master's own")
        before, now = settings_of(world), world.whole()
        job = driver.new_job()
        steps = step_numbers(driver, first.number)
        world.change("string", Random(1))
        mortal = (steps[swap.TAKEOVER], True)
        assert in_child(lambda: activities.restore(driver.bench(job, mortal=mortal), first.number)) == signal.SIGKILL
        assert settings_of(world) != before
        driver.dead.append(job)
        for left in driver.unsettled():
            activities.recover(driver.bench(), left)
        assert settings_of(world) == before
        assert world.whole() == now
        world.change("string", Random(2))

    def test_a_replica_that_another_made_of_it_is_left_alone(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        job = driver.new_job()
        steps = step_numbers(driver, first.number)
        mortal = (steps[swap.GUARDED], True)
        assert in_child(lambda: activities.restore(driver.bench(job, mortal=mortal), first.number)) == signal.SIGKILL
        with world.at() as client:
            client("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(NotSafe, match="not made by this job"):
                activities.recover(driver.bench(), driver.left(job))
            assert b"role:slave" in as_bytes(client("INFO", "replication"))


def step_numbers(driver: Driver, number: int) -> dict[str, int]:
    """Where each step of the plugin's stands in the journal of a restore, from one that is undone again."""
    bench = driver.bench()
    activities.restore(bench, number)
    names = [data.get("step", name) for name, data in bench.journal.steps()]
    driver.undo(bench.job)
    return {name: place for place, name in enumerate(names, 1)}


def save(client: Client) -> None:
    """As soon as no other saving is under way: the child that sends a dump counts as one until it has ended."""

    def saved() -> bool:
        try:
            return client("SAVE") == b"OK"
        except RedisError:
            return False

    wait_until(saved)


class TestSaved:
    """What a crash right after a restore brings back."""

    @pytest.mark.parametrize("how", ["rdb", "aof", "both"])
    def test_it_is_the_restored_state(self, tmp_path: Path, how: str) -> None:
        settings = {"appendonly": "yes" if how != "rdb" else "no", "save": '""' if how == "aof" else "3600 1"}
        with RedisWorld(tmp_path / "world", settings) as world:
            driver = Driver(world, tmp_path / "store")
            first = first_and_changed(world, driver)
            with world.at() as client:
                if how != "aof":
                    save(client)
            then = driver.restore(first.number)
            assert then.generation is not None
            restored = world.whole()
            world.server.kill()
            world.server.start()
            assert world.whole() == restored
            assert driver.identity() == first.id

    @pytest.mark.parametrize("way", ["renamed", "denied"])
    def test_a_rewrite_that_may_not_be_asked_for(self, tmp_path: Path, way: str) -> None:
        """The takeover began one by itself. Before, the restore failed after its swap, and so did each job after it."""
        renamed = {"rename-command": 'BGREWRITEAOF ""'} if way == "renamed" else {}
        with RedisWorld(tmp_path / "world", {"appendonly": "yes", **renamed}) as world:
            driver = Driver(world, tmp_path / "store")
            first = first_and_changed(world, driver)
            if way == "denied":
                with world.at() as client:
                    client("ACL", "SETUSER", USER, "-bgrewriteaof")
            reporter = Reporter()
            activities.restore(driver.bench(reporter=reporter), first.number)
            assert any("not certain" in line and "BGREWRITEAOF" in line for line in reporter.lines)
            restored = world.whole()
            world.server.kill()
            world.server.start()
            assert world.whole() == restored
            assert driver.identity() == first.id

    def test_a_server_that_saves_nothing_leaves_no_file(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        driver.restore(first.number)
        assert list(world.server.folder.iterdir()) == []


class TestTrouble:
    def test_live_killed_in_the_middle_of_its_takeover(
        self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = first_and_changed(world, driver)
        with world.at() as client:
            save(client)
        now = world.whole()
        real = swap.Takeover._await_link

        def killing(self: swap.Takeover, live: Connection, hold: swap.Hold) -> None:
            world.server.kill()
            real(self, live, hold)

        bench = driver.bench()
        with monkeypatch.context() as patch:
            patch.setattr(swap.Takeover, "_await_link", killing)
            with pytest.raises(ServerDown):
                activities.restore(bench, first.number)
        driver.dead.append(bench.job)
        world.server.start()
        for left in driver.unsettled():
            activities.recover(driver.bench(), left)
        assert world.whole() == now
        assert driver.left_behind(bench.job) == []

    def test_our_server_killed_in_the_middle_of_the_takeover(
        self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = first_and_changed(world, driver)
        now, before = world.whole(), settings_of(world)
        real = swap.Takeover._take

        def killing(self: swap.Takeover, live: Connection, hold: swap.Hold) -> None:
            os.kill(int(self.ours.connection.info()["process_id"]), signal.SIGKILL)
            real(self, live, hold)

        monkeypatch.setattr(swap.Takeover, "_take", killing)
        monkeypatch.setattr(swap, "LINK_SECONDS", 1.0)
        bench = driver.bench()
        with pytest.raises(PluginError):
            activities.restore(bench, first.number)
        assert world.whole() == now
        assert settings_of(world) == before
        assert driver.left_behind(bench.job) == []

    @pytest.mark.parametrize("saved", ["before", "after"])
    def test_live_started_anew_with_what_it_had_saved(
        self, world: RedisWorld, driver: Driver, saved: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Live has forgotten whether it took over the restored data: what it holds says it."""
        first = first_and_changed(world, driver)
        then_now = world.whole()
        with world.at() as client:
            save(client)

        def crash(live: Connection, before: object) -> None:
            if saved == "after":
                with world.at() as client:
                    save(client)
            world.server.kill()
            raise ServerDown("the machine has crashed")

        bench = driver.bench()
        with monkeypatch.context() as patch:
            patch.setattr(swap, "put_back", crash)
            with pytest.raises(ServerDown):
                activities.restore(bench, first.number)
        world.server.start()
        driver.dead.append(bench.job)
        with world.at() as client:
            client("SET", "written", "since")
            client("CONFIG", "SET", "repl-diskless-load", "disabled")
        for left in driver.unsettled():
            activities.recover(driver.bench(), left)
        with world.at() as client:
            client("DEL", "written")
        assert (driver.identity() == first.id) == (saved == "after")
        assert (world.whole() == then_now) == (saved == "before")
        assert (driver.newest().restored == first.number) == (saved == "after")

    @pytest.mark.parametrize("by", ["the next writer", "the job itself"])
    def test_live_started_anew_without_its_data_has_them_in_the_guard(
        self, world: RedisWorld, driver: Driver, by: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a server that saves nothing the guard, taken right before, is the only copy of what was acknowledged."""
        first = first_and_changed(world, driver)
        with world.at() as client:
            client("FLUSHALL")
            client("SET", "the only", "key")
        now = world.whole()

        def crash(self: swap.Takeover, live: Connection, hold: swap.Hold) -> None:
            world.server.kill()
            if by == "the job itself":
                world.server.start()
            raise ServerDown("the machine has crashed")

        bench = driver.bench()
        with monkeypatch.context() as patch:
            patch.setattr(swap.Takeover, "_await_link", crash)
            with pytest.raises(ServerDown) as caught:
                activities.restore(bench, first.number)
        if by == "the job itself":
            assert "lacks what it held: that is generation" in caught.value.message
        else:
            world.server.start()
            driver.dead.append(bench.job)
            (left,) = driver.unsettled()
            recovery = activities.recover(driver.bench(), left)
            assert "generation" in recovery.text
            assert "still is" not in recovery.text
        assert not driver.unsettled()
        assert driver.left_behind(bench.job) == []
        made = [one for one in driver.generations() if one.job == bench.job]
        assert [one.reason for one in made] == [Reason.GUARD], "it replaced nothing"
        assert made[0].marks.pins
        assert activities.restore(driver.bench(), made[0].number).whole
        assert world.whole() == now

    def test_a_takeover_that_does_not_come_about_is_given_up(
        self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = first_and_changed(world, driver)
        now, before = world.whole(), settings_of(world)
        monkeypatch.setattr(swap, "LINK_SECONDS", 0.3)
        real = swap.Takeover._take

        def unplugged(self: swap.Takeover, live: Connection, hold: swap.Hold) -> None:
            self.ours = replace(self.ours, port=free_port())
            real(self, live, hold)

        monkeypatch.setattr(swap.Takeover, "_take", unplugged)
        bench = driver.bench()
        with pytest.raises(PluginError):
            activities.restore(bench, first.number)
        with world.at() as client:
            client("REPLICAOF", "NO", "ONE")
        assert world.whole() == now
        monkeypatch.undo()
        driver.dead.append(bench.job)
        for left in driver.unsettled():
            activities.recover(driver.bench(), left)
        assert settings_of(world) == before
