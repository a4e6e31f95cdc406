"""The demo is what it says: sixty days of real changes to real state, the same on every machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dysnomia_store.model import Generation, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.demo import build, place, story
from dysnomia_tui.engine.errors import Exit
from tests.e2e.conftest import NOW
from tests.e2e.world import World
from tests.thorough import often
from tests.waiting import wait_until

Generations = Mapping[ComponentKey, tuple[Generation, ...]]


@pytest.fixture(scope="session")
def generations(demo: Path) -> Generations:
    store = Store(demo / "state")
    return {key: store.generations(key) for key in store.keys()}  # noqa: SIM118 (a store is no mapping)


def test_containers_and_components(demo: Path) -> None:
    found = {f"{path.parent.name}/{path.name}" for path in (demo / "components").glob("*/*")}
    databases = {"sqlite-database/orders", "sqlite-database/crm", "sqlite-database/settings"}
    assert found == databases | {"fileset/documents", "fileset/old-site", "fileset/uploads"}
    assert {path.name for path in (demo / "containers").iterdir()} == {"sqlite-database", "fileset"}


def test_orders_has_some_fifty_thousand_rows(demo: Path) -> None:
    with closing(sqlite3.connect(demo / "live" / "databases" / "orders")) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = sum(db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)
        columns = [row[1] for row in db.execute("PRAGMA table_info(orders)")]
    assert 40_000 < rows < 70_000
    assert "refunds" in tables, "a table was added"
    assert "channel" in columns, "a column was added"


def test_eight_to_forty_generations_over_the_last_sixty_days(generations: Generations) -> None:
    for key, found in generations.items():
        if key == story.UPLOADS:
            assert not found, "nobody ever thought of the uploads"
            continue
        assert 8 <= len(found) <= 40, key
        times = [generation.as_of for generation in found]
        assert times == sorted(times)
        assert NOW - timedelta(days=61) < times[0] < NOW - timedelta(days=59)
        assert times[-1] < NOW


def test_the_state_really_changed_between_snapshots(generations: Generations) -> None:
    orders = generations[story.ORDERS]
    deltas = [generation.delta for generation in orders if generation.delta]
    assert any(delta.schema for delta in deltas)
    assert any((delta.net_rows or 0) > 0 for delta in deltas)
    assert any((delta.net_rows or 0) < 0 for delta in deltas)
    papers = [generation.delta for generation in generations[story.DOCUMENTS] if generation.delta]
    assert any(delta.added for delta in papers)
    assert any(delta.removed for delta in papers)
    assert any(generation.seen > 1 for generation in generations[story.SETTINGS])


def test_the_mistake_and_how_it_was_put_right(generations: Generations) -> None:
    orders = generations[story.ORDERS]
    bad = next(generation for generation in orders if generation.marks.verdict is Verdict.BAD)
    guard = next(generation for generation in orders if generation.reason is Reason.GUARD)
    restored = next(generation for generation in orders if generation.reason is Reason.RESTORE)
    assert guard.id == bad.id, "the guard holds what was live"
    assert restored.restored is not None
    sound = next(generation for generation in orders if generation.number == restored.restored)
    assert sound.id == restored.id
    assert guard.marks.pins, "and is held"
    assert any(generation.marks.verdict is Verdict.GOOD for generation in orders)
    assert any(pin.who == "alice" for generation in orders for pin in generation.marks.pins)


def test_markers(demo: Path) -> None:
    store = Store(demo / "state").summaries()
    assert store[story.SITE].garbage
    assert not store[story.SITE].active
    assert store[story.UPLOADS].active
    assert store[story.ORDERS].active


@pytest.mark.worlds
def test_it_is_the_same_on_every_machine(generations: Generations, tmp_path: Path) -> None:
    """The same ids, from a demo made a second time in another place (folders hold their owner, so not theirs).

    It is made where one was begun and not finished: of that nothing stays."""
    folder = tmp_path / "again"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "half").write_text("")
    (folder / place.MARKER).write_text(build.MAKING)
    assert build.make(folder, now=NOW)
    assert not (folder / "state" / "half").exists()
    assert (folder / place.MARKER).read_text() == build.MADE
    store = Store(folder / "state")
    for key in story.SCHEMAS:
        assert [one.id for one in store.generations(key)] == [one.id for one in generations[key]]


@pytest.mark.worlds
def test_it_is_made_at_any_time_of_day(tmp_path: Path) -> None:
    for now in (NOW.replace(hour=23, minute=59, second=59), NOW.replace(hour=0))[: often(2, 1)]:
        assert build.make(tmp_path / f"{now:%H}", now=now)


def test_every_snapshot_of_it_is_sound(demo: Path) -> None:
    world = World(demo, extra={**place.environment(demo)})
    done = world.run("dysnomia-snapshots", "--query-all", "--check")
    assert " 0 bad, 0 unverifiable" in done.err


def test_what_is_there_is_left(own_demo: Callable[[], World]) -> None:
    world = own_demo()
    live = world.root / "live" / "databases" / "crm"
    made = live.stat().st_mtime_ns
    done = world.run("dysnomia-tui", "demo", "--prepare", str(world.root))
    assert "is in" in done.err
    assert f"DYSNOMIA_STATEDIR={world.root}/state" in done.out.splitlines()
    assert live.stat().st_mtime_ns == made


def test_a_link_leads_into_it(own_demo: Callable[[], World]) -> None:
    """As the main command takes it; what is not there is said before the screen is taken."""
    world = own_demo()
    data = world.root.parent / "data" / "dysnomia-tui"
    data.mkdir(parents=True)
    (data / "demo").symlink_to(world.root)
    for link, says in (("sqlite/nothing@-2h", "no component sqlite/nothing"), ("shop@25:61", "is not a time of day")):
        command = f"XDG_DATA_HOME={data.parent} {world.bin}/dysnomia-tui demo '{link}'"
        done = world.run("/usr/bin/script", "-qec", command, "/dev/null", status=None)
        assert says in done.out
        assert "\x1b[?1049h" not in done.out
    done = world.run("dysnomia-tui", "demo", "--prepare", str(world.root), "shop", status=int(Exit.USAGE))
    assert "it takes no link" in done.err


def test_a_reset_throws_away_what_a_demo_is_made_of_and_nothing_else(
    own_demo: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_demo().root
    (folder / "mine").write_text("kept")
    (folder / "state" / "mine").write_text("gone")
    filled: list[Path] = []
    monkeypatch.setattr(build, "_fill", lambda where, *_: filled.append(where))
    assert build.make(folder, reset=True)
    assert filled == [folder]
    assert (folder / "mine").read_text() == "kept"
    assert not (folder / "state").exists()
    assert not (folder / "live").exists()


def test_first_starts_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[Path] = []
    spoken: list[str] = []

    def fill(where: Path, *_: object) -> None:
        filled.append(where)
        wait_until(lambda: len([line for line in spoken if "waiting until it is made" in line]) == 2)

    monkeypatch.setattr(build, "_fill", fill)
    with ThreadPoolExecutor() as pool:
        started = [pool.submit(build.make, tmp_path / "demo", say=spoken.append) for _ in range(3)]
        made = [one.result() for one in started]
    assert sorted(made) == [False, False, True]
    assert filled == [tmp_path / "demo"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("mine")
    world = World(tmp_path)
    for options in ((), ("--reset",)):
        done = world.run("dysnomia-tui", "demo", *options, "--prepare", "letters", status=int(Exit.REFUSED))
        assert "not a demo" in done.err
    assert (tmp_path / "letters" / "dear.txt").read_text() == "mine"
