"""An etcd server for the tests, and clients of the tests' own: etcdctl, and as little of the API as will do."""

from __future__ import annotations

import base64
import json
import pwd
import shutil
import socket
import ssl
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
    """One member in a short folder of its own, on two ports of 127.0.0.1.

    Args:
        words: more of its options.
        name: of a cluster, which is complete once ``members`` says what it is made of.
        tls: a folder with ``ca.pem``, ``etcd.pem`` and ``etcd.key``: it answers to whoever shows such a certificate.
    """

    def __init__(
        self, *words: str, user: pwd.struct_passwd | None = None, name: str = "one", tls: Path | None = None
    ) -> None:
        if shutil.which("etcd") is None or shutil.which("etcdctl") is None:
            missing("etcd", "apt-get install etcd-server etcd-client")
        super().__init__("etcd.", user or server_user("etcd"))
        self.port, self.peers = free_port(), free_port()
        self.words, self.name, self.tls = words, name, tls
        self.members = f"{name}={self.peer}"
        self.alone = True
        self.password = ""
        self.batch = _BATCH, 1 << 20
        """Keys and bytes of a transaction of the tests' own."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def peer(self) -> str:
        return f"http://127.0.0.1:{self.peers}"

    @property
    def _files(self) -> Mapping[str, str]:
        return {one: f"{self.tls}/{one}" for one in ("ca.pem", "etcd.pem", "etcd.key")} if self.tls else {}

    @property
    def properties(self) -> Mapping[str, str]:
        """Of a container on it."""
        account = {"etcdUser": "root", "etcdPassword": self.password} if self.password else {}
        names = dict(zip(("etcdCaFile", "etcdCertFile", "etcdKeyFile"), self._files.values(), strict=False))
        return {"type": "etcd-database", "etcdEndpoints": self.url, **account, **names}

    def start(self) -> Self:
        files = tuple(self._files.values())
        options = ("--trusted-ca-file", "--cert-file", "--key-file")
        words = [f"{name}={file}" for name, file in zip(options, files, strict=False)]
        self._launch(
            [
                "etcd", f"--name={self.name}", f"--data-dir={self.home}/data", "--log-level=error",
                f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={self.peer}", f"--initial-advertise-peer-urls={self.peer}",
                f"--initial-cluster={self.members}", *words, *(["--client-cert-auth"] if words else []), *self.words,
            ],
            env={"PATH": "/usr/bin:/bin", "GOMAXPROCS": "1"},
        )  # fmt: skip
        return self

    def _answers(self) -> bool:
        """A member of several answers when the others do: it is enough that it listens."""
        if not self.alone:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        try:
            with self._open(f"{self.url}/health", 5) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def _open(self, request: urllib.request.Request | str, seconds: float) -> Any:
        if not self.tls:
            return _DIRECT.open(request, timeout=seconds)
        context = ssl.create_default_context(cafile=self._files["ca.pem"])
        context.load_cert_chain(self._files["etcd.pem"], self._files["etcd.key"])
        handlers = urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
        return urllib.request.build_opener(*handlers).open(request, timeout=seconds)

    # Its clients.

    def etcdctl(self, *words: str, stdin: bytes | None = None) -> bytes:
        """Raises AssertionError with what it says."""
        account = {"ETCDCTL_USER": "root", "ETCDCTL_PASSWORD": self.password} if self.password else {}
        account |= dict(zip(("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"), self._files.values(), strict=False))
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
            with self._open(request, 120) as answer:
                read: Mapping[str, Any] = json.loads(answer.read())
                return read
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()[:300].decode()) from None

    def put(self, pairs: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]], lease: str = "") -> None:
        items = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
        at = 0
        while at < len(items):
            some = self._some(items[at : at + self.batch[0]])
            at += len(some)
            puts = [
                {"request_put": {"key": b64(key), "value": b64(value), "lease": lease or "0"}} for key, value in some
            ]
            self.call("kv/txn", success=puts)

    def _some(self, items: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
        size = 0
        for count, (_, value) in enumerate(items):
            size += len(value)
            if size > self.batch[1] and count:
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


def certificates(folder: Path) -> Path:
    """An authority, and a certificate of 127.0.0.1 for server and clients; ``other.pem`` is of another authority."""
    folder.mkdir(parents=True)
    for name, subject in (("ca", "/CN=authority"), ("other", "/CN=another")):
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
                 "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")  # fmt: skip
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=etcd", "-keyout", f"{folder}/etcd.key",
             "-out", f"{folder}/etcd.csr")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    authority = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial")
    _openssl("x509", "-req", "-days", "2", "-in", f"{folder}/etcd.csr", *authority,
             "-extfile", f"{folder}/names", "-out", f"{folder}/etcd.pem")  # fmt: skip
    return folder


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
