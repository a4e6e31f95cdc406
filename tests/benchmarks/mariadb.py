"""Snapshot and restore of the sample shop in MariaDB, 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import shop
from tests.benchmarks.database import Work, memory, unpacked_size
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell
from tests.plugins.servers.mariadb import MariadbServer

OPTIONS = "--single-transaction --quick --skip-dump-date --order-by-primary --hex-blob --routines --events --triggers"


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        with MariadbServer() as server:
            fill(server, folder / "rows")
            return _measure(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(server: MariadbServer, files: Path) -> None:
    """Make the schema ``bench``: the sample shop."""
    server.sql("CREATE DATABASE bench CHARACTER SET utf8mb4")
    server.sql(shop.MARIADB, "bench")
    files.parent.chmod(0o755)
    for table, file in shop.Shop().write(files).items():
        server.sql(f"LOAD DATA INFILE '{file}' INTO TABLE {table} CHARACTER SET utf8mb4", "bench")
    server.sql(f"ANALYZE TABLE {', '.join(shop.Shop(1).tables())}", "bench")
    shutil.rmtree(files)


def _measure(server: MariadbServer, folder: Path) -> Sequence[Figure]:
    work = Work(server, folder, server.socket, "mysql-database")
    dump = folder / "dump.zst"
    account = f"--no-defaults --user=root --socket={server.socket}"

    def client() -> float:
        server.drop("plain")
        server.sql("CREATE DATABASE plain CHARACTER SET utf8mb4")
        taken = shell(f"zstd -q -dc {dump} | {server.client} {account} plain")
        server.drop("plain")
        return taken

    pipe = f"{server.dumper} {account} {OPTIONS} bench | zstd -q -T2 -3 >{dump}"
    ours, theirs = in_turns(work.snapshot, lambda: shell(pipe))
    size = unpacked_size(dump)
    figures = [ratio(f"snapshot, MariaDB, {size} dump", ours, "mariadb-dump | zstd -T2 -3", theirs, 1.25)]
    ours, theirs = in_turns(work.load, client)
    figures.append(ratio("restore, same", ours, "zstd -dc | mariadb", theirs, 1.25))
    figures += memory(work.argv, folder, "memory of a MariaDB {}, with its client programs")
    return figures


PARTS = (Part("mariadb", measure, order=12),)
