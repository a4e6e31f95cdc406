"""``components=*``: every database of a server is a component, as the commands say it, on real servers.

What the servers hold is told by their own clients.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server
Server = PostgresServer | MariadbServer
HOSTILE_PG = {
    "statement_timeout": "1",
    "search_path": "public",
    "default_transaction_read_only": "on",
    "DateStyle": "SQL",
}
HOSTILE_MY = (
    "SET GLOBAL sql_select_limit = 1; SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';"
)
CALM = "SET SESSION sql_select_limit = DEFAULT, sql_mode = ''"


class Machine:
    """A configuration and a store of its own, and the commands on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("containers", "components", "home"):
            (root / name).mkdir(parents=True)
        self.environment = {
            **os.environ,
            "HOME": str(root / "home"), "XDG_CONFIG_HOME": str(root / "home"), "XDG_RUNTIME_DIR": str(root / "home"),
            "DYSNOMIA_STATEDIR": str(root / "state"),
            "DYSNOMIA_CONTAINERS_PATH": str(root / "containers"), "DYSNOMIA_COMPONENTS_PATH": str(root / "components"),
        }  # fmt: skip

    def container(self, name: str, properties: Mapping[str, str], more: str = "components=*\n") -> None:
        text = "".join(f"{key}={value}\n" for key, value in properties.items()) + more
        (self.root / "containers" / name).write_text(text)

    def __call__(self, command: str, *words: str, exits: int | None = 0) -> str:
        done = subprocess.run(
            [Path(sys.executable).parent / command, *words], env=self.environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert exits is None or done.returncode == exits, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(
            subprocess.run(
                [Path(sys.executable).parent / "dysnomia-tui", "status", "--json"], env=self.environment,
                capture_output=True, text=True, check=False,
            ).stdout
        )  # fmt: skip
        return said

    def health(self) -> dict[str, str]:
        return {one["key"]: one["health"] for one in self.status()["components"]}

    def snapshot(self, exits: int = 0) -> str:
        return self("dysnomia-containers", "--snapshot", exits=exits)


OTHERS = [pytest.param(name, marks=pytest.mark.worlds) for name in ("mariadb", "postgresql-hostile", "mariadb-hostile")]


@pytest.fixture(scope="module", params=["postgresql", *OTHERS])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One that no other test puts databases on."""
    made: Mapping[str, Callable[[], Server]] = {
        "postgresql": PostgresServer,
        "mariadb": MariadbServer,
        "postgresql-hostile": lambda: PostgresServer(
            settings=HOSTILE_PG, own_options="-c statement_timeout=0 -c default_transaction_read_only=off"
        ),
        "mariadb-hostile": lambda: MariadbServer(globals_=HOSTILE_MY, calm=CALM),
    }
    with made[request.param]() as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, server: Server) -> Iterator[Machine]:
    before = server.databases()
    yield Machine(tmp_path)
    if not server.running:
        server.start()
    for name in server.databases() - before:
        server.drop(name)


def create(server: Server, *names: str) -> None:
    """Databases with a table in each."""
    quote = '"' if isinstance(server, PostgresServer) else "`"
    for name in names:
        server.sql(f"CREATE DATABASE {quote}{name.replace(quote, quote * 2)}{quote}")
        server.sql("CREATE TABLE plums (id int PRIMARY KEY); INSERT INTO plums VALUES (1)", name)


def test_every_database_has_its_own_history_new_ones_too(machine: Machine, server: Server) -> None:
    create(server, "orders", "stock", "dysnomia_is_a_nice_name")
    machine.container("shop", server.properties)
    never = machine.status()
    assert never["level"] == "critical", "nothing is known yet, and that is not ok"
    assert any("shop: which components it has is not known" in one for one in never["alarms"])
    machine.snapshot()
    names = {"shop/orders", "shop/stock", "shop/dysnomia_is_a_nice_name"}
    assert machine.health() == dict.fromkeys(names, "ok")
    assert set(machine("dysnomia-containers", "--query-available-components").split()) == names
    assert set(machine("dysnomia-containers", "--query-activated-components").split()) == names
    create(server, "new")
    machine.snapshot()
    assert machine.health() == dict.fromkeys({*names, "shop/new"}, "ok")
    server.sql("INSERT INTO plums VALUES (2)", "stock")
    machine.snapshot()
    listed = machine("dysnomia-snapshots", "--query-all").split()
    counted = {key: sum(1 for line in listed if line.startswith(f"{key}/")) for key in (*names, "shop/new")}
    assert counted == {key: 2 if key == "shop/stock" else 1 for key in counted}
    (look,) = machine.status()["looks"]
    assert (look["container"], look["components"], look["problem"]) == ("shop", 4, "")


def test_a_new_database_can_be_named_before_anybody_looked(machine: Machine, server: Server) -> None:
    create(server, "orders")
    machine.container("shop", server.properties)
    machine("dysnomia", "-o", "snapshot", "-C", "shop", "-c", "orders")
    create(server, "fresh")
    machine("dysnomia", "-o", "snapshot", "-C", "shop", "-c", "fresh")
    said = machine("dysnomia", "-o", "snapshot", "-C", "shop", "-c", "none", exits=None)
    assert "there is no component shop/none" in said
    assert "dysnomia-tui look shop" in said


def test_a_dropped_database_keeps_its_history_and_comes_back(machine: Machine, server: Server) -> None:
    create(server, "orders", "stock")
    machine.container("shop", server.properties)
    machine.snapshot()
    server.drop("orders")
    machine.snapshot()  # what is gone fails no snapshot of the rest
    status = machine.status()
    assert machine.health() == {"shop/orders": "gone", "shop/stock": "ok"}
    assert status["level"] == "warning"
    (gone,) = (one for one in status["components"] if one["key"] == "shop/orders")
    assert "no longer on its server" in gone["problem"]
    assert gone["generations"] == 1
    assert machine("dysnomia-containers", "--query-available-components").split() == ["shop/stock"]
    assert "nothing to do" in machine("dysnomia-containers", "--deploy"), "a deployment makes no empty database of it"
    machine("dysnomia", "-o", "restore", "-C", "shop", "-c", "orders")
    assert server.sql("SELECT id FROM plums", "orders") == "1"
    assert machine.health()["shop/orders"] == "ok", "what was restored is there, before the next look"
    machine("dysnomia-tui", "look")
    assert machine.health() == {"shop/orders": "ok", "shop/stock": "ok"}
    assert machine.status()["level"] == "ok"


def test_a_drop_that_was_meant_is_said_by_except(machine: Machine, server: Server) -> None:
    create(server, "orders", "tmp_1", "tmp_2", "a test")
    machine.container("shop", server.properties)
    machine.snapshot()
    assert len(machine.health()) == 4
    server.drop("tmp_1")
    machine.snapshot()
    machine.container("shop", server.properties, 'components="*"\nexcept=("tmp_*" "a test")\n')
    machine.snapshot()
    status = machine.status()
    assert status["level"] == "ok"
    assert {one["key"]: one["health"] for one in status["components"]} == {
        "shop/orders": "ok", "shop/tmp_1": "gone", "shop/tmp_2": "gone", "shop/a test": "gone",
    }  # fmt: skip
    assert machine("dysnomia-containers", "--query-activated-components").split() == ["shop/orders"]


@pytest.mark.worlds
@pytest.mark.parametrize("more", ["", "components=all\n", "components=*\nexcept=orders\n"])
def test_an_edited_container_drops_nothing(machine: Machine, server: Server, more: str) -> None:
    create(server, "orders", "stock")
    machine.container("shop", server.properties)
    machine.snapshot()
    machine.container("shop", server.properties, more)
    machine("dysnomia-containers", "--deploy")
    machine("dysnomia-containers", "--collect-garbage")
    machine("dysnomia", "-o", "collect-garbage", "-C", "shop", "-c", "orders", exits=None)
    assert {name: server.sql("SELECT id FROM plums", name) for name in ("orders", "stock")} == {
        "orders": "1", "stock": "1"
    }  # fmt: skip


def test_a_server_that_is_down_makes_nothing_vanish(machine: Machine, server: Server) -> None:
    create(server, "orders", "stock")
    machine.container("shop", server.properties)
    machine.snapshot()
    server.stop()
    machine.snapshot(exits=8)
    status = machine.status()
    assert {one["key"] for one in status["components"]} == {"shop/orders", "shop/stock"}
    assert status["level"] == "critical"
    assert any("shop: what its server holds is not known" in one for one in status["alarms"])
    assert status["looks"][0]["at"]
    server.start()
    machine.snapshot()
    assert machine.status()["level"] == "ok"


def test_a_server_that_never_answered_is_not_well(machine: Machine, server: Server) -> None:
    machine.container("shop", server.properties)
    server.stop()
    machine.snapshot(exits=8)
    assert machine.status()["level"] == "critical"
    said = machine("dysnomia-tui", "group", "shop", "snapshot", exits=8)
    assert "which components it has is not known" in said


def test_hostile_names_are_named_and_left(machine: Machine, server: Server) -> None:
    create(server, "-rf", ".hidden", "a/b", "$(id)", "it's", "größe", 'quo"te', "per%cent", "back`tick")
    machine.container("shop", server.properties)
    machine.snapshot()
    status = machine.status()
    assert {one["key"] for one in status["components"]} == {
        "shop/$(id)", "shop/it's", "shop/größe", 'shop/quo"te', "shop/per%cent", "shop/back`tick"
    }  # fmt: skip
    assert {one["health"] for one in status["components"]} == {"ok"}
    (alarm,) = status["alarms"]
    for name, why in (("-rf", "it starts with '-'"), (".hidden", "it starts with '.'"), ("a/b", "it holds a slash")):
        assert f"{name!r} ({why})" in alarm
    assert status["level"] == "warning"
    machine.container("shop", server.properties, "components=*\nexcept='-rf .hid* a/?'\n")
    machine.snapshot()
    assert machine.status()["level"] == "ok"


def test_all_of_a_server_goes_back_as_a_group(machine: Machine, server: Server) -> None:
    create(server, "orders", "stock")
    machine.container("shop", server.properties)
    machine("dysnomia-tui", "group", "shop", "snapshot")
    server.sql("DELETE FROM plums", "stock")
    server.drop("orders")
    machine("dysnomia-tui", "look")
    machine("dysnomia-tui", "group", "shop", "restore", "--at", "now")
    assert {name: server.sql("SELECT id FROM plums", name) for name in ("orders", "stock")} == {
        "orders": "1", "stock": "1"
    }  # fmt: skip
    assert machine.health() == {"shop/orders": "ok", "shop/stock": "ok"}


def test_one_that_is_named_has_its_files_and_is_there_once(machine: Machine, server: Server) -> None:
    create(server, "orders", "stock")
    machine.container("shop", server.properties)
    (machine.root / "components" / "shop").mkdir()
    (machine.root / "components" / "shop" / "orders").write_text("")
    machine("dysnomia", "-o", "activate", "-C", "shop", "-c", "orders")
    machine.snapshot()
    assert machine.health() == {"shop/orders": "ok", "shop/stock": "ok"}


def test_where_nothing_may_be_changed_what_is_known_is_read(machine: Machine, server: Server) -> None:
    create(server, "orders")
    machine.container("shop", server.properties)
    machine.snapshot()
    create(server, "unseen")
    (machine.root / "home" / "dysnomia-tui").mkdir()
    (machine.root / "home" / "dysnomia-tui" / "config.toml").write_text("read_only = true\n")
    assert machine.health() == {"shop/orders": "ok"}
    assert "no server was asked" in machine("dysnomia-tui", "look", exits=None)
    assert machine.health() == {"shop/orders": "ok"}


def test_an_account_that_sees_only_some(tmp_path: Path, mariadb: MariadbServer) -> None:
    machine = Machine(tmp_path)
    create(mariadb, "seen", "unseen")
    mariadb.sql("CREATE USER clerk IDENTIFIED BY 'sesame-of-the-clerk'; GRANT ALL ON seen.* TO clerk; FLUSH PRIVILEGES")
    try:
        machine.container(
            "shop", {**mariadb.properties, "mysqlUsername": "clerk", "mysqlPassword": "sesame-of-the-clerk"}
        )
        (machine.root / "containers" / "shop").chmod(0o600)
        said = machine("dysnomia-tui", "look")
        assert "shop: 1 component; the account is shown only databases on which it has a privilege" in said
        mariadb.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM clerk; FLUSH PRIVILEGES")
        mariadb.sql("ALTER USER clerk IDENTIFIED BY 'another'; FLUSH PRIVILEGES")
        said = machine("dysnomia-tui", "look", exits=None)
        assert "not known" in said
        assert "shop/seen" in said, "what was known stays"
        assert "sesame" not in said
    finally:
        mariadb.sql("DROP USER clerk")
        for name in ("seen", "unseen"):
            mariadb.drop(name)


def test_databases_that_let_nobody_in(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with PostgresServer() as server:
        create(server, "orders", "closed", "mould")
        server.sql("ALTER DATABASE closed ALLOW_CONNECTIONS false; ALTER DATABASE mould IS_TEMPLATE true")
        machine.container("shop", server.properties)
        machine.snapshot()
        (alarm,) = machine.status()["alarms"]
        assert "'closed' (it lets nobody connect" in alarm
        assert "'mould' (it is a template" in alarm
        assert machine.health() == {"shop/orders": "ok"}
        server.sql("CREATE TABLE somebodys (id int)")  # in the server's own database
        machine.snapshot()
        assert machine.health() == {"shop/orders": "ok", "shop/postgres": "ok"}
        server.sql("DROP TABLE somebodys")
        machine.snapshot()
        assert machine.health() == {"shop/orders": "ok", "shop/postgres": "ok"}, "emptied is not dropped"


def sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE plums (id INTEGER PRIMARY KEY)")
        db.commit()


def test_every_database_of_a_folder(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m")
    folder = tmp_path / "databases"
    folder.mkdir()
    for name in ("orders.db", "stock", "a b.sqlite"):
        sqlite(folder / name)
    (folder / "README").write_text("not one")
    (folder / "linked.db").symlink_to("/etc/passwd")
    machine.container("shop", {"type": "sqlite-database", "sqliteDir": str(folder)})
    machine.snapshot()
    assert machine.health() == {"shop/orders.db": "ok", "shop/stock": "ok", "shop/a b.sqlite": "ok"}
    (alarm,) = machine.status()["alarms"]
    assert "'linked.db' (it is a link" in alarm
    (folder / "linked.db").unlink()
    (machine.root / "components" / "shop").mkdir()
    (machine.root / "components" / "shop" / "orders").write_text("")  # the same file, by another name
    (folder / "stock").unlink()
    (folder / "a b.sqlite").write_bytes(b"damaged")
    machine.snapshot(exits=1)
    said = machine.health()
    assert said["shop/stock"] == "gone"
    assert said["shop/a b.sqlite"] == "FAILED", "damaged is not dropped"
    assert (said["shop/orders.db"], said["shop/orders"]) == ("gone", "inactive")
    folder.rename(tmp_path / "away")
    machine("dysnomia-tui", "look", exits=8)
    assert machine.health()["shop/a b.sqlite"] == "FAILED", "a folder that is not there is no empty folder"


def test_a_dry_run_shows_what_is_new_and_keeps_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m")
    folder = tmp_path / "databases"
    folder.mkdir()
    sqlite(folder / "orders.db")
    machine.container("shop", {"type": "sqlite-database", "sqliteDir": str(folder)})

    def shown() -> None:
        assert "orders.db" in machine("dysnomia-containers", "--snapshot", "--dry-run")
        assert "orders.db" in machine("dysnomia", "-o", "snapshot", "-C", "shop", "-c", "orders.db", "--dry-run")
        assert "orders.db" in machine("dysnomia-tui", "group", "shop", "snapshot", "--dry-run")

    shown()
    state = machine.root / "state"
    assert not [path for name in ("listed", "activated", "deployed") for path in (state / name).rglob("*")]
    folder.rename(tmp_path / "away")
    said = machine("dysnomia-containers", "--snapshot", "--dry-run", exits=8)
    assert "what its server holds is not known" in said
    (tmp_path / "away").rename(folder)
    machine.snapshot()
    shown()


def test_a_folder_that_is_not_mounted_is_no_empty_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m")
    folder = tmp_path / "databases"
    folder.mkdir()
    for name in ("orders.db", "stock.db", "wiki.db"):
        sqlite(folder / name)
    machine.container("shop", {"type": "sqlite-database", "sqliteDir": str(folder)})
    machine.snapshot()
    folder.rename(tmp_path / "away")
    folder.mkdir()
    said = machine("dysnomia-containers", "--snapshot", exits=None)
    assert "only 0 of its 3 components are there" in said
    assert machine.status()["level"] != "ok"
    assert len(machine("dysnomia-containers", "--query-activated-components").split()) == 3
    machine("dysnomia-tui", "look", exits=8)
    machine("dysnomia-tui", "look", "--accept", "shop")
    assert set(machine.health().values()) == {"gone"}


@pytest.mark.parametrize(("kind", "setting", "make"), [
    ("git-repository", "gitBaseDir", ["git", "init", "-q", "--bare"]),
    ("subversion-repository", "svnBaseDir", ["svnadmin", "create"]),
])  # fmt: skip
def test_every_repository_of_a_folder(tmp_path: Path, kind: str, setting: str, make: list[str]) -> None:
    machine = Machine(tmp_path / "m")
    folder = tmp_path / "repositories"
    folder.mkdir()
    for name in ("one", "two"):
        subprocess.run([*make, folder / name], check=True)
    (folder / "no-repository").mkdir()
    machine.container("code", {"type": kind, setting: str(folder)})
    machine.snapshot()
    assert machine.health() == {"code/one": "ok", "code/two": "ok"}
    (folder / "two").rename(tmp_path / "two")
    machine.snapshot()
    assert machine.health() == {"code/one": "ok", "code/two": "gone"}


def test_a_type_that_cannot_tell_is_said(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.container("files", {"type": "fileset", "targetDir": str(tmp_path)})
    assert "cannot have components=*" in machine("dysnomia-tui", "look", exits=8)
    assert machine.status()["level"] == "critical"
    machine.container("files", {"type": "fileset", "targetDir": str(tmp_path)}, "components=all\n")
    (alarm,) = machine.status()["alarms"]
    assert "components=all is not understood" in alarm
