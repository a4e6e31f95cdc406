"""Dysnomia's own snapshots, folders by ``mongodump``: read, shown and restored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bson
import pytest

from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.mongo.world import MongoWorld

pytestmark = pytest.mark.server
HASH = "6a1f" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MongoWorld]:
    with MongoWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: MongoWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def theirs(driver: Driver, files: Mapping[str, bytes]) -> None:
    """A generation as Dysnomia's module makes one: a folder of the database's name, in a snapshot named by a hash."""
    below = (driver.key.container, driver.key.component)
    snapshot = driver.folder.joinpath("state", "snapshots", *below, HASH)
    generations = driver.folder.joinpath("state", "generations", *below)
    for folder in (snapshot / "app", generations):
        folder.mkdir(parents=True)
    for name, data in files.items():
        (snapshot / "app" / name).write_bytes(data)
    (generations / "1").symlink_to(snapshot)


def documents(*values: Mapping[str, Any]) -> bytes:
    return b"".join(map(bson.encode, values))


def definition(indexes: Sequence[Mapping[str, Any]] = (), **options: Any) -> bytes:
    """As mongodump of several versions writes it: index keys in canonical form, a UUID, the namespace of old ones."""
    identity = {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_", "ns": "app.x"}
    return json.dumps({"options": options, "indexes": [identity, *indexes], "uuid": "ab" * 16}).encode()


def test_they_are_restored_exactly(world: MongoWorld, driver: Driver) -> None:
    """Documents in the order of the disk, not of ``_id``; a view; a name that no file can have."""
    world.db.users.insert_one({"_id": 99})
    index = {"v": {"$numberInt": "2"}, "key": {"n": {"$numberDouble": "-1.0"}}, "name": "n_-1", "unique": True}
    theirs(
        driver,
        {
            "users.bson": documents({"_id": 3, "n": 1}, {"_id": 1, "n": 2}, {"_id": "x", "n": 3}),
            "users.metadata.json": definition([index]),
            "a%2Fb.bson": b"", "a%2Fb.metadata.json": definition(),
            "seen.metadata.json": definition(viewOn="users", pipeline=[]).replace(b"_id_", b"none"),
            "prelude.json": b"{}",
        },
    )  # fmt: skip
    check = activities.verify(driver.bench(), 1)
    assert check.result is CheckResult.OK, check.text
    driver.restore(1)
    assert list(world.db.users.find({}, sort=[("_id", 1)])) == [
        {"_id": 1, "n": 2},
        {"_id": 3, "n": 1},
        {"_id": "x", "n": 3},
    ]
    assert world.db.users.index_information()["n_-1"]["unique"]
    assert sorted(world.db.list_collection_names()) == ["a/b", "seen", "system.views", "users"]
    assert world.db.seen.find_one({"_id": 3}) == {"_id": 3, "n": 1}


def test_their_documents_are_shown(world: MongoWorld, driver: Driver) -> None:
    theirs(driver, {"users.bson": documents({"_id": 3, "n": 1}), "users.metadata.json": definition()})
    driver.restore(1)
    stored = driver.store.stored(driver.key, HASH)
    section = next(one for one in stored.sections() if one.kind == "collection")
    (rows,) = world.plugin.raw_rows(stored, section)
    (row,) = (world.plugin.parse_row(section, raw) for raw in rows)
    assert row.key == ('{"$numberInt":"3"}',)
    assert row.cells == ('{"$numberInt":"3"}', '{"_id": 3, "n": 1}')


def test_ours_has_the_names_that_mongorestore_reads(world: MongoWorld, driver: Driver) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    assert "users.bson" in stored.artefacts()
    with stored.open("users.metadata.json") as stream:
        said = json.load(stream)
    assert said["collectionName"] == "users"
    assert said["type"] == "collection"
    assert [one["name"] for one in said["indexes"]] == ["_id_", "by name", "mail_1"]
    assert "uuid" not in said
    with stored.open("users.bson") as stream:
        assert [one["_id"] for one in bson.decode_all(stream.read())] == [1, 1.5, 2, "one"]
