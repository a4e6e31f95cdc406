"""An application goes back to a time, and forth again: by keys, in a real terminal, from the main screen of the demo.

sqlite3 and diff say what is live, with dumps taken out of the store by zstd and tar."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.demo import story
from tests.e2e.conftest import NOW
from tests.e2e.terminal import Terminal, terminal
from tests.e2e.test_a_lost_row import lines_of
from tests.e2e.test_story import Session
from tests.e2e.world import World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

MOST_KEYS = 10
"""From the main screen until all of it is as it was, the time itself not counted."""
SHOP = (story.ORDERS, story.SETTINGS, story.DOCUMENTS)


def numbers(world: World, when: datetime) -> dict[ComponentKey, int]:
    """The generation of each component at a time."""
    found = {key: Store(world.state).newest_good_before(key, when) for key in SHOP}
    return {key: one.number for key, one in found.items() if one is not None}


def snapshot(world: World, key: ComponentKey, numbers: dict[ComponentKey, int]) -> Path:
    """Where the snapshot of one of them lies."""
    (one,) = (one for one in Store(world.state).generations(key) if one.number == numbers[key])
    return world.state / "snapshots" / str(key) / one.id


def live(world: World) -> tuple[set[int], list[tuple[object, ...]], dict[str, str]]:
    """What orders, settings and documents hold."""
    databases = world.root / "live" / "databases"
    with closing(sqlite3.connect(databases / "settings")) as db:
        settings = db.execute("SELECT * FROM settings ORDER BY name").fetchall()
    with closing(sqlite3.connect(databases / "orders")) as db:
        lines = {row[0] for row in db.execute("SELECT id FROM order_lines")}
    return lines, settings, tree(world.root / "live" / "files" / "documents")


def tree(folder: Path) -> dict[str, str]:
    """Every text of a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.md")}


def stored(snapshot: Path, folder: Path) -> dict[str, str]:
    """Every text in a stored tree, unpacked by zstd and tar."""
    folder.mkdir()
    (packed,) = snapshot.glob("*.tar.zst*")
    frames = sorted(packed.glob("*.zst")) if packed.is_dir() else [packed]
    content = b"".join(frame.read_bytes() for frame in frames)
    plain = subprocess.run(["zstd", "-dqc"], input=content, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-xf", "-", "-C", folder], input=plain, check=True)
    return tree(folder / "documents")


def follow(screen: Terminal, steps: dict[str, str], typed: str) -> int:
    """Press keys, each once the screen shows what the one before led to. How many there were."""
    for key, shows in steps.items():
        screen.press(key.strip())
        try:
            screen.wait_for(shows, timeout=5)  # a refusal is on the screen for some seconds only
        except AssertionError as early:
            try:
                screen.wait_for(shows)
            except AssertionError:
                raise early from None
        if shows == "shop stood at":
            screen.type(typed)
            screen.wait_for(typed)
    return len(steps)


def test_an_application_goes_back_to_a_time_and_forth_again(own_demo: Callable[[], World], tmp_path: Path) -> None:
    world, when = own_demo(), NOW - timedelta(days=5)
    asked = f"{when:%F %R} UTC"
    wanted, before = numbers(world, when), live(world)
    rows = lines_of(snapshot(world, story.ORDERS, wanted), tmp_path)
    papers = stored(snapshot(world, story.DOCUMENTS, wanted), tmp_path / "papers")
    assert (rows != before[0], papers != before[2]) == (True, True)
    with terminal() as screen:
        session = Session(screen, world)
        session.open()
        keys = {
            "g": "2 shop", "@": "shop stood at", "Enter": "all of it can go back to that time",
            "r": "Type 3 and press Enter", "3": " 3 ", "Enter ": "submitted",
        }  # fmt: skip
        assert follow(screen, keys, asked) <= MOST_KEYS
        session.ended("group")
        after = live(world)
        assert (after[0], after[2]) == (rows, papers)
        screen.wait_for("● done  restore group shop", "3 components of shop are restored", "● restored")
        assert "Traceback" not in screen.screen()
        keys = {"u": "Type 3 and press Enter", "3": " 3 ", "Enter": "submitted"}
        follow(screen, keys, "")
        session.ended("group", 2)
        assert live(world) == before
