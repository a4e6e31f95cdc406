"""``components=*``: what a look at a server finds, keeps and marks, and what a deployment makes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import DOCS, EngineFixture

NAMES = ("payroll", "sales", "stock", "wiki")


def of(name: str) -> ComponentKey:
    return ComponentKey("all", name)


class Shop:
    """A folder of SQLite databases, all of them components."""

    def __init__(self, machine: EngineFixture) -> None:
        self.machine = machine
        self.folder = machine.root / "all"
        self.folder.mkdir()
        self.configure("components=*\n")
        self.create(*NAMES)
        self.engine = machine.engine()
        assert self.engine.look_at_servers() == {}

    def configure(self, more: str) -> None:
        path = self.machine.root / "containers" / "all"
        path.write_text(f"type=sqlite-database\nsqliteDir='{self.folder}'\n{more}")

    def create(self, *names: str) -> None:
        for name in names:
            with closing(sqlite3.connect(self.folder / name)) as database, database:
                database.execute("CREATE TABLE plums (id INTEGER PRIMARY KEY)")

    @property
    def active(self) -> set[str]:
        return {key.component for key in self.engine.deployment("all").active}

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def snapshot(self, *names: str) -> None:
        for name in names:
            assert self.machine.run(self.engine, self.engine.plan_snapshot([of(name)])).state is JobState.DONE

    def do(self, activity: str, name: str) -> None:
        assert self.machine.run(self.engine, self.engine.plan_activity(of(name), activity)).state is JobState.DONE

    def deploy_and_collect(self) -> None:
        """As ``--deploy`` and ``--collect-garbage`` do it, whatever may be refused."""
        for key in self.engine.deployment("all").obsolete:
            self.machine.run(self.engine, self.engine.plan_activity(key, "deactivate"))
        for name in NAMES:
            with suppress(EngineError):
                self.machine.run(self.engine, self.engine.plan_activity(of(name), "collect-garbage"))


@pytest.fixture
def shop(machine: EngineFixture) -> Iterator[Shop]:
    made = Shop(machine)
    yield made
    made.engine.close()


@pytest.mark.parametrize("said", ["", "components='* '\n", "components=(all)\n", "components=*\nexcept=(payroll s*)\n"])
def test_an_edited_container_drops_nothing(shop: Shop, said: str) -> None:
    shop.configure(said)
    assert shop.engine.deployment("all").obsolete == ()
    shop.deploy_and_collect()
    assert shop.files == set(NAMES)


def test_a_container_that_is_gone_or_broken_drops_nothing(shop: Shop) -> None:
    path = shop.machine.root / "containers" / "all"
    path.write_text("type='sqlite-database\n")
    assert shop.engine.deployment("all").obsolete == ()
    path.unlink()
    assert shop.engine.deployment("all").obsolete == ()
    assert set(shop.engine.deployment("all").left) == {of(name) for name in NAMES}


@pytest.mark.parametrize("kept", ["", "{", None])
def test_a_lost_listing_drops_nothing(shop: Shop, kept: str | None) -> None:
    path = shop.machine.root / "state" / "listed" / "all"
    path.unlink() if kept is None else path.write_text(kept)
    assert shop.engine.deployment("all").obsolete == ()
    shop.configure("")
    assert shop.engine.deployment("all").obsolete == ()


def test_what_was_found_is_never_garbage(shop: Shop) -> None:
    shop.do("deactivate", "payroll")
    assert shop.engine.deployment("all").garbage == ()
    blockers = shop.engine.plan_activity(of("payroll"), "collect-garbage").blockers
    assert any("found on its server" in one for one in blockers)
    shop.do("activate", "payroll")
    shop.do("deactivate", "payroll")
    assert shop.engine.deployment("all").garbage == (), "to activate what is there makes it nobody else's"
    shop.deploy_and_collect()
    assert shop.files == set(NAMES)


def test_garbage_of_an_earlier_version_is_not_collected(shop: Shop) -> None:
    store = shop.machine.root / "state"
    (store / "activated" / "all" / "payroll").unlink()
    (store / "deployed" / "all" / "payroll").unlink()
    (store / "garbage" / "all").mkdir(parents=True)
    (store / "garbage" / "all" / "payroll").touch()
    assert shop.engine.deployment("all").garbage == ()
    shop.deploy_and_collect()
    assert "payroll" in shop.files


def test_what_was_deployed_by_a_file_is_obsolete_without_it(machine: EngineFixture) -> None:
    engine = machine.engine()
    machine.run(engine, engine.plan_deploy())
    docs: Path = machine.root / "components" / "files" / "docs"
    docs.rename(machine.root / "docs")
    assert engine.deployment().obsolete == (DOCS,)


def test_a_plan_of_a_deployment_asks_first(shop: Shop) -> None:
    shop.create("new")
    assert of("new") not in {*shop.engine.deployment("all").available}
    shop.engine.plan_deploy("all")
    assert of("new") in shop.engine.deployment("all").active
