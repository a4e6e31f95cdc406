"""The core of the conformance suite, on one server, for each run of the tests: all of it runs with the worlds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.types.ejabberd import swap
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.ejabberd.killed import killed_after
from tests.plugins.ejabberd.world import EjabberdWorld
from tests.plugins.other_user import needs_root
from tests.plugins.servers.ejabberd import EjabberdServer

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path, shared_server: EjabberdServer) -> Iterator[EjabberdWorld]:
    with EjabberdWorld(tmp_path / "world", shared_server) as world:
        yield world


def test_the_same_state_is_the_same_snapshot_and_is_restored_exactly(world: EjabberdWorld, driver: Driver) -> None:
    world.seed()
    first = driver.snapshot().generation
    then = world.whole()
    assert not driver.snapshot().committed.new
    for name in ("registered", "message", "one of two", "private"):
        world.change(name, random.Random(1))
    now = world.whole()
    bench = driver.bench()
    activities.restore(bench, first.number)
    assert world.whole() == then
    assert driver.identity() == first.id
    driver.undo(bench.job)
    assert world.whole() == now
    assert list(world.server.spool.glob("*dysnomia-*")) == []


def test_a_restore_that_was_killed_after_the_exchange_is_finished(world: EjabberdWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("message", random.Random(2))
    now = driver.identity()
    job = killed_after(driver, swap.DONE, lambda bench: activities.restore(bench, number))
    assert world.whole() == then
    activities.recover(driver.bench(), driver.left(job))
    assert world.whole() == then
    assert now in driver.ids().values()
    assert driver.left_behind(job) == []


@needs_root
def test_it_works_as_the_server_s_user(world: EjabberdWorld, driver: Driver) -> None:
    """A copy is its alone."""
    world.seed()
    driver.restore(driver.snapshot().generation.number, driver.copied("mine"))
    seen = Path(driver.named("mine").name).stat()
    assert seen.st_uid == world.server.spool.stat().st_uid != 0
    assert seen.st_mode & 0o777 == 0o600
    driver.drop(driver.named("mine"))
