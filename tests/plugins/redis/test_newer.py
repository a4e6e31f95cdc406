"""Valkey and newer Redis, on real servers: versions told apart, their own files, fields that expire, discovery."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe, PluginError, Unsupported
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.redis.contents import Keys, scan
from dysnomia_plugins.types.redis.discover import discover
from dysnomia_plugins.types.redis.programs import client, fitting
from dysnomia_plugins.types.redis.rdb_file import check_keys
from dysnomia_plugins.types.redis.resp import Connection
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.server_info import Counts, read
from dysnomia_plugins.types.redis.versions import REDIS, VALKEY, Format, Version
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.redis import build
from tests.plugins.redis.changes import FAR, passing_fields
from tests.plugins.redis.test_rdb import assert_same, elements, of_server
from tests.plugins.redis.world import RedisWorld
from tests.plugins.redis.worlds import NewestWorld
from tests.plugins.servers.redis import RedisServer
from tests.waiting import wait_until

# In one worker: what discovery finds are all servers of the machine, those of these tests too.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis")]
BOTH = pytest.mark.parametrize("kind", ["valkey", "newest_redis"])


@pytest.fixture
def program(request: pytest.FixtureRequest, kind: str) -> Path:
    found: Path = request.getfixturevalue(kind)
    return found


@pytest.fixture
def world(program: Path, tmp_path: Path) -> Iterator[RedisWorld]:
    with NewestWorld(program, tmp_path / "world") as world:
        yield world


@BOTH
class TestFields:
    def test_the_reader_says_what_the_server_does(self, program: Path, kind: str) -> None:
        with RedisServer({"hash-max-listpack-entries": "20"}, program=program) as server, server.client() as client:
            assert not [one for one in client.many(passing_fields()) if isinstance(one, Exception)]
            data = of_server(client, server)
            assert_same(elements(data), client)
            assert elements(data) == elements(data, step=7)
            assert (b"token", b"t", FAR - 5) in elements(data)[0, b"session"][2]
        assert data.startswith(b"VALKEY080" if kind == "valkey" else b"REDIS0012")

    def test_what_passes_after_the_snapshot_is_in_it(self, world: RedisWorld, driver: Driver) -> None:
        """A field, and a hash of which nothing is left: the snapshot is proven, and restored without them."""
        world.seed()
        with world.at() as client:
            client.many([("HSET", "brief", "a", "1", "b", "2"), ("HPEXPIRE", "brief", 2000, "FIELDS", 1, "a")])
            client.many([("HSET", "gone", "a", "1"), ("HPEXPIRE", "gone", 2000, "FIELDS", 1, "a")])
            number = driver.snapshot().generation.number
            wait_until(lambda: client("EXISTS", "gone") == 0)
            wait_until(lambda: client("HLEN", "brief") == 1)
        then = world.whole()
        check = activities.verify(driver.bench(), number)
        assert check.result is CheckResult.OK, check.text
        with world.at() as client:
            client("SET", "plain", "another")
        driver.restore(number)
        assert world.whole() == then

    def test_what_had_passed_before_is_not(self, program: Path) -> None:
        with RedisServer(program=program) as server, server.client() as client:
            client.many([*passing_fields(), ("HSET", "session", "user", "alice"), ("PERSIST", "session")])
            data = of_server(client, server)
            client.many([("DEL", "all pass"), ("HDEL", "session", "token", "seen")])
            client.many(("HDEL", "tokens", f"token{n}") for n in range(0, 700, 7))
            lasting = of_server(client, server)
        after = scan(io.BytesIO(data), now=FAR + 1000)
        expected = scan(io.BytesIO(lasting)).tallies[0, "hash"]
        assert after.tallies[0, "hash"] == expected
        assert after.expired == 1
        assert scan(io.BytesIO(data)).tallies[0, "hash"].passing == 1

    def test_a_field_shows_when_it_expires(self, world: RedisWorld, driver: Driver) -> None:
        world.seed()
        stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
        section = next(one for one in stored.sections() if one.name == "db0 hash")
        rows = [world.plugin.parse_row(section, raw) for part in world.plugin.raw_rows(stored, section) for raw in part]
        shown = {row.key[1]: row.cells[-1] for row in rows if row.key[0] == "session"}
        assert shown["user"] == "-"
        assert str(shown["token"]).startswith("2099-12-31T23:59:59.995")


@BOTH
class TestVersions:
    def test_a_live_server_and_a_program_are_told_apart(self, world: RedisWorld, program: Path, kind: str) -> None:
        server = Server.of(world.component)
        with Connection.open(server) as live:
            version = read(live).version
        assert version.product == (VALKEY if kind == "valkey" else REDIS)
        assert version.series >= (8, 0)
        assert fitting(ProcessRunner(), server, version).version == version
        assert world.plugin.probe(world.component, ProcessRunner()).version == version.number

    def test_the_snapshot_says_whose_it_is(self, world: RedisWorld, driver: Driver, kind: str) -> None:
        world.seed()
        metadata = driver.snapshot().generation.metadata
        assert metadata is not None
        assert list(metadata.tool_versions) == [VALKEY if kind == "valkey" else REDIS]

    def test_it_is_discovered(self, world: RedisWorld, kind: str) -> None:
        with RedisServer(tcp=True, program=world.program) as server:
            found = next(one for one in discover() if one.properties.get("redisPort") == str(server.port))
        assert found.detail.startswith("Valkey 9" if kind == "valkey" else "Redis 8")

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: what others listen on")
    @pytest.mark.parametrize("tcp", [True, False])
    def test_it_is_discovered_whatever_its_title(self, program: Path, tcp: bool) -> None:
        with RedisServer({"proc-title-template": "{config-file}"}, tcp=tcp, program=program) as server:
            found = {str(one.properties.get("redisPort") or one.properties["redisSocket"]) for one in discover()}
        assert (str(server.port) if tcp else str(server.socket)) in found

    def test_a_program_of_another_kind_is_refused_before_anything_is_touched(
        self, world: RedisWorld, driver: Driver
    ) -> None:
        """The machine's own redis-server, where no folder is named."""
        world.seed()
        number = driver.snapshot().generation.number
        now = world.whole()
        with_properties(world, redisBinDir="")
        with pytest.raises(NotSafe, match="must be of the same version"):
            driver.restore(number)
        assert world.whole() == now

    def test_an_older_server_cannot_take_it_and_the_plan_says_so(
        self, world: RedisWorld, driver: Driver, tmp_path: Path
    ) -> None:
        world.seed()
        first = driver.snapshot().generation
        with RedisWorld(tmp_path / "older") as older:
            with driver.context() as ctx:
                stored = driver.store.stored(driver.key, first.id)
                mine = world.component
                world.component = older.component
            with driver.context() as ctx:
                found = world.plugin.preflight(ctx, stored, replace=True).findings
                copy = world.plugin.preflight(ctx, stored, replace=False).findings
            world.component = mine
        for findings in (found, copy):
            blockers = [one.text for one in findings if one.severity is Severity.BLOCKER]
            assert any("does not load" in text for text in blockers), blockers


class TestCounts:
    """What a server of ours has loaded, beside what the index says: hashes may pass with their fields."""

    @pytest.mark.parametrize(
        ("there", "wanted", "gone"),
        [
            (Counts(5, 2), Keys(5, 2), 0),
            (Counts(4, 1), Keys(5, 2), 1),
            (Counts(4, 2), Keys(5, 2, passing=1), 1),
            (Counts(6, 2, passing=1), Keys(5, 2), 0),
        ],
    )
    def test_enough(self, there: Counts, wanted: Keys, gone: int) -> None:
        assert check_keys({0: there}, {0: wanted}) == gone

    @pytest.mark.parametrize(
        ("there", "wanted"), [(Counts(4, 2), Keys(5, 2)), (Counts(6, 2), Keys(5, 2)), (Counts(3, 2), Keys(5, 2, 1))]
    )
    def test_too_few_or_too_many(self, there: Counts, wanted: Keys) -> None:
        with pytest.raises(Corrupt):
            check_keys({0: there}, {0: wanted})


class TestFormats:
    @pytest.mark.parametrize(
        ("magic", "server", "loads"),
        [
            (b"REDIS0011", Version(REDIS, "7.0.15"), False),
            (b"REDIS0010", Version(REDIS, "7.0.15"), True),
            (b"REDIS0012", Version(REDIS, "7.4.1"), True),
            (b"REDIS0011", Version(VALKEY, "9.1.2"), True),
            (b"REDIS0012", Version(VALKEY, "9.1.2"), False),
            (b"VALKEY080", Version(VALKEY, "8.1.8"), False),
            (b"VALKEY080", Version(VALKEY, "9.1.2"), True),
            (b"VALKEY080", Version(REDIS, "8.2.3"), False),
            (b"REDIS0013", Version(REDIS, "9.0.0"), True),
        ],
    )
    def test_who_loads_what(self, magic: bytes, server: Version, loads: bool) -> None:
        format_ = Format.of(magic)
        assert format_ is not None
        assert format_.loads_in(server) is loads

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (b"REDIS0013" + build.aux(b"redis-ver", b"8.6.1") + b"\xff", "version 13 of Redis.*made by Redis 8.6.1"),
            (b"VALKEY081" + build.aux(b"valkey-ver", b"10.0.0") + b"\xff", "81 of Valkey.*made by Valkey 10.0.0"),
            (b"VALKEY011" + b"\xff", "version 11 of Valkey"),
            (b"REDIS0012" + build.aux(b"redis-ver", b"7.4.0") + b"\x16\x01h\x00", r"Redis 7.4.0\) .*candidates"),
        ],
    )
    def test_what_is_not_read_is_refused_with_the_version_named(self, data: bytes, match: str) -> None:
        with pytest.raises(Unsupported, match=match):
            scan(io.BytesIO(data + bytes(8)))

    def test_a_damaged_hash_is_said(self) -> None:
        packed = build.key(25, b"h", bytes(8) + build.string(build.listpack([b"field", b"value"])), FAR)
        with pytest.raises(PluginError):
            scan(io.BytesIO(build.rdb(packed, version=12)))


class TestPrograms:
    @contextmanager
    def folder(self, tmp_path: Path, **said: str) -> Iterator[Server]:
        for name, text in said.items():
            file = tmp_path / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\necho '{text}'\n")
            file.chmod(0o755)
        yield Server.from_properties({"redisBinDir": str(tmp_path)})

    def test_valkey_that_is_called_redis_is_known(self, tmp_path: Path) -> None:
        with self.folder(tmp_path, redis_server="Valkey server v=8.1.4 sha=0", redis_cli="") as server:
            assert fitting(ProcessRunner(), server).version == Version(VALKEY, "8.1.4")

    def test_of_two_the_one_that_is_like_live(self, tmp_path: Path) -> None:
        said = {"redis_server": "Redis server v=7.0.15 sha", "valkey_server": "Valkey server v=9.1.2 sha"}
        with self.folder(tmp_path, **said) as server:
            for number, product in (("7.0.1", REDIS), ("9.1.0", VALKEY), ("8.0.0", VALKEY), ("8.0.0", REDIS)):
                assert fitting(ProcessRunner(), server, Version(product, number)).version.product == product
            assert fitting(ProcessRunner(), server).version.product == REDIS

    def test_the_shell_is_valkeys_where_only_that_is(self, tmp_path: Path) -> None:
        with self.folder(tmp_path, valkey_cli="") as server:
            assert client(server) == str(tmp_path / "valkey-cli")
