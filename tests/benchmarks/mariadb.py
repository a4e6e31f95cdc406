"""Snapshot and restore of a MariaDB schema of some 200 MB, against the shortest pipe that does the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.benchmarks.measure import LIMIT_MEMORY, Figure, Part, absolute, in_turns, memory_of, ratio, shell, timed
from tests.plugins.services_mariadb import MariadbServer

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
    jobs = count(1)
    dump = folder / "dump.zst"
    account = f"--no-defaults --user=root --socket={server.socket}"

    def work(what: str) -> list[str]:
        arguments = [what, str(folder), server.socket, str(next(jobs)), "mysql-database"]
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

    def client() -> float:
        server.drop("plain")
        server.sql("CREATE DATABASE plain CHARACTER SET utf8mb4")
        taken = shell(f"zstd -q -dc {dump} | {server.client} {account} plain")
        server.drop("plain")
        return taken

    pipe = f"{server.dumper} {account} {OPTIONS} bench | zstd -q -T2 -3 >{dump}"
    ours, theirs = in_turns(snapshot, lambda: shell(pipe))
    size = _dump_size(dump)
    figures = [ratio(f"snapshot, MariaDB, {size} dump", ours, "mariadb-dump | zstd -T2 -3", theirs, 1.25)]
    ours, theirs = in_turns(load, client)
    figures.append(ratio("restore, same", ours, "zstd -dc | mariadb", theirs, 1.25))
    for what in ("snapshot", "load"):
        if what == "snapshot":
            shutil.rmtree(folder / "state")
        process = subprocess.Popen(work(what))
        with memory_of(process.pid) as peak:
            assert process.wait() == 0
        name = f"memory of a MariaDB {what}, with its client programs"
        figures.append(absolute(name, peak[0], LIMIT_MEMORY, "MB"))
    return figures


def _dump_size(dump: Path) -> str:
    counted = subprocess.run(f"zstd -q -dc {dump} | wc -c", shell=True, check=True, capture_output=True)  # noqa: S602
    return f"{int(counted.stdout) / 1e6:.0f} MB"


PARTS = (Part("mariadb", measure, order=12),)
