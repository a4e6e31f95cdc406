"""Copies in another container of the same type: another real server, another folder. Killed at every step."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, RestoreTarget
from dysnomia_tui.engine.component.elsewhere import copy_elsewhere, stand_in
from dysnomia_tui.engine.component.guard import Restored
from tests.plugins.conformance.crash import THOROUGH
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.conformance.world import World
from tests.plugins.etcd.world import EtcdWorld
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.git.world import GitWorld
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.mysql.world_others import LeastPrivilegeWorld
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.postgresql.world_others import hostile_server
from tests.plugins.redis.world import RedisWorld
from tests.plugins.servers.mariadb import CALM, HOSTILE, HOSTILE_GLOBALS, MariadbServer
from tests.plugins.servers.postgresql import PostgresServer, newest_bin
from tests.plugins.sqlite.world import SqliteWorld
from tests.plugins.subversion.world import SubversionWorld

STEPS = 40
"""More than a copy has."""
OTHER = "other"
Worlds = Callable[[Path, ExitStack], tuple[World, World]]


def _sqlite(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return SqliteWorld(folder / "a", "wal"), SqliteWorld(folder / "b", "delete")


def _fileset(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return FilesetWorld(folder / "a"), FilesetWorld(folder / "b")


def _git(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return GitWorld(folder / "a"), GitWorld(folder / "b")


def _subversion(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return SubversionWorld(folder / "a"), SubversionWorld(folder / "b")


def _redis(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return RedisWorld(folder / "a"), RedisWorld(folder / "b")


def _etcd(folder: Path, stack: ExitStack) -> tuple[World, World]:
    return EtcdWorld(folder / "a"), EtcdWorld(folder / "b")


def _mariadb(folder: Path, stack: ExitStack) -> tuple[World, World]:
    hostile = stack.enter_context(MariadbServer(settings=HOSTILE, globals_=HOSTILE_GLOBALS, calm=CALM))
    return MariadbWorld(stack.enter_context(MariadbServer()), folder / "a"), MariadbWorld(hostile, folder / "b")


def _mariadb_least(folder: Path, stack: ExitStack) -> tuple[World, World]:
    one, two = (stack.enter_context(MariadbServer()) for _ in range(2))
    return MariadbWorld(one, folder / "a"), LeastPrivilegeWorld(two, folder / "b")


def _postgresql(folder: Path, stack: ExitStack) -> tuple[World, World]:
    hostile = stack.enter_context(hostile_server())
    return PostgresqlWorld(stack.enter_context(PostgresServer()), folder / "a"), PostgresqlWorld(hostile, folder / "b")


def _postgresql_newer(folder: Path, stack: ExitStack) -> tuple[World, World]:
    open_to_all = Path(tempfile.mkdtemp(prefix="dysnomia-newer-"))
    stack.callback(shutil.rmtree, open_to_all)
    open_to_all.chmod(0o755)
    programs = newest_bin(open_to_all)
    newer = stack.enter_context(PostgresServer(bin_folder=programs))
    one = stack.enter_context(PostgresServer())
    return PostgresqlWorld(one, folder / "a"), PostgresqlWorld(newer, folder / "b", postgresqlBinDir=str(programs))


class Pair:
    """A component with one generation, and another container of its type."""

    def __init__(self, worlds: tuple[World, World], folder: Path) -> None:
        self.here, self.there = worlds
        self.driver = Driver(self.here, folder / "store")
        self.there.belongs_to(self.driver.store)
        self.here.seed()
        self.number = self.driver.snapshot().generation.number
        self.then = self.here.whole()
        self.here.change(self.here.changes()[0], random.Random(5))

    @property
    def original(self) -> str:
        return self.here.component.key.component

    def component(self, name: str) -> Component:
        other = self.there.component
        return Component(ComponentKey.of(OTHER, name), other.path, other.properties)

    def place(self, name: str) -> Place:
        return self.here.plugin.named(stand_in(self.here.component, self.component(name)), name)

    def bench(self, name: str, job: str, mortal: tuple[int, bool] | None = None) -> ComponentJob:
        return replace(self.driver.bench(job, mortal=mortal), component=self.component(name))

    def copy(self, name: str, job: str = "", mortal: tuple[int, bool] | None = None) -> Restored:
        here = self.driver.bench()
        there = self.bench(name, job or self.driver.new_job(), mortal)
        return copy_elsewhere(here, there, self.number, RestoreTarget("copy", name, (), OTHER), "")

    def drop(self, name: str) -> None:
        job = replace(self.bench(name, self.driver.new_job()), component=self.copied(name))
        with job.context(of=self.driver.maker_of(name)) as ctx:
            self.here.plugin.drop(ctx, self.place(name))

    def copied(self, name: str) -> Component:
        return stand_in(self.here.component, self.component(name))


@pytest.fixture(
    params=[
        pytest.param(_sqlite, id="sqlite"),
        pytest.param(_fileset, id="fileset"),
        pytest.param(_git, id="git", marks=[pytest.mark.server, pytest.mark.worlds]),
        pytest.param(_subversion, id="subversion", marks=pytest.mark.server),
        pytest.param(_redis, id="redis", marks=pytest.mark.server),
        pytest.param(_etcd, id="etcd", marks=[pytest.mark.server, pytest.mark.worlds]),
        pytest.param(_mariadb, id="mariadb into hostile settings", marks=pytest.mark.server),
        pytest.param(_mariadb_least, id="mariadb with least privilege", marks=[pytest.mark.server, pytest.mark.worlds]),
        pytest.param(_postgresql, id="postgresql into hostile settings", marks=pytest.mark.server),
        pytest.param(
            _postgresql_newer, id="postgresql into a newer one", marks=[pytest.mark.server, pytest.mark.worlds]
        ),
    ]
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        worlds = request.param(tmp_path, stack)
        for world in worlds:
            stack.enter_context(world)
        yield Pair(worlds, tmp_path)


def test_a_copy_is_made_where_it_was_asked_for_and_replaces_nothing(pair: Pair) -> None:
    now = pair.here.whole()
    name = f"{pair.there.copy_prefix}earlier"
    assert pair.copy(name).copy == pair.place(name).name
    assert _same(pair, pair.there.whole(pair.place(name)))
    assert pair.here.whole() == now
    pair.there.spoil(pair.place(name))
    spoiled = pair.there.whole(pair.place(name))
    with pytest.raises(NotSafe, match="already"):
        pair.copy(name)
    assert pair.there.whole(pair.place(name)) == spoiled
    pair.drop(name)
    assert pair.there.whole(pair.place(name)) is None


def test_killed_at_every_step_a_copy_elsewhere_leaves_nothing(pair: Pair) -> None:
    name = f"{pair.there.copy_prefix}killed"
    for at in range(1, STEPS):
        for after in (False, True) if THOROUGH else (at % 2 == 0,):
            job = pair.driver.new_job()
            died = in_child(lambda job=job, mortal=(at, after): pair.copy(name, job, mortal))  # type: ignore[misc]
            if died == 0:
                assert _same(pair, pair.there.whole(pair.place(name)))
                pair.drop(name)
                assert at > 1
                return
            assert died == signal.SIGKILL
            pair.driver.dead.append(job)
            for left in pair.driver.unsettled():
                activities.recover(pair.bench(name, left.job), left)
            if "copied" in {step for step, _ in pair.driver.left(job).journal.steps()}:
                pair.drop(name)
            assert pair.there.whole(pair.place(name)) is None
            with replace(pair.bench(name, job), component=pair.copied(name)).context() as ctx:
                assert list(pair.there.plugin.left_behind(ctx)) == []
    raise AssertionError("it has no end")


def _same(pair: Pair, found: object) -> bool:
    """pg_dump under other settings words the same state otherwise: there, what was made from the same statements is
    what a copy is compared with. Another version words definitions otherwise, too: there the rows are compared."""
    if pair.here.plugin.type != "postgresql-database":
        return found == pair.then
    if "postgresqlBinDir" in pair.there.component.properties:
        assert _rows(pair.then)
        return _rows(found) == _rows(pair.then)
    if pair.there.whole() is None:
        pair.there.seed()
    return found == pair.there.whole()


def _rows(whole: object) -> list[str]:
    assert isinstance(whole, list)
    return [line for line in whole if line.startswith("INSERT ")]
