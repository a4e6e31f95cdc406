"""What Dysnomia's own tests of its module do, and dumps of ejabberd's own."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.ejabberd.world import EjabberdWorld

pytestmark = [pytest.mark.server, pytest.mark.worlds]


def test_the_component_may_be_the_dump_itself(world: EjabberdWorld, driver: Driver) -> None:
    """Activated again, nothing is set back: a password that was changed stays."""
    initial = world.component.path / "ejabberd-dump" / "initial.dump"
    world.component = replace(world.component, path=initial)
    driver.activity("activate")
    assert world.server.run_control("registered_users", "localhost").split() == ["admin"]
    world.server.run_control("change_password", "admin", "localhost", "another")
    then = world.whole()
    driver.activity("activate")
    assert world.whole() == then


def test_a_dump_of_ejabberdctl_is_a_snapshot_and_is_restored_exactly(world: EjabberdWorld, driver: Driver) -> None:
    """As Dysnomia's module makes one: a file ``dump`` below the snapshots, and a generation that leads to it."""
    world.seed()
    then = world.whole()
    folder = driver.folder / "state" / "snapshots" / "ejabberd" / "chat" / ("0" * 64)
    dump = world.server.home / "theirs"
    world.server.run_control("dump", str(dump))
    folder.mkdir(parents=True)
    (folder / "dump").write_bytes(dump.read_bytes())
    generations = Path(str(folder).replace("/snapshots/", "/generations/")).parent
    generations.mkdir(parents=True)
    (generations / "1").symlink_to(folder)
    world.change("registered", random.Random(1))
    world.change("message", random.Random(1))
    now = world.whole()
    bench = driver.bench()
    activities.restore(bench, 1)
    assert world.whole() == then
    driver.undo(bench.job)
    assert world.whole() == now


def test_ours_is_loaded_by_ejabberdctl(world: EjabberdWorld, tmp_path: Path) -> None:
    driver = Driver(world, tmp_path / "plain", compression="plain")
    world.seed()
    then = world.whole()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    assert [path.name for path in stored.folder.iterdir() if path.name == "dump"] == ["dump"]
    copy = world.server.home / "ours"
    copy.write_bytes((stored.folder / "dump").read_bytes())
    world.empty()
    world.server.run_control("load", str(copy))
    assert world.whole() == then


def test_a_restore_that_cannot_be_leaves_live_as_it_is(world: EjabberdWorld, driver: Driver) -> None:
    """The server has another table by now: rows of it cannot be entered."""
    world.seed()
    number = driver.snapshot().generation.number
    world.server.do(
        "{atomic, ok} = mnesia:transform_table(muc_room, fun({A, B, C}) -> {A, B, C, x} end, [name_host, opts, more])"
    )
    now = world.whole()
    bench = driver.bench()
    with pytest.raises(PluginError, match="other columns"):
        activities.restore(bench, number)
    assert world.whole() == now
    assert driver.left_behind(bench.job) == []
    assert list(world.server.spool.glob("*dysnomia*")) == []


def test_a_table_that_the_server_does_not_have_comes_back(world: EjabberdWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.server.do("{atomic, ok} = mnesia:delete_table(vcard)")
    driver.restore(number)
    assert world.whole() == then


def _own_table(world: EjabberdWorld, kind: str) -> None:
    """One that a module of somebody's own makes."""
    world.server.do(
        f"{{atomic, ok}} = mnesia:create_table(own, [{{type, {kind}}}, {{disc_copies, [node()]}}, "
        "{attributes, [key, value]}])"
    )


@pytest.mark.parametrize("table", ["own", "offline_msg"])
def test_a_table_with_several_rows_of_one_key_comes_back_with_all_of_them(
    world: EjabberdWorld, driver: Driver, table: str
) -> None:
    world.seed()
    _own_table(world, "bag")
    world.server.do("[mnesia:dirty_write({own, key, N}) || N <- [1, 1.0, 2]]")
    number = driver.snapshot().generation.number
    then = world.whole()
    world.server.do(f"{{atomic, ok}} = mnesia:delete_table({table})")
    driver.restore(number)
    assert world.whole() == then
    assert world.server.do(f"mnesia:table_info({table}, type)") == b"bag"


def test_several_rows_of_one_key_are_refused_where_the_table_holds_one(world: EjabberdWorld, driver: Driver) -> None:
    world.seed()
    _own_table(world, "bag")
    world.server.do("[mnesia:dirty_write({own, key, N}) || N <- [1, 2]]")
    number = driver.snapshot().generation.number
    world.server.do("{atomic, ok} = mnesia:delete_table(own)")
    _own_table(world, "set")
    now = world.whole()
    bench = driver.bench()
    with pytest.raises(PluginError, match="table own has one row for each key here, and more in the snapshot"):
        activities.restore(bench, number)
    assert world.whole() == now
    assert driver.left_behind(bench.job) == []


def test_keys_that_differ_in_their_type_alone_are_two(world: EjabberdWorld, driver: Driver) -> None:
    _own_table(world, "set")
    world.server.do("[mnesia:dirty_write({own, Key, Key}) || Key <- [1, 1.0, {2}, {2.0}]]")
    number = driver.snapshot().generation.number
    then = world.lines()
    world.server.do("[mnesia:dirty_delete(own, Key) || Key <- [1, 1.0, {2}, {2.0}]]")
    driver.restore(number)
    assert world.lines() == then


def test_the_plan_says_what_happens_to_whom(world: EjabberdWorld, driver: Driver) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    with driver.context() as ctx:
        before = world.plugin.preflight(ctx, stored, replace=True)
        with world.unreachable(), pytest.raises(ServerDown, match="is not answering"):
            world.plugin.preflight(ctx, stored, replace=True)
    warnings = [one.text for one in before.findings if one.severity is Severity.WARNING]
    assert any("disconnected" in text for text in warnings)
    assert "not stopped" in before.swap
