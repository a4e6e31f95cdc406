"""When was it last there, and how does it come back? By keys, in a real terminal, from the main screen of the demo.

The answer is worked out beforehand with zstd and sqlite3, from the dumps as they lie in the store."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from dysnomia_store.store import Store
from tests.e2e.terminal import Terminal, terminal
from tests.e2e.test_story import ORDERS, Session
from tests.e2e.world import World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

MOST_KEYS = 8
"""From the main screen to the answer, the text that is looked for not counted."""
MOST_KEYS_BACK = 14
"""From the main screen until deleted rows are in live again."""


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


def changed(screen: Terminal, before: str) -> bool:
    return screen.screen() != before


def test_the_last_generation_with_a_row_is_a_few_keys_away(
    demo: Path, own_demo: Callable[[], World], tmp_path: Path
) -> None:
    row, last = lost(demo, tmp_path)
    with terminal() as screen:
        session = Session(screen, own_demo())
        session.open()
        keys = {"G": "settings", "k": "2 orders", "H": "When was it last in orders?", "Enter": f"history of {row}"}
        for key, shows in keys.items():
            screen.press(key)
            screen.wait_for(shows)
            if key == "H":
                screen.type(str(row))
        screen.wait_for("order_lines", " changes ")
        answer, sought = screen.screen(), f"table order_lines  last seen in {last}, "
        for _ in range(len(keys), MOST_KEYS):  # the newest change first, of whichever table
            if sought in answer:
                break
            before = answer
            screen.press("j")
            screen.until(partial(changed, screen, before))
            answer = screen.screen()
        assert sought in answer, answer
        assert f"gone in {last + 1}" in answer
        screen.press("Enter")
        screen.wait_for(f"orders {last} → {last + 1}", f"- {row} ")


@pytest.mark.worlds
def test_99_deleted_rows_are_back_in_live_within_a_few_keys(own_demo: Callable[[], World]) -> None:
    """The refunds that somebody deleted since the newest generation; and what was written since stays."""
    with terminal() as screen:
        session = Session(screen, own_demo())
        session.open()
        before, newest = len(session.sql("SELECT id FROM refunds")), session.sql("SELECT max(id) FROM orders")
        keys = {
            "G": "settings", "k": "3 Generation 40", "D": "~5 changed", "G ": "changed table refunds", "Enter": "cents",
            "*": "99 rows marked", "r": "Type 99 and press Enter", "9": "9", "9 ": "99", "Enter ": "submitted",
        }  # fmt: skip
        assert len(keys) <= MOST_KEYS_BACK
        for key, shows in keys.items():
            screen.press(key.strip())
            screen.wait_for(shows)
        session.ended("put-back")
        assert len(session.sql("SELECT id FROM refunds")) == before + 99
        assert session.sql("SELECT max(id) FROM orders") == newest
