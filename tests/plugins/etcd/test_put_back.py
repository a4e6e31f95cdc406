"""Keys put back into live: what stands against it, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown
from dysnomia_plugins.types.etcd import api
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.records import KIND, to_line
from dysnomia_store.model import Form, Section
from tests.plugins.etcd.changes import PREFIX, SEED, fill, full
from tests.plugins.etcd.site import Site, site

pytestmark = pytest.mark.server
USERS = Section(KIND, "users/", Form.ROWS, 0, "", columns=("key", "value"), key=("key",))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        fill(made.server)
        yield made


def _rows(numbers: Iterable[int]) -> list[PutRow]:
    keys = [b"users/%d" % number for number in numbers]
    return [PutRow(USERS, (key.decode(),), to_line(key, SEED[key]) if key in SEED else None) for key in keys]


def _seen(here: Site, rows: list[PutRow]) -> list[str]:
    return [row.digest for row in here.plugin.look_at_rows(here.context(), rows).rows]


def test_more_keys_than_a_transaction_holds_are_refused_in_the_plan(here: Site) -> None:
    here.server.put(full({b"users/%d" % number: b"came" for number in range(300)}))
    look = here.plugin.look_at_rows(here.context(), _rows(range(129)))
    assert look.refusals == (
        "129 keys are more than etcd takes in one transaction: put them back in parts, or restore all",
    )
    rows = _rows(range(128))
    assert here.plugin.put_back(here.context(), rows, _seen(here, rows)) == {}
    live = here.server.pairs(PREFIX)
    assert {key: value for key, value in live.items() if value != b"came"} == SEED


def test_a_key_that_got_a_lease_belongs_to_its_client(here: Site) -> None:
    here.server.put(full({b"users/1": b"of a client"}), here.server.lease())
    rows = _rows([1, 2])
    look = here.plugin.look_at_rows(here.context(), rows)
    assert list(look.conflicts) == [0]
    assert "attached to a lease" in look.conflicts[0]
    left = here.plugin.put_back(here.context(), rows, _seen(here, rows))
    assert list(left) == [0]
    assert here.server.pairs(PREFIX)[b"users/1"] == b"of a client"


def test_a_key_that_is_written_meanwhile_is_left(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    here.server.put(full({b"users/1": b"a", b"users/2": b"b"}))
    rows = _rows([1, 2])
    seen = _seen(here, rows)
    change = Keyspace.change

    def late(keyspace: Keyspace, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Keyspace, "change", change)
        here.server.put(full({b"users/1": b"late"}))
        return change(keyspace, *arguments, **options)

    monkeypatch.setattr(Keyspace, "change", late)
    assert here.plugin.put_back(here.context(), rows, seen) == {0: ""}
    assert here.server.pairs(PREFIX) == {**SEED, b"users/1": b"late"}


def test_a_server_that_goes_away_in_the_transaction(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    here.server.put(full({b"users/1": b"a"}))
    rows = _rows([1])
    seen = _seen(here, rows)
    call = api.Session.call

    def killing(made: api.Session, path: str, *arguments: Any, **options: Any) -> Any:
        if path == "kv/txn":
            here.server.kill()
        return call(made, path, *arguments, **options)

    monkeypatch.setattr(api.Session, "call", killing)
    with pytest.raises(OutcomeUnknown, match="while the keys were put back"):
        here.plugin.put_back(here.context(), rows, seen)


def test_clients_that_write_all_the_time_end_it_with_nothing_changed(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.server.put(full({b"users/1": b"a", b"users/2": b"b"}))
    rows = _rows([1, 2])
    seen = _seen(here, rows)
    change = Keyspace.change

    def disturbing(keyspace: Keyspace, *arguments: Any, **options: Any) -> Any:
        here.server.put(full({b"users/1": b"a"}))  # another revision of the same
        return change(keyspace, *arguments, **options)

    monkeypatch.setattr(Keyspace, "change", disturbing)
    with pytest.raises(NotSafe, match="nothing was changed: other clients"):
        here.plugin.put_back(here.context(), rows, seen)
    assert here.server.pairs(PREFIX)[b"users/2"] == b"b"
