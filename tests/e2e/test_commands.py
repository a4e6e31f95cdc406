"""The commands on real SQLite databases and folders, from the first snapshot to the undo."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.thorough import seldom
from tests.waiting import wait_until

ORDERS = ("-C", "sqlite", "-c", "orders")


def sql(world: World, statement: str, name: str = "orders") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(world.root / "live" / name, timeout=60)) as db, db:
        return db.execute(statement).fetchall()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two databases and a folder, all active; ``orders`` has two generations."""
    (tmp_path / "live").mkdir()
    world = World(tmp_path)
    world.container("sqlite", type="sqlite-database", sqliteDir=str(tmp_path / "live"))
    world.container("files", type="fileset", targetDir=str(tmp_path / "live" / "tree"))
    for name in ("orders", "crm"):
        schema = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO items (name) VALUES ('one');"
        world.component(f"sqlite/{name}", f"sqlite-databases/{name}.sql", schema)
    world.component("files/documents", ".dysnomia-fileset", "mkdir documents\n")
    world.run("dysnomia-containers", "--deploy")
    world.run("dysnomia", "-o", "snapshot", *ORDERS, "--reason", "first")
    sql(world, "INSERT INTO items (name) VALUES ('two')")
    world.run("dysnomia", "-o", "snapshot", *ORDERS)
    return world


def items(world: World, name: str = "orders") -> list[object]:
    return [row[0] for row in sql(world, "SELECT name FROM items ORDER BY id", name)]


def generations(world: World) -> list[str]:
    return world.run("dysnomia-snapshots", "--query-all", *ORDERS).lines


def test_deploy_activates_what_there_is(world: World) -> None:
    assert world.run("dysnomia-containers", "--query-containers").lines == ["files", "sqlite"]
    expected = ["files/documents", "sqlite/crm", "sqlite/orders"]
    assert world.run("dysnomia-containers", "--query-available-components").lines == expected
    assert world.run("dysnomia-containers", "--query-activated-components").lines == expected
    assert items(world, "crm") == ["one"]


def test_restore_is_the_last_generation_unless_one_is_named(world: World) -> None:
    sql(world, "DELETE FROM items")
    world.run("dysnomia", "-o", "restore", *ORDERS)
    assert items(world) == ["one", "two"]
    world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1")
    assert items(world) == ["one"]


def test_a_restore_is_undone(world: World) -> None:
    sql(world, "INSERT INTO items (name) VALUES ('three')")
    done = world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", "--json")
    job = done.json["job"]["id"]
    assert items(world) == ["one"]
    world.run("dysnomia-tui", "undo", job)
    assert items(world) == ["one", "two", "three"]


def test_a_copy_leaves_live_alone(world: World) -> None:
    world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", "--as", "orders-then")
    assert items(world) == ["one", "two"]
    assert items(world, "orders-then") == ["one"]
    again = world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", "--as", "orders-then", status=None)
    assert again.status != 0
    assert "orders-then" in again.err


def test_one_section_into_a_copy(world: World) -> None:
    sql(world, "CREATE TABLE more (x)")
    world.run("dysnomia", "-o", "snapshot", *ORDERS)
    world.run("dysnomia", "-o", "restore", *ORDERS, "--as", "part", "--section", "table:items")
    assert items(world, "part") == ["one", "two"]


def test_a_dry_run_says_would_and_does_nothing(world: World) -> None:
    before = world.jobs()
    done = world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", "--dry-run")
    assert done.lines[0].startswith("would restore generation 1")
    assert items(world) == ["one", "two"]
    plan = world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", "--dry-run", "--json").json["plan"]
    assert plan["kind"] == "restore"
    assert len(plan["digest"]) == 64
    assert world.jobs() == before


def test_a_diff_names_rows(world: World) -> None:
    done = world.run("dysnomia-snapshots", "--diff", "1", "2", "--rows", *ORDERS)
    assert any(line.startswith("~ table items") for line in done.lines)
    assert any(line.strip().startswith("+ ") and "two" in line for line in done.lines)
    sql(world, "UPDATE items SET name = 'changed' WHERE id = 1")
    live = world.run("dysnomia-snapshots", "--diff", "2", "live", "--rows", "--json", *ORDERS).json
    (section,) = [one for one in live["sections"] if (one["new"] or one["old"])["name"] == "items"]
    assert section["changed"] == 1
    assert section["rows"][0]["new"][-1] == "changed"


def test_gc_keeps_what_it_was_told_and_is_undone(world: World) -> None:
    before = generations(world)
    dry = world.run("dysnomia-snapshots", "--gc", "--keep", "1", *ORDERS, "--dry-run")
    assert "would" in dry.out
    assert generations(world) == before
    done = world.run("dysnomia-snapshots", "--gc", "--trash", "--keep", "1", *ORDERS)
    assert "Removing old generation symlink: sqlite/orders/1" in done.err
    assert f"Removing old snapshot: {before[0]}" in done.err
    assert generations(world) == before[-1:]
    assert world.run("dysnomia-snapshots", "--gc", "--keep", "1", *ORDERS).err.strip() == "nothing to remove"
    job = next(one for one in world.jobs() if one["kind"] == "gc")
    world.run("dysnomia-tui", "undo", job["id"])
    assert generations(world) == before


def test_a_snapshot_folder_is_moved_in_from_another_machine(world: World, tmp_path: Path) -> None:
    path = generations(world)[0]
    folder = tmp_path / "elsewhere" / path.rpartition("/")[2]
    folder.parent.mkdir()
    (world.state / "snapshots" / path).rename(folder)
    world.run("dysnomia-snapshots", "--query-all", "--check", *ORDERS, status=7)
    world.run("dysnomia-snapshots", "--import", *ORDERS, str(folder))
    assert generations(world)[-1] == path
    world.run("dysnomia-snapshots", "--query-all", "--check", *ORDERS)


@pytest.mark.parametrize(
    ("line", "status", "named"),
    [
        ("dysnomia -o snapshot -C nowhere -c orders", 5, "nowhere"),
        pytest.param("dysnomia -o snapshot -C sqlite -c nothing", 5, "nothing", marks=pytest.mark.worlds),
        ("dysnomia -o restore -C sqlite -c orders --generation 99", 5, "99"),
        pytest.param("dysnomia-snapshots --diff 1 99 -C sqlite -c orders", 5, "99", marks=pytest.mark.worlds),
        pytest.param(
            "dysnomia-snapshots --import -C sqlite -c orders /nowhere/at/all",
            5,
            "/nowhere/at/all",
            marks=pytest.mark.worlds,
        ),
        ("dysnomia-tui undo 4711", 5, "4711"),
        pytest.param("dysnomia-tui cancel 4711", 5, "4711", marks=pytest.mark.worlds),
    ],
)
def test_what_is_not_there_is_named(world: World, line: str, status: int, named: str) -> None:
    done = world.run(*line.split(), status=status)
    assert named in done.err
    assert len(done.err.splitlines()) == 1


def test_a_flipped_byte_is_not_restored_and_live_is_as_it_was(world: World) -> None:
    victim = next(path for path in (world.state / "snapshots" / generations(world)[0]).rglob("*") if path.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.chmod(0o600)
    victim.write_bytes(data)
    done = world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "1", status=None)
    assert done.status in (6, 7), "refused by the plan, or found by the job"
    assert "damaged" in done.err or "corrupt" in done.err.lower()
    assert items(world) == ["one", "two"]
    world.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "2")


def test_containers_snapshot_goes_on_after_one_that_fails(world: World) -> None:
    (world.root / "live" / "crm").write_bytes(b"this is no database at all, and never was" * 40)
    done = world.run("dysnomia-containers", "--snapshot", "--json", status=3)
    exits = {one["component"]: one["exit"] for one in done.json["components"]}
    assert exits["files/documents"] == 0
    assert exits["sqlite/orders"] == 0
    assert exits["sqlite/crm"] != 0


def test_restoring_everything_asks_and_nobody_to_ask_is_a_no(world: World) -> None:
    sql(world, "DELETE FROM items")
    refused = world.run("dysnomia-containers", "--restore", status=6)
    assert "-y" in refused.err
    assert items(world) == []
    assert "Not executing" in world.run("dysnomia-containers", "--restore", stdin="n\n").out
    assert items(world) == []
    world.run("dysnomia-containers", "--restore", "-y", "-C", "sqlite")
    assert items(world) == ["one", "two"]


def test_a_config_file_with_a_fault_spoils_only_itself(world: World) -> None:
    (world.root / "containers" / "broken").write_text('type="sqlite-database\n')
    assert "sqlite" in world.run("dysnomia-containers", "--query-containers").lines
    world.run("dysnomia", "-o", "snapshot", *ORDERS)
    done = world.run("dysnomia", "-o", "snapshot", "-C", "broken", "-c", "x", status=None)
    assert done.status in (2, 5)
    assert "broken" in done.err


def test_a_component_and_a_container_given_by_path(world: World) -> None:
    container, component = world.root / "containers" / "sqlite", world.root / "components" / "sqlite" / "orders"
    sql(world, "INSERT INTO items (name) VALUES ('by path')")
    world.run("dysnomia", "-o", "snapshot", "-C", str(container), "-c", str(component))
    assert len(generations(world)) == 3
    marker = world.state / "activated" / "sqlite" / "orders"
    world.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", str(marker))
    assert len(generations(world)) == 3


@pytest.mark.parametrize("deadly", seldom([signal.SIGHUP, signal.SIGKILL, signal.SIGTERM], signal.SIGKILL))
def test_a_command_that_is_killed_leaves_its_job_running(world: World, deadly: signal.Signals) -> None:
    sql(world, "INSERT INTO items (name) SELECT hex(randomblob(200)) FROM (WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) SELECT i FROM n)")  # fmt: skip
    before = {one["id"] for one in world.jobs()}
    command = world.start("dysnomia", "-o", "restore", *ORDERS, "--generation", "1")
    wait_until(lambda: {one["id"] for one in world.jobs()} - before)
    command.send_signal(deadly)
    command.communicate(timeout=60)
    (job,) = {one["id"] for one in world.jobs()} - before
    ended = wait_until(lambda: next((one for one in world.jobs() if one["id"] == job and one["ended"]), None))
    assert ended is not None
    assert ended["state"] == "done"
    assert items(world) == ["one"]


def test_ctrl_c_cancels_and_live_is_as_it_was(world: World) -> None:
    """Ctrl-C as soon as the job is known: it is cancelled, or had already ended; never anything in between."""
    command = world.start("dysnomia", "-o", "restore", *ORDERS, "--generation", "1")
    before = items(world)
    assert command.stderr is not None
    command.stderr.readline()
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=120)
    assert command.returncode in (0, 10)
    assert items(world) == (["one"] if command.returncode == 0 else before)
    world.run("dysnomia", "-o", "snapshot", *ORDERS)


def test_two_at_once_are_done_one_after_the_other(world: World) -> None:
    commands = [world.start("dysnomia", "-o", "restore", *ORDERS, "--generation", str(number)) for number in (1, 2)]
    for command in commands:
        _, err = command.communicate(timeout=120)
        assert command.returncode == 0, err
    assert items(world) in (["one"], ["one", "two"])
    world.run("dysnomia-snapshots", "--query-all", "--check", *ORDERS)


def test_what_was_done_is_in_the_timeline(world: World) -> None:
    out = world.run("dysnomia-tui", "timeline").out
    assert "sqlite/orders" in out
    assert "first" in out, "with the operator's own words"
