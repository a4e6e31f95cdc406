"""The exchange, on data that nobody shaped: killed in the middle, with clients that write, on keys with leases.

What is live is read by etcdctl.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ServerDown
from dysnomia_plugins.types.etcd import api, swap
from dysnomia_plugins.types.etcd.keyspace import Change, Keyspace, Live
from dysnomia_plugins.types.etcd.records import of_line, to_line
from dysnomia_plugins.types.etcd.spool import Spool
from tests.plugins.conformance.bare import BareDraft, BareStored, Notes, places, restore, swapped
from tests.plugins.conformance.driver import in_child
from tests.plugins.etcd.changes import PREFIX, SEED, fill, full
from tests.plugins.etcd.site import Site, site, texts
from tests.plugins.servers.etcd import Pairs, b64
from tests.waiting import wait_until

pytestmark = pytest.mark.server
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


@pytest.mark.worlds
def test_fifty_thousand_keys_of_any_bytes_and_a_value_of_a_megabyte(tmp_path: Path) -> None:
    random = Random(20261130)
    with site(tmp_path) as here:
        pairs = strange(random, 50_000)
        pairs[b"large/one"] = random.randbytes(1_000_000)
        pairs[b"large/text"] = b'"\\\n' * 300_000
        here.server.put(full(pairs))
        here.server.put({b"/ap": b"1", b"/app": b"2", b"/app0": b"3"})
        stored = here.dump()
        now = disturbed(here, random, pairs)
        ctx, aside = swapped(here, stored)
        assert here.server.pairs(PREFIX) == pairs
        assert held(aside) == now
        assert here.dump().digest == stored.digest
        here.plugin.drop(ctx, aside)
        assert here.files() == []
        others = {key: value for key, value in here.server.pairs().items() if not key.startswith(PREFIX)}
        assert others == {b"/ap": b"1", b"/app": b"2", b"/app0": b"3"}


def test_pages_shrink_where_values_are_large_after_small_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    call = api.Session.call

    def counted(made: api.Session, path: str, body: Any, **options: Any) -> Any:
        try:
            return call(made, path, body, **options)
        except api.TooMuch:
            sizes.append(int(body["limit"]))
            raise

    monkeypatch.setattr(api.Session, "call", counted)
    with site(tmp_path) as here:
        pairs = {b"a/%04d" % number: b"small" for number in range(2000)}
        pairs |= {b"b/%04d" % number: b"%d" % number * 30_000 for number in range(300)}
        here.server.put(full(pairs))
        with here.dump().open() as stream:
            assert dict(map(of_line, stream.read().splitlines())) == pairs
    assert sizes
    assert max(sizes) <= 500


def test_what_is_the_same_is_not_written(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        stored = here.dump()
        here.server.put({PREFIX + b"alone": b"changed"})
        before = {one["key"]: one["mod_revision"] for one in here.server.answer(PREFIX)["kvs"]}
        restore(here, stored)
        after = {one["key"]: one["mod_revision"] for one in here.server.answer(PREFIX)["kvs"]}
        assert len({key for key in after if after[key] != before[key]}) == 1
        restore(here, stored, "3")
        assert {one["key"]: one["mod_revision"] for one in here.server.answer(PREFIX)["kvs"]} == after


def test_up_to_128_keys_change_in_one_revision(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        stored = here.dump()
        here.server.put(full({b"users/%d" % number: b"changed" for number in range(100)}))
        first = int(here.server.answer()["header"]["revision"])
        restore(here, stored)
        assert int(here.server.answer()["header"]["revision"]) == first + 1
        assert here.server.pairs(PREFIX) == SEED


@pytest.mark.parametrize("words", [("--max-txn-ops=3",), ("--max-request-bytes=20000",)])
def test_a_server_with_small_limits(tmp_path: Path, words: tuple[str, ...]) -> None:
    random = Random(5)
    with site(tmp_path) as here:
        pairs = strange(random, 400)
        here.server.put(full(pairs))
        stored = here.dump()
        now = disturbed(here, random, pairs)
        here.server.stop()
        here.server.words = words
        here.server.start()
        _, aside = swapped(here, stored)
        assert here.server.pairs(PREFIX) == pairs
        assert held(aside) == now


def test_a_value_that_the_server_does_not_take_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.put({PREFIX + b"large": b"x" * 1_000_000})
        stored = here.dump()
        here.server.delete(PREFIX + b"large")
        here.server.stop()
        here.server.words = ("--max-request-bytes=100000",)
        here.server.start()
        now = here.server.pairs(PREFIX)
        ctx = here.context()
        with pytest.raises(PluginError, match="too large"):
            here.plugin.load(ctx, stored, places(here, ctx)[0])
        assert here.server.pairs(PREFIX) == now


# Leases.


def test_keys_with_a_lease_are_named_left_out_and_left_alone(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        lease = here.server.lease()
        here.server.put(full({b"lock/a": b"client 1", b"lock/b": b"client 2"}), lease)
        stored = here.dump()
        assert b"lock/" not in b"".join(section.name.encode() for section in stored.sections())
        here.server.put(full({b"users/1": b"client 3"}), lease)
        here.server.put(full({b"users/2": b"changed"}))
        assert "lock/a, lock/b, users/1" in texts(here.plan(stored))["warning"]
        _, aside = swapped(here, stored)
        live = here.server.pairs(PREFIX)
        assert live == {**SEED, b"lock/a": b"client 1", b"lock/b": b"client 2"}
        assert held(aside)[b"users/1"] == b"client 3"
        here.server.call("lease/revoke", ID=lease)
        assert here.server.pairs(PREFIX) == SEED, "what was restored does not go with the lease"


def test_the_warning_of_a_snapshot_names_them(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.put(full({b"lock/%d" % number: b"x" for number in range(7)}), here.server.lease())
        draft = tmp_path / "draft"
        draft.mkdir()
        dumped = here.plugin.dump(here.context(), here.plugin.live(here.component), BareDraft(draft))
        assert len(dumped.warnings) == 1
        assert dumped.warnings[0].startswith("7 keys are attached to leases and not in the snapshot")
        assert "lock/0, lock/1, lock/2, lock/3, lock/4, …" in dumped.warnings[0]


# Killed.


def _at(number: int, do: Callable[[], Any], *, after: bool) -> Changer:
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


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killed:
    """A restore of some hundred keys, told anew."""

    def __init__(self, here: Site, random: Random) -> None:
        self.here, self.random = here, random
        self.pairs = strange(random, 1500)
        here.server.put(full(self.pairs))
        self.stored = here.dump()

    def begin(self, folder: Path) -> tuple[Context, Place, Place]:
        self.now = disturbed(self.here, self.random, self.pairs)
        ctx = self.here.context(folder.name, FileNotes(folder))
        beside, aside = places(self.here, ctx)
        self.here.plugin.load(ctx, self.stored, beside)
        return ctx, beside, aside

    def check(self, ctx: Context, aside: Place) -> None:
        assert self.here.plugin.recover(ctx)
        assert self.here.plugin.recover(ctx), "it can be asked again"
        assert self.here.server.pairs(PREFIX) == self.pairs
        assert held(aside) == self.now
        self.here.plugin.drop(ctx, aside)
        assert self.here.files() == []


class FileNotes(Notes):
    """A journal that a killed child leaves."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def step(self, name: str, /, **data: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([name, data]) + "\n")

    def steps(self) -> list[tuple[str, Mapping[str, Any]]]:
        if not self.path.exists():
            return []
        return [(name, data) for name, data in map(json.loads, self.path.read_text().splitlines())]


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_is_killed_between_transactions(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(1))
        for number in (1, 2, 5, 9):
            ctx, beside, aside = story.begin(tmp_path / f"job{number}")
            with monkeypatch.context() as patch:
                patch.setattr(Keyspace, "change", _at(number, _die, after=after))
                died = in_child(lambda: here.plugin.swap(ctx, beside, aside))  # noqa: B023
            assert died == signal.SIGKILL
            assert (here.server.pairs(PREFIX) == story.now) == (number == 1 and not after)
            story.check(ctx, aside)


def test_a_recovery_that_is_killed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(2))
        ctx, beside, aside = story.begin(tmp_path / "job")
        for work in (lambda: here.plugin.swap(ctx, beside, aside), *[lambda: here.plugin.recover(ctx)] * 3):
            with monkeypatch.context() as patch:
                patch.setattr(Keyspace, "change", _at(2, _die, after=True))
                assert in_child(work) == signal.SIGKILL
        story.check(ctx, aside)


@pytest.mark.parametrize("after", [False, True])
def test_a_server_that_is_killed_in_the_middle(tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 0.5))
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(3))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", _at(4, here.server.kill, after=after))
            with pytest.raises(ServerDown, match="does not answer"):
                here.plugin.swap(ctx, beside, aside)
        with pytest.raises(ServerDown):
            here.plugin.recover(ctx)
        here.server.start()
        assert here.server.pairs(PREFIX) not in (story.now, story.pairs)
        story.check(ctx, aside)


def test_a_server_that_comes_again_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(4))
        ctx, beside, aside = story.begin(tmp_path / "job")

        ended = threading.Event()

        def start() -> None:
            """The server ends with the thread that started it."""
            here.server.start()
            ended.wait()

        def anew() -> None:
            here.server.kill()
            threading.Timer(1, start).start()

        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", _at(4, anew, after=False))
            here.plugin.swap(ctx, beside, aside)
        story.check(ctx, aside)
        ended.set()


def test_what_clients_wrote_between_kill_and_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was exchanged keeps what they wrote since; what was not is in the guard."""
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(6))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", _at(3, _die, after=False))
            assert in_child(lambda: here.plugin.swap(ctx, beside, aside)) == signal.SIGKILL
        live = here.server.pairs(PREFIX)
        done = sorted(key for key in story.pairs if live.get(key) == story.pairs[key] != story.now.get(key))
        waits = sorted(key for key in story.pairs if key in story.now and live[key] != story.pairs[key])
        here.server.put(full({done[0]: b"after", waits[-1]: b"before", b"\xff\xff came": b"new"}))
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == {**story.pairs, done[0]: b"after", b"\xff\xff came": b"new"}
        assert held(aside) == {**story.now, waits[-1]: b"before"}


def test_a_cancel_during_the_exchange_finishes_it(tmp_path: Path) -> None:
    class Tripped:
        cancelled = True

        def check(self) -> None:
            raise Cancelled("a cancel was asked for")

    with site(tmp_path / "site") as here:
        story = Killed(here, Random(8))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with pytest.raises(Cancelled):
            here.plugin.swap(replace(ctx, cancel=Tripped()), beside, aside)
        assert not here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == story.now


@pytest.mark.parametrize(("number", "after"), [(1, False), (1, True), (2, True)])
def test_an_activation_that_is_killed(
    tmp_path: Path, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is finished; what clients wrote meanwhile stays."""
    with site(tmp_path / "site") as here:
        pairs = strange(Random(9), 300)
        folder = here.component.path / "etcd-databases"
        folder.mkdir()
        for name, keys in (("a.json", sorted(pairs)[:150]), ("b.json", sorted(pairs)[150:])):
            (folder / name).write_bytes(b"".join(to_line(key, pairs[key]) + b"\n" for key in keys))
        ctx = here.context("job", FileNotes(tmp_path / "job"))
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", _at(number, _die, after=after))
            assert in_child(lambda: here.plugin.activate(ctx)) == signal.SIGKILL
        last = max(pairs)
        here.server.put(full({last: b"of a client"}))
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == {**pairs, last: b"of a client"}
        assert list(here.plugin.left_behind(ctx)) == []
        assert here.files() == []


# Clients that write.


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
            Keyspace, "change", _at(1, lambda: here.server.put({b"/copy/users/1": b"theirs"}), after=False)
        )
        with pytest.raises(NotSafe, match="another client wrote users/1"):
            here.plugin.load(here.context(), stored, place)
        assert here.server.pairs(b"/copy/")[b"users/1"] == b"theirs"


def test_the_whole_keyspace_as_one_component(tmp_path: Path) -> None:
    with site(tmp_path, etcdWhole="true") as here:
        pairs = {b"\x00": b"first", b"\xff\xff": b"last", b"/registry/pods/a": b"1", b"plain": b"2"}
        here.server.put(pairs)
        stored: BareStored = here.dump()
        names = [section.name for section in stored.sections()]
        assert names == ["/registry/", "."]
        here.server.delete_below(b"")
        here.server.put({b"other": b"1"})
        restore(here, stored)
        assert here.server.pairs() == pairs
        with pytest.raises(NotSafe, match="the keys of a copy"):
            here.plugin.named(here.component, "copy")
