"""Data that nobody shaped, what a job sets aside of it, and something that happens at one of its transactions."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from random import Random
from typing import Any

from dysnomia_plugins.base import Place
from dysnomia_plugins.types.etcd.keyspace import Keyspace, Live
from dysnomia_plugins.types.etcd.records import of_line
from dysnomia_plugins.types.etcd.spool import Spool
from tests.plugins.etcd.changes import PREFIX, full
from tests.plugins.etcd.site import Site
from tests.plugins.servers.etcd import Pairs, b64

Changer = Callable[..., tuple[bool, Live | None]]


def strange(random: Random, count: int) -> Pairs:
    """Keys of any bytes, in folders and in none; values of any bytes, most of them short."""
    pairs: Pairs = {}
    while len(pairs) < count:
        parts = [random.randbytes(random.randrange(1, 9)) for _ in range(random.randrange(1, 4))]
        pairs[b"/".join(parts)] = random.randbytes(random.choice((0, 1, 10, 100, 1000)))
    return pairs


def disturbed(site: Site, random: Random, pairs: Pairs) -> Pairs:
    """What is live when a third is changed, a third gone, and others came."""
    keys = sorted(pairs)
    random.shuffle(keys)
    third = len(keys) // 3
    site.server.put(full({key: random.randbytes(20) for key in keys[:third]}))
    gone = keys[third : 2 * third]
    for at in range(0, len(gone), 100):
        site.server.call(
            "kv/txn", success=[{"request_delete_range": {"key": b64(PREFIX + key)}} for key in gone[at : at + 100]]
        )
    site.server.put(full(strange(random, third)))
    return site.server.pairs(PREFIX)


def held(place: Place) -> Pairs:
    """What a file of a job's holds."""
    return dict(of_line(line) for _, line in Spool(place.name).pairs())


def at_change(number: int, do: Callable[[], Any], *, after: bool) -> Changer:
    """``Keyspace.change``, which does something at its n-th call."""
    change, calls = Keyspace.change, [0]

    def counted(keyspace: Keyspace, changes: Any, **options: Any) -> tuple[bool, Live | None]:
        calls[0] += 1
        if calls[0] == number and not after:
            do()
        answer = change(keyspace, changes, **options)
        if calls[0] == number and after:
            do()
        return answer

    return counted


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
