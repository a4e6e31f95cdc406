"""Keys put back into a live server: exactly these, with their time to live, and nothing that changed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dysnomia_plugins.base import LiveLook, PutRow, StatePlugin, WholeAsked
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, PluginError, ServerDown
from dysnomia_plugins.types.redis.putting import put
from dysnomia_plugins.types.redis.putting.live import LiveKeys
from dysnomia_plugins.types.redis.putting.payload import crc64
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Generation
from dysnomia_tui.engine import WAS_GONE, RowsAsked
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.rows.look import look as look_up
from tests.plugins.conformance.crash import kills
from tests.plugins.conformance.driver import Driver, in_child, with_properties
from tests.plugins.redis.world import RedisWorld
from tests.plugins.redis.worlds import NewestWorld
from tests.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RedisWorld]:
    folder = tmp_path / "world"
    folder.mkdir()
    with RedisWorld(folder) as world:
        yield world


class Shop:
    """A live server, and a generation of it."""

    def __init__(self, world: RedisWorld, tmp_path: Path) -> None:
        self.world = world
        self.driver = Driver(world, tmp_path / "store")
        world.seed()
        self.first: Generation = self.driver.snapshot().generation
        self.then = world.whole()

    @property
    def plugin(self) -> StatePlugin:
        return self.world.plugin

    def run(self, *commands: tuple[object, ...]) -> None:
        with self.world.at() as client:
            for command, reply in zip(commands, client.many(commands), strict=True):
                assert not isinstance(reply, Exception), (command, reply)

    def rows(self, *asked: WholeAsked) -> list[PutRow]:
        stored = self.driver.store.stored(self.driver.key, self.first.id)
        with self.driver.context() as ctx:
            return list(self.plugin.whole_sections(ctx, stored, asked))

    def keys(self, database: int, *keys: str) -> list[PutRow]:
        return self.rows(*(WholeAsked(f"keys:db{database} string", key=(key,)) for key in keys))

    def look(self, rows: Sequence[PutRow]) -> LiveLook:
        with self.driver.context() as ctx:
            return self.plugin.look_at_rows(ctx, rows)

    def put(self, rows: Sequence[PutRow], look: LiveLook | None = None) -> list[str]:
        """Put back what the look says can be; the keys that were left."""
        stored = self.driver.store.stored(self.driver.key, self.first.id)
        look = look or self.look(rows)
        chosen = [at for at, row in enumerate(look.rows) if row.digest != row.wanted and at not in look.conflicts]
        with self.driver.context() as ctx:
            seen = [look.rows[at].digest for at in chosen]
            left = self.plugin.put_sections_back(ctx, stored, [rows[at] for at in chosen], seen)
        return [rows[chosen[at]].key[0] for at in left]

    def planned(self, rows: Sequence[PutRow]) -> list[PlannedRow]:
        look = self.look(rows)
        return [
            PlannedRow(f"{row.section.kind}:{row.section.name}", row.key, now.digest, now.wanted)
            for row, now in zip(rows, look.rows, strict=True)
            if now.digest != now.wanted
        ]


@pytest.fixture
def shop(world: RedisWorld, tmp_path: Path) -> Shop:
    return Shop(world, tmp_path)


def sections(shop: Shop) -> list[str]:
    stored = shop.driver.store.stored(shop.driver.key, shop.first.id)
    return [f"{one.kind}:{one.name}" for one in stored.sections() if one.kind == "keys"]


def test_the_checksum_is_that_of_redis() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA, "as crc64.c of Redis says"


def test_every_type_in_every_database_is_back_as_it_was(shop: Shop) -> None:
    """All keys are deleted but one, which stays as it is; what comes back is what was, time to live and all."""
    shop.run(*(command for number in range(24) for command in (("SELECT", number), ("FLUSHDB",))))
    shop.run(("SET", "stays", "1"))
    names = sections(shop)
    assert {name.split()[1] for name in names} == {"string", "list", "set", "zset", "hash", "stream"}
    rows = shop.rows(*(WholeAsked(name, lacking=True) for name in names))
    look = shop.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert shop.put(rows, look) == []
    shop.run(("DEL", "stays"))
    assert shop.world.whole() == shop.then
    assert shop.look(rows).rows[0].digest == shop.look(rows).rows[0].wanted


def test_as_redis_cli_sees_it(shop: Shop) -> None:
    def cli(*words: str) -> bytes:
        # by the tests' own user, through the socket
        environment = {**os.environ, "REDISCLI_AUTH": str(shop.world.component.properties["redisPassword"])}
        command = ["redis-cli", "-s", str(shop.world.server.socket), "--user", "keeper", *words]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    names = ("plain", "small hash", "small list", "stream")
    asked = [words for name in names for words in (("DUMP", name), ("PEXPIRETIME", name))]
    before = [cli(*words) for words in asked]
    assert before[0] != b"\n"
    shop.run(("DEL", *names), ("SET", "small hash", "another type"))
    assert shop.put(shop.keys(0, *names)) == []
    assert [cli(*words) for words in asked] == before


def test_marked_keys_are_created_replaced_and_removed_and_nothing_else_changes(shop: Shop) -> None:
    shop.run(("SET", "plain", "changed"), ("SET", "new", "1"), ("SET", "other", "stays"), ("DEL", "small hash"))
    shop.run(("SELECT", 7), ("SET", "plain", "of database 7"))
    rows = shop.keys(0, "plain", "new", "small hash")
    assert [row.section.name for row in rows] == ["db0 string", "db0 string", "db0 hash"]
    assert [row.wanted is None for row in rows] == [False, True, False]
    now = shop.look(rows).rows[0].raw
    assert now is not None
    assert shop.plugin.parse_whole(now)["value"] == "changed"
    assert shop.put(rows) == []
    shop.run(("SELECT", 7), ("DEL", "plain"))
    with shop.world.at() as client:
        assert client("DEL", "other") == 1
    assert shop.world.whole() == shop.then


def test_a_whole_section_is_as_the_snapshot_has_it(shop: Shop) -> None:
    shop.run(("SET", "new", "1"), ("DEL", "plain"), ("SELECT", 3), ("SET", "new", "in 3"))
    rows = shop.rows(WholeAsked("keys:db0 string"))
    assert shop.put(rows) == []
    shop.run(("SELECT", 3), ("DEL", "new"))
    assert shop.world.whole() == shop.then


def test_marked_elements_mean_their_keys(shop: Shop) -> None:
    """As the app asks: of an element that went, nobody knows that its key went; of a string it is known."""
    shop.run(("DEL", "small hash"), ("HSET", "small hash", "name", "another"), ("SET", "plain", "used again"))
    stored = shop.driver.store.stored(shop.driver.key, shop.first.id)
    of_hash = RowsAsked("keys:db0 hash", (("small hash", "gone"), ("small hash", "name")), (WAS_GONE, ""))
    with shop.driver.context() as ctx:
        (row,) = look_up(shop.plugin, ctx, stored, [of_hash])["rows"]
        assert (row["key"], row["change"], row["conflict"]) == (("small hash",), "~", "")
        assert row["text"].startswith("elements 1 -> ")
        (row,) = look_up(shop.plugin, ctx, stored, [RowsAsked("db0 string", (("plain",),), (WAS_GONE,))])["rows"]
        assert row["conflict"].startswith("the key plain of keys db0 string is used again, by type string, value used")
        (row,) = look_up(shop.plugin, ctx, stored, [RowsAsked("db0 string", texts=("plain",))])["rows"]
        assert (row["change"], row["conflict"]) == ("~", "")


def test_keys_that_are_no_text(shop: Shop) -> None:
    shop.run(("SET", b"\xff\x00 key", "v"))
    (row,) = shop.keys(0, "\\x" + b"\xff\x00 key".hex())
    assert row.wanted is None
    assert shop.put([row]) == []
    assert shop.world.whole() == shop.then


def test_a_key_that_has_expired_since_is_named_and_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(("SET", "brief", "v", "PX", "400000"))
    shop.first = shop.driver.snapshot().generation
    shop.run(("DEL", "brief"))
    rows = shop.keys(0, "brief")
    assert shop.look(rows).conflicts == {}
    real = vars(LiveKeys)["now"].fget
    monkeypatch.setattr(LiveKeys, "now", property(lambda live: real(live) + 500_000))
    (conflict,) = shop.look(rows).conflicts.values()
    assert conflict.startswith("the key brief of database 0 expired ")
    assert conflict.endswith(": it would be gone at once")


def test_what_cannot_be_is_said(shop: Shop) -> None:
    with pytest.raises(NotFound, match="neither the generation nor live has the key none in database 0"):
        shop.keys(0, "none")
    with pytest.raises(NotSafe, match="functions are not put back one by one"):
        shop.rows(WholeAsked("functions:libraries", key=("first",)))
    for unknown in (WholeAsked("table:t", key=("1",)), WholeAsked("db0 sting", lacking=True)):
        with pytest.raises(NotFound, match=f"there is no section {unknown.section} in a snapshot of Redis"):
            shop.rows(unknown)
    shop.run(("DEL", "plain"))
    rows = shop.keys(0, "plain")
    shop.run(("REPLICAOF", "127.0.0.1", 1))
    (refusal,) = shop.look(rows).refusals
    assert refusal == "the server is a replica of 127.0.0.1: put the keys back there"
    shop.run(("REPLICAOF", "NO", "ONE"))


def test_one_who_may_not_restore_changes_nothing(shop: Shop) -> None:
    shop.run(("DEL", "plain"), ("DEL", "small hash"))
    rows = shop.keys(0, "plain", "small hash")
    look = shop.look(rows)
    now = shop.world.whole()
    # The tests' client is that user as well, and asks with what is left.
    for right, denied in (("-restore", "RESTORE"), ("+restore -exec", "EXEC"), ("+exec -watch", "WATCH")):
        shop.run(("ACL", "SETUSER", "keeper", *right.split()))
        assert any(one.startswith(f"the server denies {denied}: ") for one in shop.look(rows).refusals)
        with pytest.raises(PluginError, match="nothing was changed"):
            shop.put(rows, look)
        assert shop.world.whole() == now
    shop.run(("ACL", "SETUSER", "keeper", "+watch"))
    assert shop.put(rows, look) == []


def test_one_with_the_rights_of_a_snapshot_is_told_and_one_with_the_documented_ones_puts_back(shop: Shop) -> None:
    """docs/configuration.md; neither may ask what it may."""
    shop.run(("DEL", "plain", "small hash"), ("SET", "new", "1"))
    least = "+ping +info +config|get +config|set +client|pause +client|unpause +sync +replconf +replicaof +bgsave"
    more = "~* +select +time +dump +pexpiretime +type +exists +scan +watch +multi +exec +restore +unlink"
    for user, rights in (("least", least), ("putter", f"{least} {more}")):
        shop.run(("ACL", "SETUSER", user, "on", ">secret", "-@all", *rights.split()))
    with_properties(shop.world, redisUsername="least", redisPassword="secret")
    with pytest.raises(PluginError, match=r"the server refuses (TIME|SELECT): NOPERM .*nothing was changed"):
        shop.look(shop.keys(0, "plain"))
    with_properties(shop.world, redisUsername="putter")
    assert shop.put(shop.keys(0, "plain", "new")) == []
    assert shop.put(shop.rows(WholeAsked("keys:db0 hash", lacking=True))) == []
    assert shop.put(shop.rows(WholeAsked("keys:db0 hash"))) == []
    assert shop.world.whole() == shop.then


def test_a_server_without_memory_changes_nothing(shop: Shop) -> None:
    shop.run(("DEL", "plain"), ("SET", "new", "1"))
    rows = shop.keys(0, "plain", "new")
    look = shop.look(rows)
    now = shop.world.whole()
    shop.run(("CONFIG", "SET", "maxmemory", 1))
    with pytest.raises(NotSafe, match="nothing was changed"):
        shop.put(rows, look)
    assert shop.world.whole() == now


# --- what changes meanwhile -----------------------------------------------------------------------------------------


def test_what_changed_since_the_plan_is_left(shop: Shop) -> None:
    shop.run(("SET", "plain", "changed"), ("DEL", "small hash"), ("SET", "new", "1"))
    rows = shop.keys(0, "plain", "small hash", "new")
    look = shop.look(rows)
    shop.run(("SET", "plain", "paid since"), ("EXPIRE", "new", 1000))
    assert sorted(shop.put(rows, look)) == ["new", "plain"]
    with shop.world.at() as client:
        assert client.many([("GET", "plain"), ("GET", "new")]) == [b"paid since", b"1"]
        assert client("HLEN", "small hash") != 0


def before_the_commit(monkeypatch: pytest.MonkeyPatch, does: Callable[[int], None]) -> list[int]:
    """Somebody acts after the last look, each time."""
    real, times = put._commit, list[int]()

    def commit(live: LiveKeys) -> bool:
        times.append(1)
        does(len(times))
        return real(live)

    monkeypatch.setattr(put, "_commit", commit)
    return times


def test_what_changes_in_the_last_moment_is_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(("SET", "plain", "changed"), ("DEL", "small hash"))

    def act(time: int) -> None:
        if time == 1:
            shop.run(("SET", "plain", "paid since"))

    times = before_the_commit(monkeypatch, act)
    assert shop.put(shop.keys(0, "plain", "small hash")) == ["plain"]
    assert len(times) == 2
    with shop.world.at() as client:
        assert client("GET", "plain") == b"paid since"


def test_keys_that_are_written_all_the_time_are_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written with what they hold already: they never differ, and are never left alone."""
    shop.run(("SET", "plain", "changed"), ("DEL", "small hash"))
    before_the_commit(monkeypatch, lambda _time: shop.run(("SET", "plain", "changed")))
    now = shop.world.whole()
    with pytest.raises(NotSafe, match="other clients changed these keys"):
        shop.put(shop.keys(0, "plain", "small hash"))
    assert shop.world.whole() == now


def test_a_server_that_dies_at_the_commit_leaves_the_outcome_open(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(("SET", "plain", "changed"))

    def call(self: object, *_words: object, **_more: object) -> None:
        raise ServerDown("gone")

    def die(_time: int) -> None:
        monkeypatch.setattr(LiveKeys, "select", call)
        monkeypatch.setattr("dysnomia_plugins.types.redis.resp.Connection.call", call)

    before_the_commit(monkeypatch, die)
    with pytest.raises(OutcomeUnknown):
        shop.put(shop.keys(0, "plain"))


# --- as jobs --------------------------------------------------------------------------------------------------------


def lose(shop: Shop) -> None:
    shop.run(("SET", "plain", "changed"), ("SET", "new", "1"), ("DEL", "small hash", "stream"))


LOST = ("plain", "new", "small hash", "stream")


def test_killed_at_any_step_all_keys_are_back_or_none(shop: Shop) -> None:
    lose(shop)
    now = shop.world.whole()
    rows = shop.planned(shop.keys(0, *LOST))
    seen: set[bool] = set()

    def work(bench: ComponentJob) -> None:
        activities.put_back(bench, shop.first.number, shop.first.id, rows, "put back")

    for job in kills(shop.driver, work):
        ids = shop.driver.ids()
        said = [activities.recover(shop.driver.bench(), left).text for left in shop.driver.unsettled()]
        assert not shop.driver.unsettled()
        shop.driver.assert_intact(ids)
        assert shop.driver.left_behind(job) == []
        live = shop.world.whole()
        assert live in (shop.then, now)
        seen.add(live == shop.then)
        if live == shop.then:
            assert said in ([], [f"job {job} had put its rows back"])
            lose(shop)
    assert seen == {True, False}
    assert shop.world.whole() == shop.then


def test_killed_within_the_transaction_nothing_has_changed(shop: Shop) -> None:
    lose(shop)
    now = shop.world.whole()
    rows = shop.planned(shop.keys(0, *LOST))

    def commit(_live: LiveKeys) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    def work() -> None:
        setattr(put, "_commit", commit)  # noqa: B010  # as mypy wants it
        activities.put_back(shop.driver.bench(job), shop.first.number, shop.first.id, rows, "put back")

    job = shop.driver.new_job()
    assert in_child(work) == signal.SIGKILL
    shop.driver.dead.append(job)
    (left,) = shop.driver.unsettled()
    assert "had put no row back" in activities.recover(shop.driver.bench(), left).text
    assert shop.world.whole() == now


def test_under_load_no_write_is_lost(shop: Shop, tmp_path: Path) -> None:
    """A program adds to a key all the time: it is left, and what it was told is written stays."""
    lose(shop)
    world = shop.world
    with world.writer(tmp_path / "acknowledged") as writer:
        wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
        rows = [*shop.planned(shop.keys(0, *LOST)), PlannedRow("keys:db0 set", ("log",), "what it held once", "")]
        bench = shop.driver.bench()
        done = activities.put_back(bench, shop.first.number, shop.first.id, rows, "put back")
        count = len(writer.acknowledged())
        wait_until(lambda: len(writer.acknowledged()) >= count + 20, world.patience)
        writer.stop()
        acknowledged = writer.acknowledged()
    assert (done.done, [row.key for row in done.left]) == (4, [("log",)])
    # which another writes all the time: it is not watched any more once it was seen to differ
    assert acknowledged <= world.written()
    log = (0, b"log")
    now, then = world.whole(), shop.then
    assert isinstance(now, dict)
    assert isinstance(then, dict)
    assert {**now, log: None} == {**then, log: None}


# --- other servers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["valkey", "newest_redis"])
def test_fields_that_expire_come_back_on_newer_servers(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    with NewestWorld(request.getfixturevalue(kind), tmp_path / "world") as world:
        shop = Shop(world, tmp_path)
        shop.run(*(command for number in range(24) for command in (("SELECT", number), ("FLUSHDB",))))
        rows = shop.rows(*(WholeAsked(name, lacking=True) for name in sections(shop)))
        assert {"session", "tokens", "all pass"} <= {row.key[0] for row in rows}
        assert shop.put(rows) == []
        assert world.whole() == shop.then
        shop.run(("HPERSIST", "session", "FIELDS", 1, "token"))
        assert shop.put(shop.rows(WholeAsked("keys:db0 hash", key=("session",)))) == []
        assert world.whole() == shop.then
