"""One store, two tools: what we write with ``compression=xz``, bash Dysnomia's modules restore and its commands check.

The suite runs the pipeline of each type's module as it is recorded here. SQLite has no module upstream, so that there
is nothing there that could read it; what compression does is the same for all.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.webapplication.plugin import GenericWebApplication
from dysnomia_store.model import CheckResult, Marks, Pin
from dysnomia_tui.engine.component.context import dump_reader
from tests.in_memory import in_memory
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.conformance.world import World
from tests.plugins.external import bash_dysnomia
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.servers.web import Nginx
from tests.plugins.sqlite.world import SqliteWorld
from tests.plugins.subversion.changes import ENVIRONMENT
from tests.plugins.subversion.world import SubversionWorld
from tests.plugins.webapplication.world import WebWorld
from tests.unit.store.shop import KEY, START, Shop


def postgresql(world: World, snapshot: Path) -> None:
    """postgresql-database: dropdb, createdb -O, xzcat dump.pgsql.xz | psql --file -."""
    assert isinstance(world, PostgresqlWorld)
    environment = dict(world.server.client_environment())
    bash_dysnomia.run(
        'dropdb "$1"; createdb -O "$2" "$1"; xzcat "$3/dump.pgsql.xz" | psql --file - "$1" >/dev/null',
        DATABASE, environment["PGUSER"], str(snapshot),
        environment={**environment, "PATH": f"{world.server.bin}:{os.defpath}"},
    )  # fmt: skip


def fileset(world: World, snapshot: Path) -> None:
    """fileset: in the target folder, every folder of the list deleted, then tar xf state.tar.xz."""
    assert isinstance(world, FilesetWorld)
    for name in ("data", "more/uploads"):
        shutil.rmtree(world.target / name)
    bash_dysnomia.run('tar xf "$1/state.tar.xz"', str(snapshot), cwd=world.target)


def subversion(world: World, snapshot: Path) -> None:
    """subversion-repository: a new repository, then xzcat dump.xz | svnadmin load."""
    assert isinstance(world, SubversionWorld)
    shutil.rmtree(world.live)
    bash_dysnomia.run(
        'svnadmin create "$1"; xzcat "$2/dump.xz" | svnadmin load -q "$1"',
        str(world.live), str(snapshot), environment=dict(ENVIRONMENT),
    )  # fmt: skip


def mysql(world: World, snapshot: Path) -> None:
    """mysql-database: choose the database, then xzcat dump.sql.xz, both into mysql -N, over what is there."""
    assert isinstance(world, MariadbWorld)
    bash_dysnomia.run(
        '(echo "use $1;"; xzcat "$2/dump.sql.xz") | "$3" --no-defaults "--socket=$4" --user=root -N',
        DATABASE, str(snapshot), world.server.client, world.server.socket,
    )  # fmt: skip


def all_of_it(whole: Any) -> Any:
    return whole


def without_attributes(whole: Any) -> Any:
    """Of folders, what tar gives back where nobody asks it for more: no extended attributes."""
    return [[entry[:-1] for entry in root] for root in whole]


def history_of(whole: Any) -> Any:
    """Of a repository, what its module restores: not hooks, locks and configuration, which only we keep."""
    return whole[0]


TYPES: dict[str, tuple[Callable[[World, Path], None], Callable[[Any], Any]]] = {
    "postgresql": (postgresql, all_of_it),
    "fileset": (fileset, without_attributes),
    "webapplication": (fileset, without_attributes),
    "subversion": (subversion, history_of),
    "mysql": (mysql, all_of_it),
}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder that any user can pass through, as one of pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="store.", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def world_of(name: str, folder: Path, request: pytest.FixtureRequest) -> World:
    if name == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return PostgresqlWorld(server, folder)
    if name == "mysql":
        mariadb: MariadbServer = request.getfixturevalue("mariadb")
        return MariadbWorld(mariadb, folder)
    if name == "webapplication":
        return WebWorld(GenericWebApplication(), Nginx, folder)
    return {"fileset": FilesetWorld, "subversion": SubversionWorld, "sqlite": SqliteWorld}[name](folder)


@pytest.mark.server
@pytest.mark.parametrize("name", TYPES)
def test_its_module_restores_what_we_wrote(name: str, short: Path, request: pytest.FixtureRequest) -> None:
    restore, compared = TYPES[name]
    with world_of(name, short / "world", request) as world:
        driver = Driver(world, short / "ours", compression="xz")
        world.seed()
        if isinstance(world, MariadbWorld):
            # What mariadb-dump writes of a table whose default is a sequence's no client loads: the sequence is not
            # among the tables it locks. Ours does without the locks.
            world.server.sql("DROP TABLE numbered", DATABASE)
        driver.snapshot()
        before = world.whole()
        random = Random(1)
        for change in world.changes()[:3]:
            world.change(change, random)
        driver.snapshot()
        newer = world.whole()
        world.change(world.changes()[0], random)
        state = driver.store.root
        key = world.component.key
        assert bash_dysnomia.check(state) == [f"{key}/{one.id}" for one in driver.generations()]

        restore(world, bash_dysnomia.last_snapshot(state, key.container, key.component))
        assert compared(world.whole()) == compared(newer)

        # After a restore of ours the last is what is live, so that its module brings that back, never the guard.
        driver.restore(1)
        assert compared(world.whole()) == compared(before)
        world.change(world.changes()[1], random)
        restore(world, bash_dysnomia.last_snapshot(state, key.container, key.component))
        assert compared(world.whole()) == compared(before)
        assert len(bash_dysnomia.check(state)) == len(driver.generations())


def test_sqlite_is_stored_as_xz_as_well(tmp_path: Path) -> None:
    with SqliteWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "ours", compression="xz")
        world.seed()
        made = driver.snapshot().generation
        (file,) = driver.store.stored(driver.key, made.id).folder.iterdir()
        subprocess.run(["xz", "-t", file], check=True)
        assert len(bash_dysnomia.check(driver.store.root)) == 1


class TestWhoMayRead:
    """Its PostgreSQL module becomes another user, who has to be able to read the dump and nothing else."""

    @pytest.fixture
    def store(self, short: Path) -> Driver:
        if os.geteuid() != 0:
            pytest.skip("who may read is decided for root alone")
        world = FilesetWorld(short / "world")
        world.plugin.dump_reader = lambda component: "nobody"  # type: ignore[method-assign]
        driver = Driver(world, short / "ours", compression="xz")
        (short / "ours").chmod(0o711)
        world.seed()
        return driver

    def read(self, path: Path) -> int:
        nobody = pwd.getpwnam("nobody")
        argv = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "cat", str(path)]
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode

    def test_the_dump_and_nothing_else(self, store: Driver) -> None:
        made = store.snapshot().generation
        folder = store.store.stored(store.key, made.id).folder
        (file,) = folder.iterdir()
        assert self.read(file) == 0
        for path in store.store.root.rglob("*"):
            assert path.stat().st_mode & 0o006 == 0, f"{path} is no business of everybody's"
            assert path == file or not path.is_file() or self.read(path) != 0, path

    def test_nobody_else_where_bash_does_not_restore(self, store: Driver) -> None:
        store.compression = "zstd"
        made = store.snapshot().generation
        (file,) = store.store.stored(store.key, made.id).folder.iterdir()
        assert self.read(file) != 0

    def test_also_after_it_was_brought_back(self, store: Driver) -> None:
        made = store.snapshot().generation
        store.store.mark(store.key, 1, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        store.world.change(store.world.changes()[0], Random(2))
        store.snapshot()
        bash_dysnomia.collect(store.store.root, 1)
        folder = store.store.root / "snapshots" / str(store.key) / made.id
        assert not folder.exists()
        store.snapshot()
        (file,) = folder.iterdir()
        assert self.read(file) == 0

    def test_a_user_that_is_not_there_is_nobody(self, store: Driver) -> None:
        store.world.plugin.dump_reader = lambda component: "no-such-user"  # type: ignore[method-assign]
        component = Component(store.key, Path("/x"), {})
        assert dump_reader(store.world.plugin, component, "xz") == ""
        store.snapshot()


class TestItsCollection:
    def test_what_is_pinned_and_held_comes_back_and_checks(self, place: Path) -> None:
        shop = Shop(place / "state")
        for number in range(5):
            shop.commit_files(f"r{number}", {f"f{n}": b"%d" % (n * number) for n in range(6)} | {"d/e": b"x"})
        shop.store.mark(KEY, 2, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        shop.store.mark(KEY, 4, Marks(pins=(Pin("guard of job 9", "", START, held_by="9"),)), who="")
        assert len(bash_dysnomia.check(shop.root)) == 5
        bash_dysnomia.collect(shop.root, 1)
        assert shop.numbers() == [5]
        shop.commit_files("r9", {"a": b"9"})
        assert shop.numbers() == [2, 4, 5, 6]
        assert shop.all_ok()
        assert len(bash_dysnomia.check(shop.root)) == 4, "also where the copies' folders list them in another order"

    def test_a_copy_that_was_damaged_is_not_made_to_check(self, place: Path) -> None:
        shop = Shop(place / "state")
        shop.commit_files("r1", {"a": b"1", "b": b"2", "c": b"3"})
        shop.store.mark(KEY, 1, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        shop.commit_files("r2", {"a": b"9"})
        bash_dysnomia.collect(shop.root, 1)
        (shop.root / "marks/databases/orders/copies/r1/snapshot/b").write_bytes(b"X")
        shop.commit_files("r3", {"a": b"7"})
        assert shop.store.check(KEY, "r1").result is CheckResult.CORRUPT
        with pytest.raises(AssertionError, match="mismatch: databases/orders/r1"):
            bash_dysnomia.check(shop.root)

    def test_numbers_that_it_used_again_are_told_apart(self, place: Path) -> None:
        shop = Shop(place / "state")
        shop.commit_files("r1", {"a": b"1"})
        shop.store.mark(KEY, 1, Marks(note="of r1"), who="alice")
        bash_dysnomia.collect(shop.root, 0)
        shop.commit_files("r2", {"a": b"2"})
        assert shop.ids() == {2: "r2"}, "we give no number out twice"
        bash_dysnomia.collect(shop.root, 0)
        folder = shop.root / "snapshots/databases/orders/r3"
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(b"3")
        links = shop.root / "generations/databases/orders"
        links.mkdir(parents=True)
        (links / "1").symlink_to("../../../snapshots/databases/orders/r3")
        (one,) = shop.store.generations(KEY)
        assert (one.number, one.id, one.marks, one.text, one.as_of_estimated) == (1, "r3", Marks(), "", True)


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="store.", dir=in_memory()))
    yield folder
    shutil.rmtree(folder)
