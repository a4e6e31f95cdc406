"""Snapshot and restore of a PostgreSQL database of some 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.benchmarks.measure import LIMIT_MEMORY, Figure, Part, absolute, in_turns, memory_of, ratio, shell, timed
from tests.plugins.services import PostgresServer

ROWS = 1_700_000
SEED = f"""
CREATE TABLE customers(id serial PRIMARY KEY, name text, mail text, since date);
INSERT INTO customers(name, mail, since)
  SELECT 'customer ' || g, md5(g::text) || '@example.org', date '2020-01-01' + g % 2000
  FROM generate_series(1, {ROWS // 10}) g;
CREATE TABLE orders(id bigserial PRIMARY KEY, customer int, placed timestamptz, total numeric(12,2), note text);
INSERT INTO orders(customer, placed, total, note)
  SELECT g % {ROWS // 10} + 1, timestamptz '2024-01-01' + g * interval '17 seconds',
         (g::bigint * 7919 % 100000) / 100.0,
         md5(g::text) || ' ' || md5((-g)::text)
  FROM generate_series(1, {ROWS}) g;
CREATE INDEX ON orders(customer);
ANALYZE;
"""


def measure() -> Sequence[Figure]:
    """The three figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        with PostgresServer() as server:
            server.sql("CREATE DATABASE bench")
            server.sql(SEED, "bench")
            return _measure(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(server: PostgresServer, folder: Path) -> Sequence[Figure]:
    environment = server.client_environment(PGDATABASE="bench")
    jobs = count(1)
    dump = folder / "dump.zst"

    def work(what: str) -> list[str]:
        arguments = [what, str(folder), str(server.folder), str(next(jobs))]
        return [sys.executable, "-m", "tests.benchmarks.work", *arguments]

    def snapshot() -> float:
        shutil.rmtree(folder / "state", ignore_errors=True)
        return timed(lambda: subprocess.run(work("snapshot"), check=True))

    def load() -> float:
        before = server.databases()
        taken = timed(lambda: subprocess.run(work("load"), check=True))
        for name in server.databases() - before:
            server.drop(name)
        return taken

    def psql() -> float:
        server.drop("plain")
        server.sql("CREATE DATABASE plain TEMPLATE template0")
        return shell(f"zstd -q -dc {dump} | psql -X -q -v ON_ERROR_STOP=1 -d plain", environment)

    def analyze() -> float:
        return timed(lambda: server.sql("ANALYZE", "plain"))

    pipe = f"pg_dump bench | zstd -q -T2 -3 >{dump}"
    ours, theirs = in_turns(snapshot, lambda: shell(pipe, environment))
    figures = [ratio(f"snapshot, PostgreSQL, {_dump_size(dump)} dump", ours, "pg_dump | zstd -T2 -3", theirs, 1.25)]
    ours, theirs, without = in_turns(load, psql, analyze)
    figures.append(ratio("restore, same, less ANALYZE", ours - without, "zstd -dc | psql", theirs, 1.25))
    for what in ("snapshot", "load"):
        if what == "snapshot":
            shutil.rmtree(folder / "state")
        process = subprocess.Popen(work(what))
        with memory_of(process.pid) as peak:
            assert process.wait() == 0
        figures.append(absolute(f"memory of a {what}, with its client programs", peak[0], LIMIT_MEMORY, "MB"))
    return figures


def _dump_size(dump: Path) -> str:
    counted = subprocess.run(f"zstd -q -dc {dump} | wc -c", shell=True, check=True, capture_output=True)  # noqa: S602
    return f"{int(counted.stdout) / 1e6:.0f} MB"


PARTS = (Part("postgres", measure, order=10),)
