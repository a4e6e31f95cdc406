"""``components=*``: what a look at a server finds, keeps and marks, and what a deployment makes of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.own_record import replace_record
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import DOCS, EngineFixture
from tests.waiting import wait_until

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
    def gone(self) -> set[str]:
        views = (view for one in self.engine.overview().containers for view in one.components)
        return {view.key.component for view in views if view.dropped}

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


def test_most_of_it_missing_is_doubted_and_said(shop: Shop) -> None:
    shop.snapshot("payroll")
    shop.do("deactivate", "sales")
    away = shop.machine.root / "away"
    shop.folder.rename(away)
    shop.folder.mkdir()  # as where a file system is not mounted
    (problem,) = shop.engine.look_at_servers().values()
    assert problem.startswith("only 0 of its 3 components are there")
    assert shop.active == {"payroll", "stock", "wiki"}, "their snapshots fail, and are not left out"
    shop.create("new")
    assert "only 0 of its 3" in shop.engine.look_at_servers()["all"]
    assert "new" in shop.active
    (alarm,) = (one.text for one in shop.engine.overview().alarms if "not known" in one.text)
    assert "look --accept all" in alarm
    (shop.folder / "new").rename(away / "new")
    shop.folder.rmdir()
    away.rename(shop.folder)
    assert shop.engine.look_at_servers() == {}
    assert shop.active == {"payroll", "stock", "wiki", "new"}, "what was deactivated is no news"


def test_what_was_removed_on_purpose_is_accepted(shop: Shop) -> None:
    shop.snapshot("payroll")
    for name in NAMES:
        (shop.folder / name).unlink()
    assert shop.engine.look_at_servers(accept=True) == {}
    assert shop.active == set()
    assert shop.gone == {"payroll"}
    assert shop.engine.look_at_servers() == {}


def test_half_of_it_missing_is_taken_as_it_is(shop: Shop) -> None:
    shop.snapshot("payroll", "sales")
    for name in ("payroll", "stock"):
        (shop.folder / name).unlink()
    assert shop.engine.look_at_servers() == {}
    assert shop.active == {"sales", "wiki"}
    assert shop.gone == {"payroll"}


@pytest.mark.parametrize("snapshotted", [True, False])
def test_what_was_deactivated_stays_so_when_it_comes_back(shop: Shop, snapshotted: bool) -> None:
    if snapshotted:
        shop.snapshot("payroll")
    shop.do("deactivate", "payroll")
    path = shop.folder / "payroll"
    path.rename(shop.machine.root / "payroll")
    for _ in range(2):
        shop.engine.look_at_servers()
    assert shop.gone == set()
    (shop.machine.root / "payroll").rename(path)
    shop.engine.look_at_servers()
    assert "payroll" not in shop.active
    assert of("payroll") in shop.engine.deployment("all").available


def test_what_except_named_for_a_time_is_active_again(shop: Shop) -> None:
    shop.snapshot("payroll")
    shop.configure("components=*\nexcept=payroll\n")
    shop.engine.look_at_servers()
    assert "payroll" not in shop.active
    shop.configure("components=*\n")
    shop.engine.look_at_servers()
    assert "payroll" in shop.active


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_look_that_is_killed_is_made_up_for(shop: Shop, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    """Before or after its listing is written: the next look says what one look would have."""
    shop.snapshot("payroll")
    (shop.folder / "payroll").unlink()
    (shop.folder / "stock").unlink()
    shop.create("new")

    def killed(*given: Any) -> None:
        if dies == "after":
            replace_record(*given)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("dysnomia_tui.engine.lister.replace_record", killed)
        with pytest.raises(EngineError):
            shop.engine.look_at_servers()
    assert shop.engine.look_at_servers() == {}
    assert shop.active == {"sales", "wiki", "new"}
    assert shop.gone == {"payroll"}


def kept(shop: Shop) -> dict[str, bytes]:
    """What a look writes."""
    state = shop.machine.root / "state"
    folders = [state / name for name in ("listed", "activated", "deployed", "garbage")]
    files = [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
    return {f"{path} {path.stat().st_mtime_ns}": path.read_bytes() for path in files}


def test_a_dry_run_asks_and_keeps_nothing(shop: Shop) -> None:
    (shop.folder / "wiki").unlink()
    shop.create("new", "newer")
    before = kept(shop)
    engine = Engine(shop.machine.settings, keeps_looks=False)
    assert not engine.plan_snapshot([of("new")]).blockers
    assert engine.look_at_servers() == {}
    assert {key.component for key in engine.deployment("all").active} == {"payroll", "sales", "stock", "new", "newer"}
    assert not engine.plan_deploy("all").steps
    assert kept(shop) == before
    assert shop.active == set(NAMES)
    engine.close()


def test_a_dry_run_of_what_was_never_asked(machine: EngineFixture, shop: Shop) -> None:
    for name in ("listed", "activated", "deployed"):
        shutil.rmtree(machine.root / "state" / name)
    engine = Engine(machine.settings, keeps_looks=False)
    engine.look_at_servers()
    assert {key.component for key in engine.deployment("all").active} == set(NAMES)
    assert kept(shop) == {}
    engine.close()


@pytest.mark.worlds
def test_a_restore_of_the_whole_server_to_a_time_leaves_what_was_not_there_yet(shop: Shop) -> None:
    shop.snapshot("payroll", "sales", "wiki")
    then = utc_now()
    wait_until(lambda: utc_now() > then + timedelta(milliseconds=50))  # the times of files are coarser than the clock
    shop.create("young")
    assert shop.engine.look_at_servers() == {}
    shop.snapshot("stock", "young")
    plan = shop.engine.plan_group_restore("all", then)
    assert plan.blockers == (f"{of('stock')} has no good generation at or before {then:%Y-%m-%d %H:%M:%S} UTC",)
    assert [(one.key.component, one.new) for one in shop.engine.standing("all", then) if not one.generation] == [
        ("stock", False), ("young", True),
    ]  # fmt: skip
    then = utc_now()
    wait_until(lambda: utc_now() > then + timedelta(milliseconds=50))
    shop.create("younger")
    assert shop.engine.look_at_servers() == {}
    plan = shop.engine.plan_group_restore("all", then)
    assert plan.blockers == ()
    assert plan.warnings[0].startswith("all/younger was first found on its server after ")
    assert of("younger") not in plan.keys
    assert shop.machine.run(shop.engine, plan).state is JobState.DONE
    assert "younger" in shop.files
    assert {one.key.component for one in shop.engine.standing("all", then - timedelta(days=1)) if one.new} == set()
