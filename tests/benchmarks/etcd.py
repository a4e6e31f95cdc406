"""Snapshot and restore of 20,000 keys of an etcd, against etcdctl's own reading, and its writing by transactions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.etcd.plugin import EtcdDatabase
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, timed
from tests.plugins.servers.etcd import EtcdServer

NAME, KEYS, BATCH = "bench", 20_000, 128
PREFIX = b"/bench/"


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    server = EtcdServer()
    try:
        server.start()
        server.put(map(_pair, range(KEYS)))
        return _measure(server, folder)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _pair(number: int) -> tuple[bytes, bytes]:
    random = Random(number)
    value = {"name": f"user {number}", "mail": f"u{number}@example.org", "token": random.randbytes(100).hex()}
    return PREFIX + b"%d/%d" % (number % 50, number), json.dumps(value).encode()


def _measure(server: EtcdServer, folder: Path) -> Sequence[Figure]:
    properties = {**server.properties, "etcdCopiesDir": str(folder / "copies")}
    work = Alone(folder, EtcdDatabase(), Component(ComponentKey.of("etcd", NAME), folder / "component", properties))
    reading = ["etcdctl", "get", "--prefix", "-w", "json", PREFIX.decode()]
    transactions = [_transaction(range(first, min(first + BATCH, KEYS))) for first in range(0, KEYS, BATCH)]
    environment = {"PATH": os.defpath, "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": server.url}

    def own_dump() -> float:
        argv = ["bash", "-c", 'set -o pipefail; "$@" | zstd -q -T2 -3 >"$0"', str(folder / "own"), *reading]
        return timed(lambda: subprocess.run(argv, check=True, env=environment))

    def own_load() -> float:
        taken = timed(lambda: [server.etcdctl("txn", stdin=one) for one in transactions])
        server.delete_below(b"/again/")
        return taken

    ours, theirs = in_turns(work.snapshot, own_dump)
    figures = [ratio(f"snapshot, etcd, {KEYS:,} keys", ours, "etcdctl get --prefix -w json | zstd", theirs, 1.25)]
    ours, theirs = in_turns(lambda: work.copy("copy"), own_load)
    return [*figures, ratio("copy, same, and compared", ours, f"etcdctl txn, {BATCH} keys each", theirs, 1.25)]


def _transaction(numbers: range) -> bytes:
    """As ``etcdctl txn`` reads it: no comparison, puts, nothing else to be done."""
    lines = []
    for key, value in map(_pair, numbers):
        lines.append(f"put {key.decode().replace('/bench/', '/again/')} {json.dumps(value.decode())}\n")
    return f"\n{''.join(lines)}\n\n".encode()


PARTS = (Part("etcd", measure, order=18, by_name=True),)
