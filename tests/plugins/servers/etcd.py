"""An etcd server for the tests, and clients of the tests' own: etcdctl, and as little of the API as will do."""

from __future__ import annotations

import base64
import json
import pwd
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.plugins.servers.common import Service, free_port, missing, server_user

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ROOT_PASSWORD = "secret of root:1"
_BATCH = 100
Pairs = dict[bytes, bytes]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def end_of(prefix: bytes) -> bytes:
    """For prefixes that end with no byte of all ones."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\0"


class EtcdServer(Service):
    """One member, alone, in a short folder of its own, on two ports of 127.0.0.1.

    Args:
        words: more of its options.
    """

    def __init__(self, *words: str, user: pwd.struct_passwd | None = None) -> None:
        if shutil.which("etcd") is None or shutil.which("etcdctl") is None:
            missing("etcd", "apt-get install etcd-server etcd-client")
        super().__init__("etcd.", user or server_user("etcd"))
        self.port, self.peers = free_port(), free_port()
        self.words = words
        self.password = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def properties(self) -> Mapping[str, str]:
        """Of a container on it."""
        account = {"etcdUser": "root", "etcdPassword": self.password} if self.password else {}
        return {"type": "etcd-database", "etcdEndpoints": self.url, **account}

    def start(self) -> Self:
        peers = f"http://127.0.0.1:{self.peers}"
        self._launch(
            [
                "etcd", "--name=one", f"--data-dir={self.home}/data", "--log-level=error",
                f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=one={peers}", *self.words,
            ],
            env={"PATH": "/usr/bin:/bin", "GOMAXPROCS": "1"},
        )  # fmt: skip
        return self

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(f"{self.url}/health", timeout=5) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    # Its clients.

    def etcdctl(self, *words: str, stdin: bytes | None = None) -> bytes:
        """Raises AssertionError with what it says."""
        account = {"ETCDCTL_USER": "root", "ETCDCTL_PASSWORD": self.password} if self.password else {}
        done = subprocess.run(
            ["etcdctl", *words], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
            check=False, env={"PATH": "/usr/bin:/bin", "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.url, **account},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def answer(self, prefix: bytes = b"") -> Mapping[str, Any]:
        """``etcdctl get --prefix -w json``."""
        answer: Mapping[str, Any] = json.loads(self.etcdctl("get", "--prefix", "-w", "json", "--", prefix.decode()))
        return answer

    def pairs(self, prefix: bytes = b"", *, leased: bool = True) -> Pairs:
        """All keys below a prefix, without it."""
        return {
            base64.b64decode(one["key"])[len(prefix) :]: base64.b64decode(one.get("value", ""))
            for one in self.answer(prefix).get("kvs", ())
            if leased or not one.get("lease")
        }

    def call(self, path: str, **body: Any) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self.password and path != "auth/authenticate":
            token = self.call("auth/authenticate", name="root", password=self.password)["token"]
            headers["Authorization"] = str(token)
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(body).encode(), headers)
        try:
            with _DIRECT.open(request, timeout=120) as answer:
                read: Mapping[str, Any] = json.loads(answer.read())
                return read
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()[:300].decode()) from None

    def put(self, pairs: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]], lease: str = "") -> None:
        items = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
        at = 0
        while at < len(items):
            some = self._some(items[at : at + _BATCH])
            at += len(some)
            puts = [
                {"request_put": {"key": b64(key), "value": b64(value), "lease": lease or "0"}} for key, value in some
            ]
            self.call("kv/txn", success=puts)

    def _some(self, items: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
        size = 0
        for count, (_, value) in enumerate(items):
            size += len(value)
            if size > 1 << 20 and count:
                return items[:count]
        return items

    def delete(self, *keys: bytes) -> None:
        for key in keys:
            self.call("kv/deleterange", key=b64(key))

    def delete_below(self, prefix: bytes) -> None:
        self.call("kv/deleterange", key=b64(prefix or b"\0"), range_end=b64(end_of(prefix)))

    def lease(self, seconds: int = 3600) -> str:
        return str(self.call("lease/grant", TTL=str(seconds))["ID"])

    def ask_for_accounts(self) -> None:
        """From now on root is its only account."""
        self.etcdctl("user", "add", f"root:{ROOT_PASSWORD}")
        self.etcdctl("user", "grant-role", "root", "root")
        self.etcdctl("auth", "enable")
        self.password = ROOT_PASSWORD

    @property
    def folder(self) -> Path:
        return self.home
