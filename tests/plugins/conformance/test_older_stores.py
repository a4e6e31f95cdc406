"""Stores that version 0.1 of the program wrote on real servers, whose databases are there as they were.

``tests/fixtures/older_stores`` holds each store and the SQL that made the database. That version wrote dumps under the
settings of the server and the database, and took a view's own schema into its digest. What differs for these reasons
alone is no change of state, and no fault of a snapshot.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_store.model import CheckResult
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.component.activities import verify
from dysnomia_tui.engine.engine import LIVE, Engine, Side
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.sql_world import SqlWorld
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.postgresql.world import PostgresqlWorld

STORES = Path(__file__).resolve().parents[2] / "fixtures" / "older_stores"
PATIENCE = 60.0

pytestmark = pytest.mark.server


@dataclass
class Older:
    """A store of the older program, and its database on a server of today."""

    world: SqlWorld
    driver: Driver
    folder: Path
    sql: Callable[[str], str]

    def diff(self, old: Side, new: Side) -> list[tuple[str, str, str]]:
        """What differs: kind, name and note of each section."""
        containers = self.folder / "containers"
        containers.mkdir(exist_ok=True)
        key = self.world.component.key
        lines = (f"{name}={value}\n" for name, value in self.world.component.properties.items())
        (containers / key.container).write_text("".join(lines))
        components = self.folder / "components" / key.container / key.component
        components.mkdir(parents=True, exist_ok=True)
        engine = Engine(
            Settings(
                statedir=self.driver.store.root,
                containers_path=(containers,),
                components_path=(self.folder / "components",),
                modules_path=(),
                user_config=self.folder / "config",
            )
        )
        with engine.diff(key, old, new) as diff:
            assert diff.wait(PATIENCE), diff.error
            return [(one.section.kind, one.section.name, diff.note(one)) for one in diff.sections()]


@pytest.fixture(params=["mysql", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Older]:
    name = request.param
    maker = {"mysql": MariadbWorld, "postgresql": PostgresqlWorld}[name]
    server = request.getfixturevalue({"mysql": "mariadb", "postgresql": "postgres"}[name])
    with maker(server, tmp_path / "world") as world:
        around, inside = (STORES / f"{name}.sql").read_text().split("-- in the database\n")
        server.sql(around)
        server.sql(inside, "orders")
        state = tmp_path / "store" / "state"
        state.mkdir(parents=True)
        with tarfile.open(STORES / f"{name}.tar.xz") as archive:
            archive.extractall(state, filter="data")
        driver = Driver(world, tmp_path / "store")
        yield Older(world, driver, tmp_path, lambda text: server.sql(text, "orders"))


def test_a_snapshot_of_an_older_version_is_proved_and_says_how(older: Older) -> None:
    proved = verify(older.driver.bench(), 1)
    assert proved.result is CheckResult.OK, proved.text
    assert "version 1 of the type, and were worked out anew for version 2" in proved.text
    metadata = older.driver.newest().metadata
    assert metadata is not None
    assert metadata.digest_version == 1, "what was written stays as it is"


def test_an_older_copy_that_lost_a_row_is_corrupt(older: Older, monkeypatch: pytest.MonkeyPatch) -> None:
    load = older.world.plugin.load

    def spoiled(*args: object) -> None:
        load(*args)  # type: ignore[arg-type]
        older.world._sql_server.sql("DELETE FROM t WHERE id = 1", args[2].name)  # type: ignore[attr-defined]

    monkeypatch.setattr(older.world.plugin, "load", spoiled)
    proved = verify(older.driver.bench(), 1)
    assert proved.result is CheckResult.CORRUPT
    assert "restored copy differs in table" in proved.text


def test_an_unchanged_database_does_not_differ_from_its_older_snapshot(older: Older) -> None:
    assert older.diff(1, LIVE) == []
    assert older.diff(LIVE, 1) == []
    older.sql("INSERT INTO t (id) VALUES (7)")
    assert [name.removeprefix("public.") for _, name, _ in older.diff(1, LIVE)] == ["t"]


def test_the_next_generation_tells_of_no_changes_that_nobody_made(older: Older) -> None:
    """Where the two cannot be compared it says nothing; where rows are written in another way, a diff says why."""
    made = older.driver.snapshot()
    assert made.committed.new
    assert made.generation.delta is None
    notes = {note for _, _, note in older.diff(1, 2)}
    assert notes <= {n for n in notes if "dumped by an earlier version" in n}
    assert not older.driver.snapshot().committed.new
    for number in (1, 2):
        proved = verify(older.driver.bench(), number)
        assert proved.result is CheckResult.OK, proved.text


def test_an_older_snapshot_is_restored_as_it_was(older: Older) -> None:
    whole = older.world.whole()
    older.sql("UPDATE t SET id = id + 100")
    older.driver.restore(1)
    assert older.world.whole() == whole
    assert older.driver.newest().restored == 1
    ids = older.driver.ids()
    assert ids[1] == ids[older.driver.newest().number]
    older.driver.assert_intact({1: ids[1]})
