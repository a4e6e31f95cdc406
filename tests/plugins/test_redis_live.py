"""Redis live: refusals before anything is touched, settings put back, what a crash finds saved, what dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import psutil
import pytest

from dysnomia_plugins.base import Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, Unsupported, WrongCredentials
from dysnomia_plugins.rd import swap, temp
from dysnomia_plugins.rd.discover import discover
from dysnomia_plugins.rd.facts import read
from dysnomia_plugins.rd.initial import split
from dysnomia_plugins.rd.resp import Connection
from dysnomia_plugins.rd.server import Server
from dysnomia_store.model import CheckResult, Generation
from dysnomia_tui.engine import activities
from tests.plugins.driver import Driver, Reporter, in_child
from tests.plugins.services import free_port
from tests.plugins.services_redis import Client, RedisError, RedisServer
from tests.plugins.worlds_redis import FAR, PASSWORD, USER, RedisWorld
from tests.waiting import wait_until

# In one worker: what discovery finds are all servers of the machine, those of these tests too.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis")]
SETTINGS = ("masterauth", "masteruser", "repl-diskless-load", "repl-diskless-sync", "repl-diskless-sync-delay")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RedisWorld]:
    with RedisWorld(tmp_path / "world") as one:
        yield one


@pytest.fixture
def driver(world: RedisWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def first_and_changed(world: RedisWorld, driver: Driver) -> Generation:
    """A generation of what was there, which then changes."""
    world.seed()
    first = driver.snapshot().generation
    world.change("string", Random(1))
    return first


def settings_of(world: RedisWorld) -> dict[str, object]:
    with world.at() as client:
        return {name: client("CONFIG", "GET", name) for name in SETTINGS}


def with_properties(world: RedisWorld, **properties: str) -> None:
    world.component = replace(world.component, properties={**world.component.properties, **properties})


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
        assert list(world.server.copies.iterdir()) == []

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


def as_bytes(reply: object) -> bytes:
    assert isinstance(reply, bytes)
    return reply


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

    def test_a_server_that_saves_nothing_leaves_no_file(self, world: RedisWorld, driver: Driver) -> None:
        first = first_and_changed(world, driver)
        driver.restore(first.number)
        assert list(world.server.folder.iterdir()) == []


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
        real = temp.serving

        @contextlib.contextmanager
        def elsewhere(*args: object, **how: object) -> Iterator[temp.Temporary]:
            with real(*args, **how) as ours:  # type: ignore[arg-type]
                yield replace(ours, port=free_port())

        monkeypatch.setattr(temp, "serving", elsewhere)
        with self.refused(world, driver, first.number, "cannot reach"):
            pass

    def test_another_version(self, world: RedisWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        first = first_and_changed(world, driver)
        monkeypatch.setattr(temp, "version", lambda ctx: "6.2.1")
        with self.refused(world, driver, first.number, "6.2.1"):
            pass
        assert "same version" in self.blockers(world, driver, first.number)[0]


class TestTrouble:
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

    def test_an_imported_file_of_a_module_is_refused(self, world: RedisWorld, driver: Driver, tmp_path: Path) -> None:
        folder = world.server.copies / "foreign"
        folder.mkdir(parents=True)
        (folder / "dump.rdb").write_bytes(b"REDIS0010\x07\x01kxx\xff" + bytes(8))
        with pytest.raises(Unsupported, match="module"):
            driver.identity(Place(str(folder)))

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
        assert any("2 keys have expired since" in line for line in reporter.lines)
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

    def test_a_command_that_fails_is_named_and_nothing_is_there(self, world: RedisWorld, driver: Driver) -> None:
        (world.component.path / "redis-databases" / "z.redis").write_text("SET a b\nLPUSH a c\n")
        with pytest.raises(PluginError, match=r"line 2 of .*z\.redis"):
            driver.activity("activate")
        assert world.whole() is None
        assert list(world.server.copies.iterdir()) == []

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
