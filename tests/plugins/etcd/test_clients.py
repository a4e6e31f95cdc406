"""Clients that write while keys are read and exchanged: each write is before or after."""

from __future__ import annotations

import threading
import urllib.error
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.etcd import api, swap
from dysnomia_plugins.types.etcd.keyspace import Change, Keyspace, Live
from dysnomia_plugins.types.etcd.records import of_line
from tests.plugins.conformance.bare import places, swapped
from tests.plugins.etcd.changes import PREFIX, SEED, fill, full
from tests.plugins.etcd.site import Site, site
from tests.plugins.etcd.strange import at_change, disturbed, held, strange
from tests.waiting import wait_until

pytestmark = pytest.mark.server


class Writers:
    """Clients, each with keys of its own: it writes 1, 2, 3… into one after the other, or deletes it instead."""

    def __init__(self, here: Site, keys: int, threads: int = 4) -> None:
        self.here = here
        self.acknowledged: dict[bytes, list[int | None]] = {b"hot/%04d" % number: [] for number in range(keys)}
        self.stopped = threading.Event()
        names = sorted(self.acknowledged)
        self._threads = [threading.Thread(target=self._run, args=(names[at::threads], at)) for at in range(threads)]

    def _run(self, keys: list[bytes], seed: int) -> None:
        random = Random(seed)
        number = 0
        while not self.stopped.is_set():
            key = random.choice(keys)
            number += 1
            try:
                if random.random() < 0.2:
                    self.here.server.delete(PREFIX + key)
                    self.acknowledged[key].append(None)
                else:
                    self.here.server.put({PREFIX + key: b"%d" % number})
                    self.acknowledged[key].append(number)
            except (urllib.error.URLError, OSError):
                continue

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.worlds) for seed in (1, 2))])
def test_each_acknowledged_write_is_before_or_after_the_exchange_of_its_key(tmp_path: Path, seed: int) -> None:
    """In the guard is what each key held right before; what was written after that is live, else what was restored."""
    random = Random(seed)
    with site(tmp_path) as here:
        pairs = {**strange(random, 2000), **{b"hot/%04d" % number: b"restored" for number in range(0, 60, 2)}}
        here.server.put(full(pairs))
        stored = here.dump()
        disturbed(here, random, pairs)
        here.server.delete_below(PREFIX + b"hot/")
        with Writers(here, 60) as writers:
            wait_until(lambda: writers.count > 200)
            _, aside = swapped(here, stored)
            count = writers.count
            wait_until(lambda: writers.count > count + 100)
        live, guard = here.server.pairs(PREFIX), held(aside)
        for key, history in writers.acknowledged.items():
            _explain(key, history, live.get(key), guard.get(key), pairs.get(key))
        assert {key: value for key, value in live.items() if not key.startswith(b"hot/")} == {
            key: value for key, value in pairs.items() if not key.startswith(b"hot/")
        }


def _explain(
    key: bytes, history: list[int | None], live: bytes | None, guard: bytes | None, restored: bytes | None
) -> None:
    """There is a moment in the history of a key at which it was exchanged: what it held then is in the guard."""
    values = [None, *history]
    last = None if values[-1] is None else b"%d" % values[-1]
    for at, value in enumerate(values):
        before = None if value is None else b"%d" % value
        expected = restored if at == len(values) - 1 else last
        if before == guard and live == expected:
            return
        if restored is None and before is None and guard is None and live == last:
            return  # it came after the exchange had begun, and is none of the snapshot's
    raise AssertionError(f"{key!r}: {history[-10:]}, live {live!r}, guard {guard!r}, restored {restored!r}")


def test_the_dump_is_of_one_revision_while_clients_write(tmp_path: Path) -> None:
    """A client puts the same number into many keys in one transaction: no snapshot has two of them."""
    with site(tmp_path) as here:
        keys = [b"f%02d/k" % number for number in range(90)]
        here.server.put(full({b"fill/%05d" % number: b"x" * 200 for number in range(5000)}))
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                here.server.put(full(dict.fromkeys(keys, b"%d" % number)))

        here.server.put(full(dict.fromkeys(keys, b"0")))
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(5):
                with here.dump().open() as stream:
                    pairs = dict(map(of_line, stream.read().splitlines()))
                assert len({pairs[key] for key in keys}) == 1
        finally:
            stop.set()
            thread.join()


def test_history_that_is_compacted_meanwhile_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path) as here:
        here.server.put(full({b"k/%04d" % number: b"x" for number in range(300)}))
        call, calls = api.Session.call, [0]

        def compacting(made: api.Session, path: str, body: Any, **options: Any) -> Any:
            if path == "kv/range":
                calls[0] += 1
                if calls[0] == 2:
                    here.server.put(full({b"k/0000": b"y"}))
                    here.server.call("kv/compaction", revision=str(here.server.answer()["header"]["revision"]))
            return call(made, path, body, **options)

        monkeypatch.setattr(api.Session, "call", compacting)
        with pytest.raises(PluginError, match="compacted its history while the keys of /app/"):
            here.dump()


def test_a_key_that_others_write_all_the_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        stored = here.dump()
        change, count = Keyspace.change, [0]

        def disturbing(keyspace: Keyspace, changes: list[Change], **options: Any) -> tuple[bool, Live | None]:
            count[0] += 1
            here.server.put({PREFIX + b"users/1": b"%d" % count[0]})
            return change(keyspace, changes, **options)

        monkeypatch.setattr(Keyspace, "change", disturbing)
        monkeypatch.setattr(swap, "_ATTEMPTS", 20)
        here.server.put({PREFIX + b"users/1": b"0"})
        ctx = here.context()
        beside, aside = places(here, ctx)
        here.plugin.load(ctx, stored, beside)
        with pytest.raises(PluginError, match="clients write users/1 all the time"):
            here.plugin.swap(ctx, beside, aside)
        monkeypatch.setattr(Keyspace, "change", change)
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == SEED
        assert held(aside)[b"users/1"] == b"%d" % count[0]


def test_a_copy_that_another_client_writes_to_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        stored = here.dump()
        place = here.plugin.named(here.component, "copy")
        monkeypatch.setattr(
            Keyspace, "change", at_change(1, lambda: here.server.put({b"/copy/users/1": b"theirs"}), after=False)
        )
        with pytest.raises(NotSafe, match="another client wrote users/1"):
            here.plugin.load(here.context(), stored, place)
        assert here.server.pairs(b"/copy/")[b"users/1"] == b"theirs"
