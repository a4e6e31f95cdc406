"""``python -m tests.e2e.screenshots FOLDER``: every screen as an SVG, from the demo, with a clock that stands still.

What would differ from one machine to the next (host, who, disk, what else is on it) is replaced; all else is as it is.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual.pilot import Pilot

from dysnomia_store.store import Usage
from dysnomia_tui.app.app import DysnomiaApp
from dysnomia_tui.demo import build, place
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import Discovered, Event, JobView, Overview

NOW = datetime(2026, 11, 22, 14, 22, 7, tzinfo=UTC)
DEMO = Path("/tmp/shop")
SIZE = (120, 36)
DEADLINE = 60.0
DISK = 128 << 30


@dataclass(frozen=True)
class Shot:
    """One picture: the keys that lead there from the one before, and what has to be on the screen."""

    name: str
    keys: Sequence[str]
    shows: Sequence[str]
    keep: bool = True
    hides: str = ""
    """What must no longer be on the screen."""
    rest: float = 0.0
    """Seconds to stay before the next keys: a confirmation hears nothing at first."""


SHOTS = (
    Shot("start", (), ("orders", "Generation"), keep=False),
    Shot("main", ("colon", *"orders", "enter"), ("2 orders", "rows"), keep=False),
    Shot("main", ("2", "j", "j"), ("Generation", "changed since"), keep=True),
    Shot("help", ("question_mark",), ("Keys that work here",)),
    Shot("time", ("escape", "at"), ("14:05",)),
    Shot("diff", ("escape", "d"), ("customers", "→"), keep=False, hides="comparing"),
    Shot("diff", ("j", "j"), ("table orders",), hides="comparing"),
    Shot("search", ("enter", "slash", *"paid", "enter"), ("/paid: 1 of",), hides="so far"),
    Shot("history", ("n", "H"), ("history of", "changes"), hides="reading"),
    Shot("back", ("escape", "escape", "escape", "escape"), ("2 orders", "changed since"), keep=False),
    Shot("restore", ("r",), ("replace", "1 generation")),
    Shot("confirm", ("enter",), ("38",)),
    Shot("again", ("escape", "escape"), ("2 orders",), keep=False),
    Shot("gc", ("X",), ("KEEP",)),
    Shot("again", ("escape",), ("2 orders",), keep=False),
    Shot("store", ("o",), ("trash",)),
    Shot("again", ("escape",), ("2 orders",), keep=False),
    Shot("deploy", ("w",), ("available", "a deployment"), hides="reading"),
    Shot("again", ("escape",), ("2 orders",), keep=False),
    Shot("palette", ("colon",), ("Commands",)),
    Shot("check", ("escape", "v"), ("Check generation",), keep=False),
    Shot("check", ("enter",), ("Enter confirms",), keep=False, rest=1),
    Shot("checked", ("enter",), ("done",), keep=False, hides="Enter confirms"),
    Shot("jobs", ("J",), ("1 ok", "started")),
    Shot("again", ("escape",), ("2 orders",), keep=False),
    Shot("group", ("1", "g", "at"), ("Where shop stood",), keep=False),
    Shot("group", ("minus", "5", "d", "enter"), ("can go back to that time",)),
)


class ShownEngine(Engine):
    """The engine, with what belongs to this machine alone replaced."""

    def overview(self, on_read: Callable[[int, int], None] = lambda _done, _of: None) -> Overview:
        return replace(
            super().overview(on_read), host="db1", who="root(alice)", store="/var/state/dysnomia",
            disk_free=DISK * 9 // 10,
            disk_total=DISK, at=NOW, notice="",
        )  # fmt: skip

    def discovered(self) -> Discovered:
        return Discovered()

    def usage(self) -> Usage:
        return replace(super().usage(), disk_free=DISK * 9 // 10, disk_total=DISK)

    def jobs(self, limit: int = 200) -> Sequence[JobView]:
        return [_when(job) for job in super().jobs(limit)]

    def job(self, job_id: str) -> JobView:
        return _when(super().job(job_id))

    def events(self, job_id: str, after: int = 0) -> tuple[Sequence[Event], int]:
        found, after = super().events(job_id, after)
        return [replace(event, at=NOW - AGO) for event in found], after


AGO = timedelta(minutes=1)


def _when(job: JobView) -> JobView:
    """A job that was done for these pictures, as if it were a minute ago and took two seconds."""
    started = NOW - AGO
    ended = started + timedelta(seconds=2) if job.ended else None
    return replace(job, created=started, started=started, ended=ended, who="root(alice)", rate=None)


def words(svg: str) -> str:
    """What can be read on a picture."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", svg)).split())


async def _until(pilot: Pilot[str], shot: Shot) -> str:
    """The picture, once it shows what it has to and has stopped changing."""
    end = time.monotonic() + DEADLINE
    before = ""
    while True:
        await pilot.pause(0.15)
        svg = pilot.app.export_screenshot(title="dysnomia-tui")
        seen = words(svg)
        ready = all(text in seen for text in shot.shows) and not (shot.hides and shot.hides in seen)
        if svg == before and ready:
            return svg
        if time.monotonic() > end:
            raise SystemExit(f"{shot.name}: {shot.shows} never came; the screen shows: {words(svg)}")
        before = svg


async def take(folder: Path) -> None:
    """All pictures, into ``folder``."""
    settings = replace(place.settings(DEMO), dim=True)  # whatever terminal they are taken from
    terminal = {"TERM": "xterm-256color"}
    app = DysnomiaApp(
        lambda: ShownEngine(settings, clock=lambda: NOW),
        settings,
        clock=lambda: NOW,
        environ=terminal,
    )
    folder.mkdir(exist_ok=True)
    async with app.run_test(size=SIZE) as pilot:
        for shot in SHOTS:
            for key in shot.keys:
                await pilot.press(key)
                await pilot.pause(0.1)
            svg = await _until(pilot, shot)
            await pilot.pause(shot.rest)
            if shot.keep:
                (folder / f"{shot.name}.svg").write_text(stable(svg), "utf-8")
                print(folder / f"{shot.name}.svg")


def stable(svg: str) -> str:
    """The picture without the random part of its names, so that one that did not change is the same file."""
    return re.sub(r"terminal-\d+", "terminal", svg)


def main(folder: str) -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    if DEMO.exists() and not (DEMO / place.MARKER).exists():
        raise SystemExit(f"{DEMO} is in the way")
    try:
        build.make(DEMO, reset=True, now=NOW, host="db1", say=print)
        asyncio.run(take(Path(folder)))
    finally:
        shutil.rmtree(DEMO, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
