"""When was it last there? A row that is gone is followed by keys, in a real terminal, from the main screen of the demo.

The answer is worked out beforehand with zstd and sqlite3, from the dumps as they lie in the store."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_store.store import Store
from tests.e2e.terminal import terminal
from tests.e2e.test_story import ORDERS, Session
from tests.e2e.world import World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

MOST_KEYS = 10
"""From the main screen to the answer, the text that is looked for not counted."""


def lines_of(snapshot: Path, folder: Path) -> set[int]:
    """The ids of the order lines in a stored dump: one file, or a folder of frames."""
    copy = folder / "copy"
    (dump,) = snapshot.glob("dump.sqlite.zst*")
    frames = sorted(dump.glob("*.zst")) if dump.is_dir() else [dump]
    content = b"".join(frame.read_bytes() for frame in frames)
    copy.write_bytes(subprocess.run(["zstd", "-dqc"], input=content, stdout=subprocess.PIPE, check=True).stdout)
    with closing(sqlite3.connect(copy)) as db:
        return {row[0] for row in db.execute("SELECT id FROM order_lines")}


def lost(demo: Path, folder: Path) -> tuple[int, int]:
    """An order line that the newest generation has no more, and the last one that had it."""
    found = Store(demo / "state").generations(ORDERS)
    dumps = {one.number: demo / "state" / "snapshots" / str(ORDERS) / one.id for one in found}
    newest, before = lines_of(dumps[found[-1].number], folder), lines_of(dumps[found[-6].number], folder)
    row = max(before - newest)
    last = next(number for number in sorted(dumps, reverse=True) if row in lines_of(dumps[number], folder))
    return row, last


def test_the_last_generation_with_a_row_is_a_few_keys_away(
    demo: Path, own_demo: Callable[[], World], tmp_path: Path
) -> None:
    row, last = lost(demo, tmp_path)
    with terminal() as screen:
        session = Session(screen, own_demo())
        session.open()
        keys = {
            "G": "settings", "k": "2 orders", "3": "3 Generation 40", "Enter": "schema main", "j": "table customers",
            "j ": "table order_lines", "Enter ": "quantity", "/": "", "Enter  ": "no row holds it", "H": "change",
        }  # fmt: skip
        assert len(keys) <= MOST_KEYS
        for key, shows in keys.items():
            screen.press(key.strip())
            screen.wait_for(shows)
            if key == "/":
                screen.type(str(row))
                screen.wait_for(f"\n {row}\n")
        answer = screen.wait_for(f"history of order_lines {row}", "change")
        assert f"last seen in {last}, " in answer, answer
        assert f"gone in {last + 1}" in answer
        screen.press("Enter")
        screen.wait_for(f"orders {last} → {last + 1}", f"- {row} ")
