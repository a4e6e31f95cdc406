"""What a server says, and what is said where it does not: accounts, discovery, moments, a missing package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Severity
from dysnomia_plugins.errors import PluginError, ServerDown, ToolMissing, WrongCredentials
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.mongo import discover
from dysnomia_plugins.types.mongo.plugin import MongoDatabase
from dysnomia_plugins.types.mongo.server import Server
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.driver import Driver
from tests.plugins.mongo.world import MongoWorld
from tests.plugins.servers.common import free_port
from tests.plugins.servers.mongo import PASSWORD, MongoDouble

pytestmark = pytest.mark.server
RUNNER = ProcessRunner(NeverCancelled())


@pytest.fixture(scope="module")
def guarded() -> Iterator[MongoDouble]:
    with MongoDouble(auth=True, replica_set="rs") as server:
        with server.client() as client:
            client.shop.things.insert_one({"_id": 1})
        yield server


def component(**properties: str) -> Component:
    return Component(ComponentKey.of("mongo", "shop"), Path("/none"), {"type": "mongo-database", **properties})


def test_an_account_is_used_and_never_shown(guarded: MongoDouble) -> None:
    right = component(**guarded.properties)
    probe = MongoDatabase().probe(right, RUNNER)
    assert probe.up
    assert not probe.broken
    assert "double" in probe.version
    assert (MongoDatabase().list_state(right, RUNNER).all[0].name) == "shop"
    assert PASSWORD not in repr(Server.of(right))
    argv, environment = MongoDatabase().shell(right)
    assert PASSWORD not in repr((argv, environment))
    facts = MongoDatabase().status(right, RUNNER).facts
    assert "replica set rs" in facts[0].text


@pytest.mark.parametrize("user", ["keeper", "nobody"])
def test_a_wrong_account_is_told(guarded: MongoDouble, user: str) -> None:
    wrong = component(mongoPort=str(guarded.port), mongoUser=user, mongoPassword="hunter2")
    with pytest.raises(WrongCredentials, match="refuses the login") as caught, Server.of(wrong).client() as client:
        client.list_database_names()
    assert "hunter2" not in str(caught.value)
    assert MongoDatabase().probe(wrong, RUNNER).broken


def test_a_server_that_wants_an_account_is_found_and_says_so(guarded: MongoDouble) -> None:
    (found,) = discover.discover(Server(port=guarded.port), "mongo-database")
    assert not found.readable
    assert "mongoUser" in found.remedy


def test_nobody_answers() -> None:
    down = component(mongoPort=str(free_port()))
    assert not MongoDatabase().probe(down, RUNNER).up
    with pytest.raises(ServerDown, match="does not answer"), Server.of(down).client():
        pass
    assert list(discover.discover(Server(port=free_port()), "mongo-database")) == []


@pytest.mark.parametrize("port", ["x", "0", "70000", "-1", "27017 "])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(PluginError, match="mongoPort"):
        Server.of(component(mongoPort=port))


def test_without_pymongo_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymongo", None)
    plugin = MongoDatabase()
    assert list(plugin.discover(RUNNER)) == []
    probe = plugin.probe(component(), RUNNER)
    assert not probe.up
    assert "pymongo is not installed" in probe.detail
    with pytest.raises(ToolMissing, match=r"pip install 'dysnomia-tui\[mongo\]'"):
        plugin.list_state(component(), RUNNER)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("measured", {"timeseries": {"timeField": "at"}}, "app.measured is of the kind 'timeseries'"),
        ("a..b", {}, "app.a..b has a name that PyMongo does not read"),
        ("end.", {}, "app.end. has a name that PyMongo does not read"),
    ],
)
def test_a_collection_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, options: dict[str, object], said: str
) -> None:
    with MongoWorld(tmp_path / "world") as world:
        world.db.a.insert_one({"_id": 1})
        driver = Driver(world, tmp_path / "store")
        first = driver.snapshot().generation.number
        world.db.command({"create": name, **options})
        with pytest.raises(PluginError, match=said):
            driver.identity()
        with driver.context() as ctx:
            stored = driver.store.stored(driver.key, driver.ids()[first])
            findings = world.plugin.preflight(ctx, stored, replace=True).findings
        assert [one.text for one in findings if one.severity is Severity.BLOCKER and name in one.text]


def test_a_clustered_collection_is_restored(tmp_path: Path) -> None:
    """Its index is made with it, and with nothing else."""
    with MongoWorld(tmp_path / "world") as world:
        index = {"v": 2, "key": {"_id": 1}, "name": "by id", "unique": True}
        world.db.command({"create": "a", "clusteredIndex": index})
        world.db.a.insert_one({"_id": 1})
        driver = Driver(world, tmp_path / "store")
        first, then = driver.snapshot().generation.number, world.whole()
        world.db.a.insert_one({"_id": 2})
        driver.restore(first)
        assert world.whole() == then


def test_a_member_of_a_replica_set_is_read_as_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes to the second collection while the first is read."""
    from dysnomia_plugins.types.mongo import dump

    with MongoWorld(tmp_path / "world", MongoDouble(replica_set="rs")) as world:
        for name in ("a", "b"):
            world.db[name].insert_one({"_id": 1})
        driver = Driver(world, tmp_path / "store")
        quiet = driver.identity()
        raw = dump.raw
        count = 0

        def meddling(collection: object, **options: object) -> Iterator[bytes]:
            nonlocal count
            for batch in raw(collection, **options):  # type: ignore[arg-type]
                count += 1
                world.db.b.insert_one({"_id": 1 + count})
                yield batch

        with monkeypatch.context() as patch:
            patch.setattr(dump, "raw", meddling)
            assert driver.identity() == quiet
            world.db.b.delete_many({"_id": {"$gt": 1}})
            world.component.properties["mongoReadConcern"] = "local"  # type: ignore[index]
            assert driver.identity() != quiet
