"""What generations cost that differ little: on disk, in time, to compare and to check; against restic and borg.

Ten days of a table of a million rows to which rows are added and of which the newest are changed, in PostgreSQL and in
SQLite. The tools beside it get the same dumps, or the same file. Every figure of ours is of the command an operator
runs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell, timed
from tests.e2e.world import World
from tests.plugins.servers.postgresql import PostgresServer

DAYS = 10
ROWS, ADDED, CHANGED, NEWEST = 1_000_000, 10_000, 5_000, 50_000
"""Rows at first; rows a day adds, and changes among the newest."""
CHECKED = 60
"""Generations that a check reads."""
ON_DISK, SAME, FIRST, DIFF, CHECK = 0.85, 1.0, 1.25, 0.1, 1.2
"""What is to be held, in times of the tool beside it."""
RESTICS = 5
"""restic chooses where it cuts at random, once for each repository: of the same dumps one is up to 13 % larger than
another. The one in the middle is compared with."""
TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, customer integer, placed timestamptz, note text);"
INSERT = """INSERT INTO orders SELECT i, hashint4(i) % 50000, timestamptz '2024-01-01' + i * interval '7 s',
  md5(i::text) || md5((i * 7)::text) FROM generate_series({}, {}) AS i;"""
UPDATE = """UPDATE orders SET note = md5(random()::text) || md5(random()::text) WHERE id IN
  (SELECT id FROM orders WHERE id > {} ORDER BY random() LIMIT {});"""


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError or CalledProcessError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    try:
        return [*_postgresql(folder / "p"), *_neighbours(folder / "n"), *_sqlite(folder / "s")]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Others:
    """borg with one repository, and restic with some."""

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(self.folder / "cache"),
            "BORG_BASE_DIR": str(self.folder / "borg-own"), "BORG_REPO": str(self.folder / "borg"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }  # fmt: skip

    @property
    def restics(self) -> Sequence[Path]:
        return [self.folder / f"restic{number}" for number in range(RESTICS)]

    def start(self) -> None:
        shell("borg init --encryption=none", self.environment)
        for repository in self.restics:
            shell(f"restic -q -r {repository} init", self.environment)

    def restic(self, path: Path) -> None:
        for repository in self.restics:
            shell(f"restic -q -r {repository} backup {path}", self.environment)

    def borg(self, path: Path, name: int) -> None:
        shell(f"borg create --compression zstd,3 ::{name} {path}", self.environment)


class OrdersInPostgres:
    """The database ``bench`` of a server, and what is done to it by days; every command on it."""

    def __init__(self, server: PostgresServer, folder: Path, rows: int) -> None:
        self.server = server
        self.folder = folder
        self.rows = rows
        self.dump = folder / "bench.sql"
        self.environment = server.client_environment(PGDATABASE="bench")
        self.world = World(folder / "world")
        self.world.container(
            "pg", type="postgresql-database", postgresqlRuntimeDir=str(server.folder), postgresqlUsername="postgres"
        )
        self.world.component("pg/bench", "README", "")
        server.sql("CREATE DATABASE bench")
        server.sql(TABLE + INSERT.format(1, rows), "bench")

    def day(self) -> None:
        self.server.sql(INSERT.format(self.rows + 1, self.rows + ADDED), "bench")
        self.rows += ADDED
        self.server.sql(UPDATE.format(self.rows - NEWEST, CHANGED), "bench")

    def snapshot(self) -> float:
        return timed(lambda: self.world.run("dysnomia", "-o", "snapshot", "-C", "pg", "-c", "bench"))

    def pipe(self) -> float:
        return shell(f"pg_dump bench | zstd -q -T2 -3 >{self.dump}.zst", self.environment)

    def dumped(self) -> Path:
        shell(f"pg_dump bench >{self.dump}", self.environment)
        return self.dump


def _postgresql(folder: Path) -> Iterator[Figure]:
    folder.mkdir()
    folder.chmod(0o755)
    others = Others(folder)
    others.start()
    with PostgresServer() as server:
        orders = OrdersInPostgres(server, folder, ROWS)
        for day in range(DAYS):
            if day:
                orders.day()
            orders.snapshot()
            others.restic(orders.dumped())
            others.borg(orders.dump, day)
        yield from on_disk(f"{DAYS} daily generations in PostgreSQL", orders.world, others, ON_DISK)
        ours, theirs, dumped = _changed_days(orders)
        yield ratio("a snapshot of the eleventh day and on", ours, "pg_dump | zstd -T2 -3", theirs, SAME)
        yield ratio("the same", ours, "pg_dump alone", dumped, float("inf"))
        _change_until(orders, CHECKED)
        yield _checked(orders.world)


def _changed_days(orders: OrdersInPostgres) -> Sequence[float]:
    def ours() -> float:
        orders.day()
        return orders.snapshot()

    return in_turns(ours, orders.pipe, lambda: shell("pg_dump bench >/dev/null", orders.environment))


def _change_until(orders: OrdersInPostgres, generations: int) -> None:
    while len(orders.world.run("dysnomia-snapshots", "--query-all").lines) < generations:
        orders.day()
        orders.snapshot()


def _checked(world: World) -> Figure:
    """A check of all against what reads the same bytes once."""

    def sums() -> float:
        once = (
            "find {} -type f -links +0 -printf '%i %p\\n' | sort -un -k1,1 | cut -d' ' -f2- | xargs -d'\\n' sha256sum"
        )
        return shell(once.format(world.state / "snapshots"))

    ours, theirs = in_turns(lambda: timed(lambda: world.run("dysnomia-snapshots", "--query-all", "--check")), sums)
    return ratio(f"--check of {CHECKED} generations", ours, "sha256sum of their files, each once", theirs, CHECK)


def _neighbours(folder: Path) -> Iterator[Figure]:
    """Two generations of 1 GB, of which 5,000 rows differ, by the command, against the dumps sorted and compared."""
    folder.mkdir()
    folder.chmod(0o755)
    with PostgresServer() as server:
        orders = OrdersInPostgres(server, folder, 9_000_000)
        orders.snapshot()
        orders.dumped().rename(folder / "old.sql")
        server.sql(UPDATE.format(orders.rows - NEWEST, CHANGED), "bench")
        orders.snapshot()
        orders.dumped().rename(folder / "new.sql")
        size = (folder / "new.sql").stat().st_size / 1e6
        asked = ("dysnomia-snapshots", "--diff", "1", "2", "--rows", "-C", "pg", "-c", "bench")

        def diff() -> None:
            lines = orders.world.run(*asked).lines
            assert len(lines) >= CHANGED, lines[:9]

        sorts = "; ".join(f"LC_ALL=C sort -S256M {name}.sql >{name}.sorted" for name in ("old", "new"))
        ours, theirs = in_turns(
            lambda: timed(diff),
            lambda: shell(f"cd {folder}; {sorts}; LC_ALL=C comm -3 old.sorted new.sorted"),
            rounds=2,
        )
        yield ratio(
            f"diff of neighbours of {size:.0f} MB, {CHANGED:,} rows differ", ours, "sort x 2 + comm", theirs, DIFF
        )


def _sqlite(folder: Path) -> Iterator[Figure]:
    folder.mkdir()
    others = Others(folder)
    others.start()
    world = World(folder / "world")
    live = folder / "live"
    live.mkdir()
    world.container("sqlite", type="sqlite-database", sqliteDir=str(live))
    world.component("sqlite/bench", "README", "")
    days = count()
    last = 0
    for day in range(DAYS):
        last = _sqlite_day(live / "bench", next(days), last)
        world.run("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "bench")
        others.restic(live / "bench")
        others.borg(live / "bench", day)
    yield from on_disk(f"{DAYS} daily generations in SQLite", world, others, SAME)


def _sqlite_day(path: Path, day: int, last: int) -> int:
    """Add a day's rows, change some of the newest. Returns the last row's number."""
    until = last + (ADDED if day else ROWS)
    numbers = f"WITH RECURSIVE n(i) AS (VALUES({last + 1}) UNION ALL SELECT i + 1 FROM n WHERE i < {until})"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer INTEGER, placed TEXT, note TEXT)"
        )
        db.execute(
            f"{numbers} INSERT INTO orders SELECT i, abs(random()) % 50000, datetime(1700000000 + i * 7, 'unixepoch'),"
            " lower(hex(randomblob(32))) FROM n"
        )
        if day:
            db.execute(
                "UPDATE orders SET note = lower(hex(randomblob(32))) WHERE id IN"
                " (SELECT id FROM orders WHERE id > ? ORDER BY random() LIMIT ?)",
                (until - NEWEST, CHANGED),
            )
    return until


def on_disk(work: str, world: World, others: Others, hold: float) -> Iterator[Figure]:
    """The sizes of a state directory and of the repositories of the other tools. Raises CalledProcessError."""
    here = _size(world.state) - _size(world.state / "reserve")
    restic = statistics.median(map(_size, others.restics))
    for tool, there, limit in (("restic", restic, hold), ("borg", _size(others.folder / "borg"), float("inf"))):
        version = subprocess.run(
            [tool, "version" if tool == "restic" else "--version"], check=True, capture_output=True
        )
        name = " ".join(version.stdout.decode().split()[:2])
        yield Figure(
            f"{work}, on disk less the reserve",
            f"{here / 1e6:.0f} MB",
            f"{name}: {there / 1e6:.0f} MB",
            here / there,
            limit,
        )


def _size(folder: Path) -> int:
    du = subprocess.run(["du", "-s", "--block-size=1", folder], check=True, capture_output=True)
    return int(du.stdout.split()[0])


PARTS = (Part("generations", measure, order=20),)
