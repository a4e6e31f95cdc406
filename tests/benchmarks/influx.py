"""Snapshot and load of an InfluxDB database of 200,000 points, against its own portable backup and restore."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.influx.plugin import InfluxDatabase
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, timed
from tests.plugins.servers.influx import InfluxServer

NAME, SERIES, POINTS, BLOCK = "bench", 100, 200_000, 5_000


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    server = InfluxServer()
    try:
        server.start()
        server.query(f"create database {NAME}")
        for first in range(0, POINTS, BLOCK):
            server.write("".join(map(_point, range(first, first + BLOCK))), NAME)
        return _measure(server, folder)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _point(number: int) -> str:
    value = number * 7919 % 100_003 / 1000
    return f"cpu,host=h{number % SERIES} load={value},users={number % 17}i {1_700_000_000 + number}000000000\n"


def _measure(server: InfluxServer, folder: Path) -> Sequence[Figure]:
    properties = dict(server.properties)
    work = Alone(folder, InfluxDatabase(), Component(ComponentKey.of("influx", NAME), folder / "component", properties))
    backup = server.home / "backup"

    def own_dump() -> float:
        shutil.rmtree(backup, ignore_errors=True)
        return timed(lambda: server.influxd("backup", "-database", NAME, backup))

    def own_load() -> float:
        taken = timed(lambda: server.influxd("restore", "-db", NAME, "-newdb", "again", backup))
        server.query("drop database again")
        return taken

    ours, theirs = in_turns(work.snapshot, own_dump)
    figures = [ratio(f"snapshot, InfluxDB, {POINTS:,} points", ours, "influxd backup -portable", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and compared", ours, "influxd restore", theirs, 1.25)]


PARTS = (Part("influx", measure, order=15, by_name=True),)
