"""Snapshot and restore of a PostgreSQL database of some 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.database import Work, memory, unpacked_size
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell, timed
from tests.plugins.servers.postgresql import PostgresServer

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
    work = Work(server, folder, str(server.folder), "postgresql-database")
    dump = folder / "dump.zst"

    def psql() -> float:
        server.drop("plain")
        server.sql("CREATE DATABASE plain TEMPLATE template0")
        return shell(f"zstd -q -dc {dump} | psql -X -q -v ON_ERROR_STOP=1 -d plain", environment)

    def analyze() -> float:
        return timed(lambda: server.sql("ANALYZE", "plain"))

    pipe = f"pg_dump bench | zstd -q -T2 -3 >{dump}"
    ours, theirs = in_turns(work.snapshot, lambda: shell(pipe, environment))
    figures = [ratio(f"snapshot, PostgreSQL, {unpacked_size(dump)} dump", ours, "pg_dump | zstd -T2 -3", theirs, 1.25)]
    ours, theirs, without = in_turns(work.load, psql, analyze)
    figures.append(ratio("restore, same, less ANALYZE", ours - without, "zstd -dc | psql", theirs, 1.25))
    figures += memory(work.argv, folder, "memory of a {}, with its client programs")
    return figures


PARTS = (Part("postgres", measure, order=10),)
