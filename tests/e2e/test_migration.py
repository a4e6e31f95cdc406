"""State moved between two machines: as Disnix does it, over ssh, and in one file."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_tui.engine.jobs.folder import JobFolder
from tests.e2e.ssh import Sshd, sshd
from tests.e2e.world import World
from tests.waiting import wait_until

ORDERS = ("-C", "sqlite", "-c", "orders")
DIARY = ("-C", "notes", "-c", "diary")


def machine(root: Path) -> World:
    """A machine with a database and a module's notes, both active and empty."""
    (root / "live").mkdir(parents=True)
    world = World(root)
    world.container("sqlite", type="sqlite-database", sqliteDir=str(root / "live"))
    world.container("notes", type="notes", notesDir=str(root / "live"))
    world.component("sqlite/orders", "sqlite-databases/orders.sql", "CREATE TABLE items (name TEXT);")
    world.component("notes/diary", "notes/first", "dear diary\n")
    world.run("dysnomia-containers", "--deploy")
    return world


def sql(world: World, statement: str) -> list[str]:
    with closing(sqlite3.connect(world.root / "live" / "orders")) as db, db:
        return [row[0] for row in db.execute(statement)]


def items(world: World) -> list[str]:
    return sql(world, "SELECT name FROM items ORDER BY rowid")


def left(root: Path) -> World:
    """The machine that is to be left: three states of the database, two of the notes."""
    world = machine(root)
    for name in ("one", "two", "three"):
        sql(world, f"INSERT INTO items VALUES ('{name}')")
        world.run("dysnomia", "-o", "snapshot", *ORDERS, "--reason", f"with {name}")
    world.run("dysnomia", "-o", "snapshot", *DIARY)
    (world.root / "live/diary/second").write_text("more\n")
    world.run("dysnomia", "-o", "snapshot", *DIARY)
    return world


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One that nobody changes."""
    return left(tmp_path_factory.mktemp("old") / "machine")


@pytest.fixture
def new(tmp_path: Path) -> World:
    return machine(tmp_path / "new")


class TestOverSsh:
    """The steps of disnix-migrate: query there, print-missing here, resolve there, copy, import here, restore."""

    @pytest.fixture(scope="class")
    def there(self, old: World) -> Iterator[Sshd]:
        with sshd(old.environment) as server:
            yield server

    def migrate(self, there: Sshd, new: World, query: str) -> int:
        """What disnix-copy-snapshots does. Returns how many were copied."""
        paths = there.run(f"dysnomia-snapshots {query}").out.split()
        missing = new.run("dysnomia-snapshots", "--print-missing", *dict.fromkeys(paths)).lines
        for path in missing:
            (source,) = there.run(f"dysnomia-snapshots --resolve {path}").out.split()
            container, component, snapshot = path.split("/")
            folder = new.root / "arriving"
            folder.mkdir(exist_ok=True)
            there.fetch(source, folder)
            copy = str(folder / snapshot)
            new.run("dysnomia-snapshots", "--import", f"--container={container}", f"--component={component}", copy)
        return len(missing)

    @pytest.mark.worlds
    def test_the_latest_of_everything(self, there: Sshd, old: World, new: World) -> None:
        assert self.migrate(there, new, "--query-latest") == 2
        latest = new.run("dysnomia-snapshots", "--query-latest").lines
        assert latest == old.run("dysnomia-snapshots", "--query-latest").lines
        assert "0 bad, 0 unverifiable" in new.run("dysnomia-snapshots", "--check").err
        new.run("dysnomia", "-o", "restore", *ORDERS, "--yes-untrusted")
        new.run("dysnomia", "-o", "restore", *DIARY)
        assert items(new) == ["one", "two", "three"]
        assert (new.root / "live/diary/second").read_text() == "more\n"

    def test_all_generations_and_a_second_time_only_what_is_new(self, tmp_path: Path, new: World) -> None:
        old = left(tmp_path / "old")
        with sshd(old.environment) as there:
            assert self.migrate(there, new, "--query-all") == 5
            query = ("dysnomia-snapshots", "--query-all")
            assert new.run(*query).lines == old.run(*query).lines
            assert self.migrate(there, new, "--query-all") == 0
            sql(old, "INSERT INTO items VALUES ('four')")
            there.run("dysnomia --operation snapshot --container sqlite --component orders")
            assert self.migrate(there, new, "--query-all") == 1
        new.run("dysnomia", "-o", "restore", *ORDERS, "--yes-untrusted")
        assert items(new) == ["one", "two", "three", "four"]

    def test_what_was_damaged_on_the_way_is_not_imported(self, there: Sshd, new: World, tmp_path: Path) -> None:
        (path,) = there.run("dysnomia-snapshots --query-latest --container sqlite").out.split()
        (source,) = there.run(f"dysnomia-snapshots --resolve {path}").out.split()
        there.fetch(source, tmp_path)
        (file,) = (tmp_path / Path(source).name).iterdir()
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        new.run("dysnomia-snapshots", "--import", *ORDERS, str(tmp_path / Path(source).name), status=7)
        assert new.run("dysnomia-snapshots", "--query-all").lines == []

    def test_an_archive_through_the_line(self, there: Sshd, new: World, tmp_path: Path) -> None:
        there.run(f"dysnomia-snapshots --export --container sqlite {tmp_path}/there.tar")
        there.fetch(f"{tmp_path}/there.tar", tmp_path / "here.tar")
        new.run("dysnomia-snapshots", "--import", str(tmp_path / "here.tar"))
        assert len(new.run("dysnomia-snapshots", "--query-all").lines) == 3


class TestInOneFile:
    def test_everything_with_its_history(self, old: World, new: World, tmp_path: Path) -> None:
        path = str(tmp_path / "all.tar")
        done = old.run("dysnomia-snapshots", "--export", "sqlite/orders", "notes/diary", path)
        assert "5 generations on 5 snapshots" in done.err
        plan = new.run("dysnomia-snapshots", "--import", path, "--dry-run").out
        assert "3 generations on 3 snapshots would come after those of sqlite/orders" in plan
        assert new.run("dysnomia-snapshots", "--query-all").lines == []
        new.run("dysnomia-snapshots", "--import", path)
        assert new.run("dysnomia-snapshots", "--query-all").lines == old.run("dysnomia-snapshots", "--query-all").lines
        new.run("dysnomia", "-o", "restore", *ORDERS, "--generation", "2", "--yes-untrusted")
        assert items(new) == ["one", "two"]
        done = new.run("dysnomia-snapshots", "--import", path)
        assert "5 were here already" in done.err
        assert "import" in new.run("dysnomia-tui", "timeline").out

    @pytest.mark.parametrize("words", [("--container", "sqlite"), ("-c", "orders"), ("sqlite/orders",), ("ID",)])
    def test_what_is_chosen(self, old: World, tmp_path: Path, words: tuple[str, ...]) -> None:
        snapshot = old.run("dysnomia-snapshots", "--query-latest", *ORDERS).lines[0].rpartition("/")[2]
        ids = [word if word != "ID" else snapshot[:8] for word in words]
        done = old.run("dysnomia-snapshots", "--export", *ids, str(tmp_path / "a.tar"), "--json")
        (one,) = done.json["components"]
        assert one["generations"] == ([3] if words == ("ID",) else [1, 2, 3])

    def test_what_makes_no_sense(self, old: World, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        old.run("dysnomia-snapshots", "--export", status=2)
        old.run("dysnomia-snapshots", "--export", str(path), status=2)
        old.run("dysnomia-snapshots", "--export", "sqlite/nothing", str(path), status=5)
        old.run("dysnomia-snapshots", "--export", "ffffff", str(path), status=5)
        old.run("dysnomia-snapshots", "--export", "../x", str(path), status=2)
        assert not path.exists()
        path.write_text("mine")
        old.run("dysnomia-snapshots", "--export", "sqlite/orders", str(path), status=6)
        done = old.run("dysnomia-snapshots", "--import", str(path), status=6)
        assert "not an archive of snapshots" in done.err
        old.run("dysnomia-snapshots", "--import", *ORDERS, str(path), status=5)

    def test_killed_half_way_it_goes_on(self, old: World, new: World, tmp_path: Path) -> None:
        path = str(tmp_path / "all.tar")
        old.run("dysnomia-snapshots", "--export", "sqlite/orders", path)
        new.run("dysnomia", "-o", "snapshot", *ORDERS)
        # The component's lock, in another's hand, holds the job up when it has read the archive.
        with (new.state / "locks" / "sqlite" / "orders").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = new.start("dysnomia-snapshots", "--import", path)
            job = wait_until(lambda: next((one for one in new.jobs() if one["kind"] == "import"), None))
            assert job is not None
            record = JobFolder(new.state / "jobs" / job["id"])
            wait_until(lambda: '"verify"' in record.events.read_text())
            worker = record.worker
            assert worker is not None
            os.kill(worker.pid, signal.SIGKILL)
            command.communicate(timeout=60)
        assert command.returncode != 0
        assert len(new.run("dysnomia-snapshots", "--query-all").lines) == 1
        new.run("dysnomia-snapshots", "--import", path)
        assert len(new.run("dysnomia-snapshots", "--query-all").lines) == 4

    def test_what_came_is_a_strangers_until_it_is_trusted(self, old: World, new: World, tmp_path: Path) -> None:
        path = str(tmp_path / "all.tar")
        old.run("dysnomia-snapshots", "--export", "sqlite/orders", path)
        new.run("dysnomia-snapshots", "--import", path)
        new.run("dysnomia-tui", "trust", "sqlite/orders", "3")
        new.run("dysnomia", "-o", "restore", *ORDERS, "--yes-untrusted")
        assert items(new) == ["one", "two", "three"]
        wait_until(lambda: all(job["state"] == "done" for job in new.jobs()))
