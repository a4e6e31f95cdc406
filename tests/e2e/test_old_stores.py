"""Stores that 0.1 and 0.2 wrote (``tests/fixtures/make_store.py``): read, checked, restored from and written on as they
are; nothing is rewritten because it was read."""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dysnomia_store.model import CheckResult, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState
from tests.e2e.world import World

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SHOP = ComponentKey("lite", "shop")
KEPT_OUT = ("cache",)
"""The index, which is no record."""


@pytest.fixture(params=["0.1", "0.2"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    with tarfile.open(FIXTURES / f"store-{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    world = World(tmp_path)
    (tmp_path / "live" / "tree").mkdir(parents=True)
    world.container("lite", type="sqlite-database", sqliteDir=str(tmp_path / "live"))
    world.container("files", type="fileset", targetDir=str(tmp_path / "live" / "tree"))
    for name in ("shop", "crm"):
        component = tmp_path / "components" / "lite" / name
        component.parent.mkdir(parents=True, exist_ok=True)
        component.touch()
    world.component("files/docs", ".dysnomia-fileset", "mkdir docs\n")
    return world


def tree(state: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and link of the store, with its times and what is in it."""
    found = {}
    for path in sorted(state.rglob("*")):
        name = str(path.relative_to(state))
        if name.split("/")[0] in KEPT_OUT or (path.is_dir() and not path.is_symlink()):
            continue
        at = path.lstat()
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[name] = (at.st_ino, at.st_mtime_ns, content)
    return found


def settings(world: World) -> Settings:
    return Settings(
        statedir=world.state,
        containers_path=(world.root / "containers",),
        components_path=(world.root / "components",),
        modules_path=(),
        user_config=world.root / "config",
    )


def links(world: World) -> list[str]:
    """What is linked, by none of our code."""
    found = sorted((world.state / "generations").glob("*/*/*"), key=lambda link: (*link.parts[-3:-1], int(link.name)))
    return ["/".join((*link.parts[-3:-1], link.readlink().name)) for link in found]


def test_whatever_is_asked_of_it_nothing_is_rewritten(world: World) -> None:
    before = tree(world.state)
    engine = Engine(settings(world), read_only=True)
    overview = engine.overview()
    for container in overview.containers:
        for view in container.components:
            for generation in engine.generations(view.key):
                list(engine.sections(view.key, generation.number))
    engine.jobs(), engine.usage(), engine.trash(), engine.timeline(), engine.deployment()
    engine.close()
    assert world.run("dysnomia-snapshots", "--query-all").lines == links(world)
    assert world.run("dysnomia-snapshots", "--query-latest").lines
    world.run("dysnomia-snapshots", "--diff", "1", "4", "-C", "lite", "-c", "shop")
    world.run("dysnomia-snapshots", "--gc", "--keep", "1", "--dry-run")
    world.run("dysnomia", "-o", "restore", "-C", "lite", "-c", "shop", "--generation", "1", "--dry-run")
    world.run("dysnomia-tui", "jobs")
    assert tree(world.state) == before


def test_all_that_was_said_of_its_generations_is_there(world: World) -> None:
    store = Store(world.state)
    generations = {one.number: one for one in store.generations(SHOP)}
    assert list(generations) == [1, 4, 5, 6]
    assert all(not one.problem and one.metadata is not None and not one.as_of_estimated for one in generations.values())
    first = generations[1]
    assert first.text == "first"
    assert [pin.why for pin in first.marks.pins] == ["before"]
    assert (first.marks.verdict, first.marks.tags, first.marks.note) == (Verdict.GOOD, ("release",), "words")
    assert first.good
    assert (generations[5].reason, generations[5].restored) == (Reason.RESTORE, 1)
    assert generations[4].reason is Reason.GUARD
    assert any(pin.held_by for pin in generations[4].marks.pins)
    assert generations[5].last_check is not None
    assert [one.key.component for one in store.trash()] == ["shop", "shop"]
    assert store.strange() == ()


def test_every_byte_is_what_was_written(world: World) -> None:
    store = Store(world.state)
    components = store.keys()
    assert len(components) == 3
    for key in components:
        for generation in store.generations(key):
            assert store.check(key, generation.id).result is CheckResult.OK
    done = world.run("dysnomia-snapshots", "--query-all", "--check")
    assert done.lines == links(world)
    assert "0 bad, 0 unverifiable" in done.err


def test_its_jobs_ended_as_they_ended(world: World) -> None:
    audit = [json.loads(line) for path in (world.state / "audit").iterdir() for line in path.read_text().splitlines()]
    ended = {entry["job"]: entry["event"] for entry in audit if entry["event"] in ("done", "failed", "partly")}
    engine = Engine(settings(world), read_only=True)
    views = {view.id: view for view in engine.jobs()}
    engine.close()
    assert {job: view.state for job, view in views.items()} == {job: JobState(state) for job, state in ended.items()}
    assert len(views) > 10
    assert all("unreadable" not in view.details and view.title for view in views.values())
    assert any(view.undoable for view in views.values())


def test_it_is_restored_from_and_written_on(world: World) -> None:
    records = {name: said for name, said in tree(world.state).items() if name.endswith(".json")}
    world.run("dysnomia", "-o", "restore", "-C", "lite", "-c", "shop", "--generation", "5")
    with closing(sqlite3.connect(world.root / "live" / "shop")) as database:
        assert database.execute("select * from t").fetchall() == [(1, "one")]
        database.execute("insert into t values (9, 'nine')")
        database.commit()
    world.run("dysnomia", "-o", "restore", "-C", "files", "-c", "docs")
    assert (world.root / "live" / "tree" / "docs" / "a").read_text() == "hello\n"
    world.run("dysnomia", "-o", "snapshot", "-C", "lite", "-c", "shop")
    world.run("dysnomia", "-o", "verify", "-C", "lite", "-c", "shop", "--generation", "1")
    now = tree(world.state)
    assert {name: now.get(name) for name in records if not name.startswith("marks/")} == {
        name: said for name, said in records.items() if not name.startswith("marks/")
    }
    newest = Store(world.state, clock=lambda: datetime.now(UTC)).generations(SHOP)[-1]
    assert (newest.number, newest.good) == (9, True)


def test_what_was_collected_comes_back(world: World) -> None:
    job = next(view["id"] for view in world.jobs() if view["kind"] == "gc" and view["undoable"])
    world.run("dysnomia-tui", "undo", job)
    assert [one.number for one in Store(world.state).generations(SHOP)] == [1, 2, 3, 4, 5, 6]
