"""A million generations, 1,000 of each of 1,000 components: listing, the screen, a plan, a snapshot, a collection.

Making the store takes minutes and five million names, so this part is run by name only.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tests.benchmarks import scale, screen
from tests.benchmarks.measure import Figure, Part, absolute, in_turns, memory_of, ratio, timed
from tests.e2e.world import World

COMPONENTS = GENERATIONS = 1000
LIMIT = 2
"""In times of the bare walk."""
CONTAINER = "postgresql"


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    with scale.large_store(COMPONENTS, GENERATIONS) as state:
        world = World(state.parent)
        world.container(CONTAINER, type="echo")
        for key in scale.keys(COMPONENTS):
            world.component(str(key), "README", "")
        return [*_listing(world), *_planning(world), *_screen(world), *_snapshot(world), *_collection(world)]


def _listing(world: World) -> Iterator[Figure]:
    bare = [sys.executable, "-I", "-c", scale.BARE_LINKS, str(world.state)]
    ours, theirs = in_turns(
        lambda: _run(world, "dysnomia-snapshots", "--query-all"), lambda: scale.quiet(bare), rounds=2
    )
    yield ratio(f"--query-all, {_count()} generations", ours, "bare scandir + readlink in Python", theirs, LIMIT)
    process = world.start("dysnomia-snapshots", "--query-all")
    with memory_of(process.pid) as peak:
        process.communicate()
    yield absolute("memory of it", peak[0], float("inf"), "MB")


def _planning(world: World) -> Iterator[Figure]:
    asked = ("dysnomia-snapshots", "--gc", "--keep-last", "10", "--dry-run")

    def cold() -> float:
        shutil.rmtree(world.state / "cache", ignore_errors=True)
        return _run(world, *asked)

    def read(*, records: bool) -> float:
        return timed(lambda: scale.read_tree(world.state, records=records))

    ours, theirs = in_turns(cold, lambda: read(records=True), rounds=1)
    yield ratio("a first plan of a collection, no cache", ours, "links, snapshots and records read once", theirs, LIMIT)
    ours, theirs = in_turns(lambda: _run(world, *asked), lambda: read(records=False), rounds=2)
    yield ratio("plan of a collection", ours, "links and snapshots walked once", theirs, LIMIT)
    process = world.start(*asked)
    with memory_of(process.pid) as peak:
        process.communicate()
    yield absolute("memory of it", peak[0], float("inf"), "MB")


def _screen(world: World) -> Iterator[Figure]:
    """With the store's cache, as it is on a machine in use."""
    environment = world.environment | {"COLORTERM": "truecolor"}
    program = [str(Path(sys.executable).parent / "dysnomia-tui")]

    def full(text: str) -> bool:
        return "shop1" in text and str(GENERATIONS) in text.replace(",", "")

    first, whole, empty = [], [], []
    for _ in range(3):
        with screen.running(program, environment) as watched:
            first.append(watched.until(lambda text: bool(text.strip())))
            whole.append(watched.until(full))
            with memory_of(watched.pid) as peak:
                watched.quiet()
                keys = screen.scroll(watched)
        with screen.running([sys.executable, "-c", screen.EMPTY], environment) as watched:
            empty.append(watched.until(lambda text: "Nothing here" in text))
    yield ratio(f"first frame, store of {_count()} generations", min(first), "an empty Textual app", min(empty), LIMIT)
    yield absolute("then the full main screen", (min(whole) - min(first)) * 1000, 1000, "ms")
    yield absolute("a key in a list of it, p95", screen.p95(keys), 50, "ms")
    yield absolute("memory of the app with it", peak[0], float("inf"), "MB")


def _snapshot(world: World) -> Iterator[Figure]:
    """Of a small SQLite database, in this store and in an empty one."""
    with tempfile.TemporaryDirectory(prefix="bench.") as root:
        small = World(Path(root))
        worlds = (world, small)
        for one in worlds:
            (one.root / "live").mkdir()
            one.container("sqlite", type="sqlite-database", sqliteDir=str(one.root / "live"))
            one.component("sqlite/books", "README", "")

        def snapshot(one: World) -> float:
            with closing(sqlite3.connect(one.root / "live" / "books")) as db, db:
                db.execute("CREATE TABLE IF NOT EXISTS books (name TEXT)")
                db.execute("INSERT INTO books VALUES (hex(randomblob(9)))")
            return _run(one, "dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "books")

        ours, theirs = in_turns(*(lambda one=one: snapshot(one) for one in worlds))
    yield ratio("a snapshot of a small SQLite database", ours, "the same in an empty store", theirs, LIMIT)


def _collection(world: World) -> Iterator[Figure]:
    """One generation of each component goes, and then one more of each; against a walk that finds which."""
    walk = timed(lambda: scale.read_tree(world.state, records=False))
    keep = iter(range(GENERATIONS - 1, 0, -1))
    ours = min(_run(world, "dysnomia-snapshots", "--gc", "--keep-last", str(next(keep))) for _ in range(2))
    work = f"a collection of {COMPONENTS:,} of them, one a component"
    yield ratio(work, ours, "links and snapshots walked once", walk, float("inf"))


def _run(world: World, *argv: str) -> float:
    command = [str(world.bin / argv[0]), *argv[1:]]
    return scale.quiet(command, os.environ | world.environment)


def _count() -> str:
    return f"{COMPONENTS * GENERATIONS:,}"


PARTS = (Part("million", measure, order=45, by_name=True),)
