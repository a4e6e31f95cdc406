"""Snapshot and restore of a Redis server whose dump is some 200 MB, against its own dump through zstd and its own load.

The digest is worked out after the server has let go of the view it held for the dump, and is timed apart. Run as a
program, this is one activity in a process of its own, as a job has it; it prints the seconds its digest took.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random

from dysnomia_plugins.types.redis.plugin import RedisDatabase
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.temporary_server import PREFIX
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from tests.benchmarks.database import memory, unpacked_size
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, set_aside, shell, timed
from tests.benchmarks.work import Silent, job_in, load
from tests.plugins.servers.common import server_user
from tests.plugins.servers.redis import RedisServer

KEYS = 1_000_000
BLOCK = 5000


class Phases(Silent):
    """How long the digest took."""

    def __init__(self) -> None:
        self.digest = 0.0
        self._begun = 0.0

    def phase(self, name: str) -> None:
        now = time.perf_counter()
        if self._begun:
            self.digest += now - self._begun
        self._begun = now if name == "digest" else 0.0


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        with RedisServer() as server:
            _fill(server)
            return _measure(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(server: RedisServer) -> None:
    """Sessions as strings, and orders as hashes that expire; half of each value is not to be compressed."""
    random = Random(1)
    with server.client() as client:
        for start in range(0, KEYS, BLOCK):
            client.many(_key(number, random) for number in range(start, start + BLOCK))


def _key(number: int, random: Random) -> tuple[object, ...]:
    if number % 10:
        return ("SET", f"session:{number}", f"customer {number % 9973} since 2024 {random.randbytes(60).hex()}")
    return ("HSET", f"order:{number}", "customer", number % 9973, "state", "paid", "note", random.randbytes(40).hex())


def _measure(server: RedisServer, folder: Path) -> Sequence[Figure]:
    jobs = count(1)
    dump = folder / "dump.zst"
    digests: list[float] = []

    def work(what: str) -> list[str]:
        return [sys.executable, "-m", "tests.benchmarks.redis", what, str(folder), str(server.home), str(next(jobs))]

    def snapshot() -> float:
        set_aside(folder / "state")
        start = time.perf_counter()
        done = subprocess.run(work("snapshot"), check=True, capture_output=True, text=True)
        digests.append(float(done.stdout))
        return time.perf_counter() - start - digests[-1]

    def restore() -> float:
        taken = timed(lambda: subprocess.run(work("load"), check=True, stdout=subprocess.DEVNULL))
        _remove_places(folder)
        return taken

    pipe = f"redis-cli -s {server.socket} --rdb - 2>/dev/null | zstd -q -T2 -3 >{dump}"
    ours, theirs = in_turns(snapshot, lambda: shell(pipe))
    size = unpacked_size(dump)
    figures = [
        ratio(f"snapshot, Redis, {size} dump, less the digest", ours, "redis-cli --rdb - | zstd -T2 -3", theirs, 1.25),
        ratio("its digest, worked out on the stored bytes", min(digests), "the same dump", theirs, float("inf")),
    ]
    ours, theirs = in_turns(restore, lambda: _own_load(dump, folder))
    figures.append(ratio("restore, same, to where live takes it over", ours, "zstd -dc, redis-server", theirs, 1.25))
    title = "memory of a {}, without the server beside"
    figures += memory(work, folder, title, leave_out=("redis-server",))
    _remove_places(folder)
    return figures


def _remove_places(folder: Path) -> None:
    """What loads have left beside live, in the folder that is used where none is named."""
    for left in Server.from_properties({}).copies.glob(f"{PREFIX}{Store(folder / 'state').id[:8]}_*"):
        shutil.rmtree(left)


def _own_load(dump: Path, folder: Path) -> float:
    """Unpack it (without the mark that a stream ends with), and start a server on it, until it answers."""
    place = Path(tempfile.mkdtemp(prefix="rd.", dir="/tmp"))
    try:
        os.chown(place, server_user("redis").pw_uid, server_user("redis").pw_gid)

        def work() -> None:
            shell(f"zstd -q -dc {dump} | head -c -40 >{place / 'dump.rdb'}")
            server.start()

        server = RedisServer(folder=place)
        try:
            return timed(work)
        finally:
            server.remove()
    finally:
        shutil.rmtree(place)


def bench_of(folder: Path, run: Path, job: str, progress: Silent) -> ComponentJob:
    properties = {"type": "redis-database", "redisSocket": str(run / "s")}
    return job_in(folder, job, RedisDatabase(), properties, progress)


def main() -> None:
    what, folder, run, job = sys.argv[1:]
    phases = Phases()
    component_job = bench_of(Path(folder), Path(run), job, phases)
    if what == "snapshot":
        activities.snapshot(component_job)
    else:
        load(component_job)
    print(phases.digest)


PARTS = (Part("redis", measure, order=14),)


if __name__ == "__main__":
    main()
