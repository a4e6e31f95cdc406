"""Servers as nobody here would set them up: the other worlds of etcd's conformance suite."""

from __future__ import annotations

import pwd
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.base import Component
from tests.plugins.etcd.changes import PREFIX, full
from tests.plugins.etcd.world import EtcdWorld
from tests.plugins.other_user import OtherUser
from tests.plugins.servers.etcd import EtcdServer, Pairs

ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
    "ETCDCTL_API": "2",
    "ETCDCTL_ENDPOINTS": "http://192.0.2.1:2379",
    "ETCDCTL_USER": "nobody:wrong",
    "ETCDCTL_PREFIX": "true",
    "ETCD_LISTEN_CLIENT_URLS": "http://192.0.2.1:2379",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "http_proxy": "http://192.0.2.1:1",
    "ALL_PROXY": "http://192.0.2.1:1",
}
"""Of whoever starts a job: none of it may count."""
HOSTILE = (
    "--max-txn-ops=7", "--max-request-bytes=500000", "--snapshot-count=10", "--auth-token-ttl=1",
    "--auto-compaction-mode=periodic", "--auto-compaction-retention=1s", "--quota-backend-bytes=100000000",
)  # fmt: skip
COPIES = ("earlier", "part", "undone", *(f"guard{number}" for number in range(40)))
"""As the suite calls them."""


class HostileWorld(EtcdWorld):
    """Accounts, small limits, tokens and a history that are soon forgotten."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder, EtcdServer(*HOSTILE))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)

    def prepare(self) -> None:
        self.server.ask_for_accounts()
        self.server.batch = 7, 200_000


class LeastPrivilegeWorld(EtcdWorld):
    """An account that has the prefix, those of copies, and nothing else."""

    def prepare(self) -> None:
        self.server.etcdctl("user", "add", "app:its password")
        self.server.etcdctl("role", "add", "app")
        self.server.etcdctl("user", "grant-role", "app", "app")
        for name in (PREFIX.decode(), *(f"/{one}/" for one in COPIES)):
            self.server.etcdctl("role", "grant-permission", "app", "readwrite", "--prefix=true", name)
        self.server.ask_for_accounts()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        account = {"etcdUser": "app", "etcdPassword": "its password"}
        one = self.component
        self.component = Component(one.key, one.path, {**one.properties, **account})


class OtherOwnerWorld(EtcdWorld):
    """The server runs as a user of its own; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        super().__init__(folder, EtcdServer(user=pwd.getpwnam(other.name)))


class WideWorld(EtcdWorld):
    """Every kind of key and value."""

    def seed(self) -> None:
        super().seed()
        self.server.put(full(zoo()))


class UpdatedWorld(EtcdWorld):
    """After much was written again and again, deleted, compacted, defragmented, and the server killed."""

    def seed(self) -> None:
        super().seed()
        for turn in range(5):
            self.server.put(full({b"many/%d" % number: b"%d %d" % (number, turn) for number in range(600)}))
            self.server.delete(*(PREFIX + b"many/%d" % number for number in range(turn, 600, 50)))
        self.server.call("kv/compaction", revision=str(self.server.answer()["header"]["revision"]), physical=True)
        self.server.etcdctl("defrag")
        self.server.kill()
        self.server.start()
        self.server.put(full({b"many/%d" % number: b"again" for number in range(0, 600, 7)}))


def zoo() -> Pairs:
    """One of everything that a key and a value can be."""
    random = Random(3)
    names = (
        "a=b", 'quo"te', "back\\slash", "ünï✓😀", "x" * 2000, "tab\there", "line\nbreak", "\x00", "\x7f", "\u2028", "%",
        "\\x00", "\\xzz", "-", "--prefix", "..", ".", "'", "{}", "null", "\ufeff", " ", "\x80", "comma,comma",
    )  # fmt: skip
    pairs = {f"{folder}{name}".encode(): name.encode() for name in names for folder in ("", "names/", f"{name}/")}
    pairs |= {b"bytes/" + bytes([number]): bytes([number]) * number for number in range(256)}
    pairs |= {b"//": b"1", b"///": b"2", b"/": b"3", b"/a": b"4", b"/a/b": b"5", b"a//b": b"6"}
    pairs |= {b"sizes/%d" % size: random.randbytes(size) for size in (1, 4095, 65536, 1_000_000)}
    return pairs | {b"many/%d/x" % number: b"a folder each" for number in range(500)}
