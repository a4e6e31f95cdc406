"""The conformance world of etcd: the keys below one prefix of a server, read and changed by etcdctl and the API."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.etcd.plugin import EtcdDatabase
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.etcd.changes import CHANGES, INITIAL, NAME, PREFIX, fill, full
from tests.plugins.servers.etcd import EtcdServer

OTHERS = {b"/app": b"no key of it", b"/app0": b"neither", b"/other/1": b"untouched"}
"""Beside the component's."""
WRITER = r"""
n=0
read -r token
while :; do
  key=$(printf '/app/log/%010d' $n | base64 -w0)
  curl -sf --noproxy '*' -m 5 -o /dev/null -H "Authorization: $token" "http://127.0.0.1:$1/v3/kv/put" \
    -d "{\"key\":\"$key\",\"value\":\"$(printf $n | base64)\"}" && echo $n >>"$2"
  n=$((n+1))
done
"""


class EtcdWriter(ProgramWriter):
    """A number is logged when the server has answered."""

    def __init__(self, server: EtcdServer, log: Path) -> None:
        token = ""
        if server.password:
            token = str(server.call("auth/authenticate", name="root", password=server.password)["token"])
        super().__init__(
            log, ["bash", "-c", WRITER, "writer", str(server.port), str(log)], env={"PATH": "/usr/bin:/bin"},
            stdin=f"{token}\n",
        )  # fmt: skip


class EtcdWorld(World):
    """A server of its own, with another prefix beside, whose keys are those of nobody's snapshot."""

    def __init__(self, folder: Path, server: EtcdServer | None = None) -> None:
        self.plugin = EtcdDatabase()
        self.folder = folder
        self.server = server or EtcdServer()
        initial = folder / "component" / "etcd-databases"
        initial.mkdir(parents=True)
        (initial / "app.json").write_text(INITIAL)
        try:
            self.server.__enter__()
            self.server.put(OTHERS)
            self.prepare()
        except BaseException:
            self.close()
            raise
        properties = {**self.server.properties, "etcdCopiesDir": str(folder / "copies")}
        self.component = Component(ComponentKey.of("etcd", NAME), initial.parent, properties)

    def prepare(self) -> None:
        """What another world sets up besides."""

    def close(self) -> None:
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        fill(self.server)

    def whole(self, place: Place | None = None) -> object:
        if place is None:
            others = {key: value for key, value in self.server.pairs().items() if not key.startswith(b"/app/")}
            assert {key: others.get(key) for key in OTHERS} == OTHERS
        return self.server.pairs(place.name.encode() if place else PREFIX, leased=False) or None

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.server, random)}"

    def touch(self) -> str:
        """Keys are written again as they are, a history is made and compacted, a key with a lease comes."""
        pairs = self.server.pairs(PREFIX)
        self.server.delete(PREFIX + b"users/3")
        self.server.put(full(pairs))
        self.server.put(full({b"users/leased": b"of a client"}), self.server.lease())
        self.server.call("kv/compaction", revision=str(self.server.answer()["header"]["revision"]), physical=True)
        self.server.etcdctl("defrag")
        self.server.stop()
        self.server.start()
        return "keys written again, one with a lease, history compacted, server started again"

    def grow(self, size: int) -> None:
        random = Random(1)
        for number in range(size // 90_000 + 1):
            self.server.put(full({b"big/%06d" % number: base64.b64encode(random.randbytes(67_500))}))

    def some_sections(self) -> tuple[str, ...]:
        return ("folder:users/", "folder:.")

    def part(self, place: Place | None = None) -> object:
        pairs = self.server.pairs(place.name.encode() if place else PREFIX)
        return {key: value for key, value in pairs.items() if b"/" not in key[1:] or key.startswith(b"users/")}

    def spoil(self, place: Place) -> None:
        if not place.name.startswith(str(self.folder)):
            self.server.put({place.name.encode() + b"users/1": b"spoiled"})
            return
        path = Path(place.name)
        path.write_bytes(path.read_bytes().replace(b"user 1", b"User 1", 1))

    def lose(self) -> Sequence[RowsAsked]:
        random = Random(len(self.server.pairs()))
        new = b"users/came%d" % random.getrandbits(40)
        self.server.put(full({b"users/1": b"lost %d" % random.getrandbits(40), b"alone": b"changed", new: b"new"}))
        self.server.delete(PREFIX + b"users/2", PREFIX + b"bin/\x00\xff")
        return [
            RowsAsked("folder:users/", (("users/1",), ("users/2",), (new.decode(),))),
            RowsAsked("folder:.", texts=("alone",)),
            RowsAsked("folder:bin/", lacking=True),
        ]

    def writer(self, log: Path) -> Writer:
        return EtcdWriter(self.server, log)

    def written(self, place: Place | None = None) -> set[int]:
        pairs = self.server.pairs(place.name.encode() if place else PREFIX)
        return {int(key[4:]) for key in pairs if key.startswith(b"log/0")}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()
