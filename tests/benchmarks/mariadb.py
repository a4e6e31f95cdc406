"""Snapshot and restore of a MariaDB schema of some 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.database import Work, memory, unpacked_size
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell
from tests.plugins.servers.mariadb import MariadbServer

ROWS = 1_700_000
SEED = f"""
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, name text, mail text, since date);
INSERT INTO customers (name, mail, since)
  SELECT CONCAT('customer ', seq), CONCAT(MD5(seq), '@example.org'), '2020-01-01' + INTERVAL seq % 2000 DAY
  FROM seq_1_to_{ROWS // 10};
CREATE TABLE orders (id bigint PRIMARY KEY AUTO_INCREMENT, customer int, placed datetime, total decimal(12,2),
  note varchar(100), KEY (customer));
INSERT INTO orders (customer, placed, total, note)
  SELECT seq % {ROWS // 10} + 1, '2024-01-01' + INTERVAL seq * 17 SECOND, (seq * 7919 % 100000) / 100,
    CONCAT(MD5(seq), ' ', MD5(-seq))
  FROM seq_1_to_{ROWS};
ANALYZE TABLE customers, orders;
"""
OPTIONS = "--single-transaction --quick --skip-dump-date --order-by-primary --hex-blob --routines --events --triggers"


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        with MariadbServer() as server:
            server.sql("CREATE DATABASE bench CHARACTER SET utf8mb4")
            server.sql(SEED, "bench")
            return _measure(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
