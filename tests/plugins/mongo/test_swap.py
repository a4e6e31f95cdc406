"""The exchange, one collection after another: killed at each, and with clients that write while a name is free."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mongo import places, swap
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.mongo.world import MongoWorld

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MongoWorld]:
    with MongoWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: MongoWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def small(world: MongoWorld) -> None:
    world.db.a.insert_one({"_id": 1, "v": "old"})
    world.db.gone.insert_one({"_id": 1})
    world.db.create_collection("seen", viewOn="a", pipeline=[])


def changed(world: MongoWorld) -> None:
    world.db.a.update_one({"_id": 1}, {"$set": {"v": "now"}})
    world.db.gone.drop()
    world.db.come.insert_one({"_id": 1})
    world.db.seen.drop()
    world.db.create_collection("seen", viewOn="come", pipeline=[])


@pytest.mark.worlds
def test_killed_at_each_rename_it_is_all_new_after_recovery(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world)
    first = driver.snapshot().generation.number
    then = world.whole()
    for kill_at in range(1, 20):
        changed(world)
        now = world.whole()
        job = driver.new_job()
        if in_child(lambda job=job, at=kill_at: _killed(driver, monkeypatch, job, first, at)) == 0:  # type: ignore[misc]
            assert kill_at > 4
            assert world.whole() == then
            return
        driver.dead.append(job)
        recovery = activities.recover(driver.bench(), driver.left(job))
        assert recovery.swapped
        assert world.whole() == then
        assert driver.left_behind(job) == []
        guard = next(one for one in driver.generations() if one.job == job and one.number != driver.newest().number)
        copy = driver.restored_elsewhere(guard.number, f"guard{kill_at}")
        assert world.whole(copy) == now
    pytest.fail("an exchange without end")


def _killed(driver: Driver, monkeypatch: pytest.MonkeyPatch, job: str, number: int, at: int) -> None:
    calls = 0
    rename = places.rename

    def dying(database: Any, old: str, new: str) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(database, old, new)

    monkeypatch.setattr(swap, "rename", dying)
    activities.restore(driver.bench(job), number)


def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[str, str], None]) -> None:
    """Do something after each rename of the exchange."""
    rename = places.rename

    def renamed(database: Any, old: str, new: str) -> None:
        rename(database, old, new)
        meddle(old, new)

    monkeypatch.setattr(swap, "rename", renamed)


def test_what_clients_write_while_a_name_is_free_is_in_the_guard(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world)
    first = driver.snapshot().generation.number
    changed(world)
    written: list[str] = []

    def write(old: str, new: str) -> None:
        if old == "a" and len(written) < 3:
            world.db.a.insert_one({"_id": 100 + len(written)})
            world.db.a.insert_one({"_id": 1, "v": f"another {len(written)}"})
            written.append(old)

    meddling(monkeypatch, write)
    result = driver.restore(first)
    assert list(world.db.a.find({})) == [{"_id": 1, "v": "old"}]
    assert result.guard is not None
    copy = world.client[driver.restored_elsewhere(result.guard.number, "guard").name]
    assert [one["_id"] for one in copy.a.find({}, sort=[("_id", 1)])] == [1, *(100 + at for at in range(len(written)))]
    assert copy.a.find_one({"_id": 1}) == {"_id": 1, "v": "now"}
    assert copy[f"a{swap.WRITTEN}"].count_documents({}) == 1
    assert not [name for name in world.db.list_collection_names() if name.startswith("dysnomia_")]


def test_who_never_lets_go_of_a_name_is_told_and_the_next_job_finishes_it(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world)
    first = driver.snapshot().generation.number
    then = world.whole()
    changed(world)
    bench = driver.bench()

    def write(old: str, new: str) -> None:
        if old == "a":
            world.db.a.insert_one({})

    with monkeypatch.context() as patch:
        patch.setattr(swap, "_ATTEMPTS", 3)
        meddling(patch, write)
        with pytest.raises(PluginError, match=r"app\.a is made again"):
            activities.restore(bench, first)
    driver.dead.append(bench.job)
    assert activities.recover(driver.bench(), driver.left(bench.job)).swapped
    assert world.whole() == then


def test_a_server_that_renames_nothing_is_noticed_before_anything_is_replaced(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world)
    first = driver.snapshot().generation.number
    changed(world)
    now = world.whole()
    monkeypatch.setattr(places, "rename", lambda database, old, new: None)
    bench = driver.bench()
    with pytest.raises(PluginError, match="says that it renamed a collection"):
        activities.restore(bench, first)
    assert world.whole() == now
    assert driver.left_behind(bench.job) == []


def test_what_the_server_changes_while_it_is_loaded_is_not_put_in_the_place_of_live(
    world: MongoWorld, driver: Driver
) -> None:
    """An empty timestamp at the top of a document becomes the time."""
    from bson import Timestamp

    small(world)
    world.db.a.insert_one({"_id": 2})
    world.db.a.update_one({"_id": 2}, {"$set": {"at": Timestamp(7, 7)}})
    number = driver.snapshot().generation.number
    now = world.whole()
    driver.restore(number)
    assert world.whole() == now


def test_an_unwanted_database_is_empty_and_undone(world: MongoWorld, driver: Driver) -> None:
    """Nothing was live: no guard, and what comes is all there is."""
    small(world)
    number = driver.snapshot().generation.number
    then = world.whole()
    world.client.drop_database("app")
    result = driver.restore(number)
    assert result.guard is None
    assert world.whole() == then
