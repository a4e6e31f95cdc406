"""The initial state: files of a dump are loaded whole or not at all, JavaScript is given to the server's shell."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import PluginError, ToolMissing
from dysnomia_plugins.types.mongo import activation, load
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.mongo.world import MongoWorld
from tests.plugins.servers.mongo import PASSWORD, MongoDouble

pytestmark = pytest.mark.server
SHELL = """#!/bin/sh
echo "$@" >"$0.argv"
cat >"$0.stdin"
exec {python} -c '
from pymongo import MongoClient
client = MongoClient("127.0.0.1", {port}, directConnection=True, username="keeper", password="{password}")
client.app.messages.insert_one({{"_id": 1}})
'
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MongoWorld]:
    with MongoWorld(tmp_path / "world", MongoDouble(auth=True)) as world:
        yield world


@pytest.fixture
def driver(world: MongoWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def test_one_that_fails_leaves_nothing(world: MongoWorld, driver: Driver) -> None:
    path = world.component.path / "mongo-databases" / "users.bson"
    right = path.read_bytes()
    path.write_bytes(right[:-3])
    with pytest.raises(PluginError, match="end within one"):
        driver.activity("activate")
    assert world.whole() is None
    path.write_bytes(right)
    driver.activity("activate")
    assert world.whole() is not None


def test_killed_while_it_is_loaded_it_leaves_nothing(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = driver.new_job()
    loading = load.load

    def dying(*args: Any) -> None:
        loading(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        monkeypatch.setattr(load, "load", dying)
        activities.activity(driver.bench(job), "activate")

    assert in_child(work) == signal.SIGKILL
    left = [name for name in world.db.list_collection_names() if name.startswith("dysnomia_")]
    assert left
    driver.dead.append(job)
    driver.activity("activate")
    assert not [name for name in world.db.list_collection_names() if name.startswith("dysnomia_")]
    assert world.db.users.count_documents({}) == 4


def test_javascript_is_given_to_the_shell_and_the_password_to_nobody_else(
    world: MongoWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    folder = world.component.path / "mongo-databases"
    for path in folder.iterdir():
        path.unlink()
    (folder / "test.js").write_text('db.messages.save({ "opening": "Hello world" });\n')
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(activation, "SHELLS", ("dysnomia-test-shell",))
    with pytest.raises(ToolMissing, match="JavaScript"):
        driver.activity("activate")
    shell = tmp_path / "dysnomia-test-shell"
    shell.write_text(SHELL.format(python=sys.executable, port=world.server.port, password=PASSWORD))
    shell.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    driver.activity("activate")
    assert world.db.messages.count_documents({}) == 1
    argv, said = Path(f"{shell}.argv").read_text(), Path(f"{shell}.stdin").read_text()
    assert PASSWORD not in argv
    assert f"/{world.component.key.component}" in argv
    assert said.splitlines()[0] == f'db.getSiblingDB("admin").auth("keeper", "{PASSWORD}");'
    assert said.splitlines()[1].startswith("db.messages.save(")
    driver.activity("activate")
    assert world.db.messages.count_documents({}) == 1
