"""Commands that a machine calls by the thousand: a lock, an unchanged snapshot, all components of a container, queries.

Their bounds are in milliseconds, so two starts of Python are measured in the same run: a slow machine shows in both.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tests.benchmarks.measure import Figure, Part, absolute, in_turns, seconds, timed
from tests.benchmarks.scale import large_store
from tests.e2e.world import World

COMPONENTS = 100
ORDINARY = 20
"""Components of a server as most are, each with some generations."""
ROUNDS = 7
ORDERS = ("-C", "sqlite", "-c", "shop0")


def quick() -> Sequence[Figure]:
    with _world(COMPONENTS) as world:
        lock, unchanged, starts = in_turns(
            lambda: _lock(world), lambda: _run(world, "dysnomia", "-o", "snapshot", *ORDERS), _two_starts, rounds=ROUNDS
        )
        _run(world, "dysnomia-containers", "--snapshot")
        (many,) = in_turns(lambda: _run(world, "dysnomia-containers", "--snapshot"), rounds=2)
        for _ in range(2 * ROUNDS):
            _run(world, "dysnomia", "-o", "snapshot", *ORDERS)
        looked, start = in_turns(lambda: _run(world, "dysnomia-tui", "status"), _one_start, rounds=ROUNDS)
    with _world(ORDINARY) as world:
        for name in ("second", "third"):
            _add_a_row(world, name)
            _run(world, "dysnomia-containers", "--snapshot")
        ordinary, ordinary_start = in_turns(
            lambda: _run(world, "dysnomia-tui", "status"), _one_start, rounds=2 * ROUNDS
        )
    with large_store(1) as state:
        world = World(state.parent)
        latest, bare = in_turns(lambda: _run(world, "dysnomia-snapshots", "--query-latest"), _one_start)
    beside = f"two starts of Python: {seconds(starts)}"
    return [
        _milliseconds("a lock of a component", lock, 300, beside),
        _milliseconds("an unchanged snapshot of a small SQLite database", unchanged, 350, beside),
        _milliseconds(f"the same of {COMPONENTS} by one command, each", many / COMPONENTS, 150, beside),
        _milliseconds(
            f"status of {COMPONENTS} components after {2 * COMPONENTS + 4 * ROUNDS} jobs",
            looked,
            150,
            f"one start of Python: {seconds(start)}",
        ),
        _milliseconds(
            f"the same of {ORDINARY} components of three generations",
            ordinary,
            150,
            f"one start of Python: {seconds(ordinary_start)}",
        ),
        _milliseconds(
            "--query-latest, a component of 10,000 generations", latest, 150, f"one start of Python: {seconds(bare)}"
        ),
    ]


def _milliseconds(work: str, value: float, hold: float, beside: str) -> Figure:
    return absolute(work, value * 1000, hold, "ms", beside)


@contextmanager
def _world(components: int) -> Iterator[World]:
    root = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        world = World(root)
        (root / "live").mkdir()
        world.container("sqlite", type="sqlite-database", sqliteDir=str(root / "live"))
        for number in range(components):
            world.component(f"sqlite/shop{number}", "README", "")
            with closing(sqlite3.connect(root / "live" / f"shop{number}")) as db, db:
                db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)")
                db.executemany("INSERT INTO items (name) VALUES (?)", ((f"item {n}",) for n in range(200)))
        world.run("dysnomia-containers", "--deploy")
        world.run("dysnomia", "-o", "snapshot", *ORDERS)
        yield world
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _add_a_row(world: World, name: str) -> None:
    """To each component's database, so that its next snapshot is a generation."""
    for database in (world.root / "live").iterdir():
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("INSERT INTO items (name) VALUES (?)", (name,))


def _run(world: World, *argv: str) -> float:
    return timed(lambda: world.run(*argv))


def _lock(world: World) -> float:
    taken = _run(world, "dysnomia", "-o", "lock", *ORDERS)
    world.run("dysnomia", "-o", "unlock", *ORDERS)
    return taken


def _one_start() -> float:
    return timed(_start)


def _two_starts() -> float:
    return _one_start() + _one_start()


def _start() -> None:
    subprocess.run([sys.executable, "-I", "-c", "import json, subprocess, sqlite3"], check=True)


PARTS = (Part("quick", quick, order=50),)
