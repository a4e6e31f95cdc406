"""The exchange on data that nobody shaped, on servers with small limits, and on keys with leases.

What is live is read by etcdctl.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.etcd import api
from dysnomia_plugins.types.etcd.records import of_line
from tests.plugins.conformance.bare import BareDraft, BareStored, places, restore, swapped
from tests.plugins.etcd.changes import PREFIX, SEED, fill, full
from tests.plugins.etcd.site import site, texts
from tests.plugins.etcd.strange import disturbed, held, strange

pytestmark = pytest.mark.server


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
