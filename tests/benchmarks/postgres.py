"""Snapshot and restore of the sample shop in PostgreSQL, 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import shop
from tests.benchmarks.database import Work, memory, unpacked_size
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell, timed
from tests.plugins.servers.postgresql import PostgresServer


def measure() -> Sequence[Figure]:
    """The three figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        with PostgresServer() as server:
            fill(server, folder / "rows")
            return _measure(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(server: PostgresServer, files: Path) -> None:
    """Make the database ``bench``: the sample shop."""
    server.sql("CREATE DATABASE bench")
    server.sql(shop.POSTGRESQL, "bench")
    files.parent.chmod(0o755)
    for table, file in shop.Shop().write(files).items():
        server.sql(f"COPY {table} FROM '{file}'", "bench")
    server.sql(shop.POSTGRESQL_KEYS, "bench")
    shutil.rmtree(files)


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
