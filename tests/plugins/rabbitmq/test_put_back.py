"""Single definitions put back into live: what comes with each, what stands against it, what breaks off."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown
from dysnomia_plugins.types.rabbitmq import put_back
from dysnomia_plugins.types.rabbitmq.definitions import BY_TITLE
from dysnomia_plugins.types.rabbitmq.exchange import Exchange
from dysnomia_plugins.types.rabbitmq.node import Server
from dysnomia_plugins.types.rabbitmq.rows import section_of
from dysnomia_store.model import Section
from tests.plugins.conformance.bare import BareStored, Notes, with_properties
from tests.plugins.rabbitmq.making import UPSTREAM, fill
from tests.plugins.rabbitmq.site import Site

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]


def _rows(site: Site, stored: BareStored, *wanted: tuple[str, str]) -> list[PutRow]:
    """Of ``(section, key)``, with what comes with them."""
    rows = []
    for name, key in wanted:
        cells = tuple(key.split("|"))
        rows.append(PutRow(_section(name), cells, dict(_raws(site, stored, name)).get(cells)))
    return [*rows, *site.plugin.rows_besides(site.context(), stored, rows)]


def _raws(site: Site, stored: BareStored, name: str) -> list[tuple[tuple[str, ...], bytes]]:
    section = next(one for one in stored.sections() if one.name == name)
    return [
        (tuple(map(str, site.plugin.parse_row(section, raw).key)), raw)
        for batch in site.plugin.raw_rows(stored, section)
        for raw in batch
    ]


def _look(site: Site, rows: Sequence[PutRow]) -> tuple[list[str], dict[int, str]]:
    look = site.plugin.look_at_rows(site.context(), rows)
    assert not look.refusals
    return [row.digest for row in look.rows], dict(look.conflicts)


def _named(rows: Sequence[PutRow]) -> list[tuple[str, str, bool]]:
    return [(row.section.name, "|".join(row.key), row.wanted is not None) for row in rows]


def test_a_queue_comes_with_its_bindings_and_nothing_else(shop: Site) -> None:
    fill(shop.made)
    then, whole = shop.dump(), shop.made.whole()
    shop.made.no_queue("limited")
    shop.made.no_queue("q3")
    shop.made.queue("late")
    rows = _rows(shop, then, ("queues", "limited"))
    assert [row[:1] for row in _named(rows)] == [("queues",), ("bindings",)]
    seen, conflicts = _look(shop, rows)
    assert not conflicts
    assert shop.plugin.put_back(shop.context("2"), rows, seen) == {}
    shop.made.no_queue("late")
    rows = _rows(shop, then, ("queues", "q3"))
    assert shop.plugin.put_back(shop.context("3"), rows, _look(shop, rows)[0]) == {}
    assert shop.made.whole() == whole
    assert shop.files() == []


def test_a_queue_that_would_go_with_messages_is_left(shop: Site) -> None:
    then = shop.dump()
    shop.made.queue("extra")
    shop.made.exchange("x")
    shop.publish("extra", 3)
    rows = [PutRow(one, key, None) for one, key in (
        (_section("queues"), ("extra",)), (_section("exchanges"), ("x",)))]  # fmt: skip
    seen, conflicts = _look(shop, rows)
    assert list(conflicts) == [0]
    assert "the queue extra holds 3 messages (3 ready, 0 unacknowledged) and would be deleted" in conflicts[0]
    assert "rabbitmqDiscardMessages=true" in conflicts[0]
    left = shop.plugin.put_back(shop.context("2"), rows, seen)
    assert list(left) == [0]
    assert shop.get("extra") == "message 0"
    with_properties(shop, rabbitmqDiscardMessages="true")
    look = shop.plugin.look_at_rows(shop.context(), rows)
    assert not look.conflicts
    assert "messages would be lost, and no undo brings them back: the queue extra holds 2" in look.warnings[0]
    assert shop.plugin.put_back(shop.context("3"), rows[:1], seen[:1]) == {}
    assert shop.dump(job="4").digest == then.digest


def _section(name: str) -> Section:
    """Of a snapshot that may have none of that name."""
    return section_of(BY_TITLE[name])


def test_a_queue_that_is_left_keeps_its_bindings(shop: Site) -> None:
    shop.made.queue("q")
    shop.made.bind("amq.topic", "kept", "q")
    then = shop.dump()
    shop.made.queue("extra")
    shop.made.bind("amq.direct", "k", "extra")
    shop.publish("extra")
    now = shop.made.whole()
    rows = [PutRow(_section("queues"), ("extra",), None)]
    rows += shop.plugin.rows_besides(shop.context(), then, rows)
    seen, conflicts = _look(shop, rows)
    assert "holds 1 message" in conflicts[0]
    assert conflicts[1] == "the binding amq.direct k queue extra is one of the queue extra, which stays"
    assert list(shop.plugin.put_back(shop.context("2"), rows, seen)) == [0, 1]
    assert shop.made.whole() == now


def test_a_message_that_comes_after_the_plan_stops_it_with_live_as_it_was(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.made.exchange("x")
    shop.made.queue("q", '[{<<"x-max-length">>, signedint, 9}]')
    shop.made.bind("x", "k", "q")
    then = shop.dump()
    shop.made.no_queue("q")
    shop.made.queue("q")
    shop.made.permit("guest", "^$")
    now = shop.made.whole()
    rows = _rows(shop, then, ("queues", "q"), ("permissions", "guest"))
    seen, conflicts = _look(shop, rows)
    assert not conflicts
    make_once = Exchange.make_once

    def late(exchange: Exchange, *arguments: object) -> object:
        monkeypatch.setattr(Exchange, "make_once", make_once)
        shop.publish("q")
        return make_once(exchange, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Exchange, "make_once", late)
    with pytest.raises(NotSafe, match="nothing was changed: the queue q holds 1 messages"):
        shop.plugin.put_back(shop.context("2"), rows, seen)
    assert shop.made.whole() == now
    assert shop.get("q") == "message 0"
    assert shop.files() == []


def test_what_stands_against_single_definitions(shop: Site) -> None:
    fill(shop.made)
    then = shop.dump()
    shop.made.no_exchange("shop")
    shop.made.no_queue("q2")
    shop.made.queue("q2", durable=False)
    shop.made.no_user("berta")
    rows = _rows(shop, then, ("queues", "q2"), ("topic permissions", "berta|shop"))
    key, raw = next(pair for pair in _raws(shop, then, "bindings") if pair[0][1] == "order.5")
    rows.append(PutRow(_section("bindings"), key, raw))
    rows = [row for row in rows if row.section.name != "users"]
    seen, conflicts = _look(shop, rows)
    texts = [conflicts.get(at, "") for at in range(len(rows))]
    assert "clients have made the queue q2 for themselves" in texts[0]
    assert "the server has no user berta" in texts[1]
    assert "needs the exchange shop, which live does not have: put it back too" in texts[-1]
    rows = _rows(shop, then, ("exchanges", "shop"), ("permissions", "berta"))
    assert ("users", "berta", True) in _named(rows)
    assert sum(row.section.name == "bindings" for row in rows) == 20  # but that of q2, which is a client's now
    seen, conflicts = _look(shop, rows)
    assert not conflicts
    assert shop.plugin.put_back(shop.context("2"), rows, seen) == {}
    assert shop.server.control("authenticate_user", "berta", "secret of one")


def test_an_exchange_that_goes_takes_its_bindings_only_if_they_are_chosen(shop: Site) -> None:
    shop.made.queue("q")
    shop.made.bind("amq.topic", "k", "q")
    then = shop.dump()
    shop.made.exchange("x")
    shop.made.bind("x", "k", "q")
    alone = [PutRow(_section("exchanges"), ("x",), None)]
    _, conflicts = _look(shop, alone)
    assert "the exchange x has the binding x k queue q, which would go with it: choose that too" in conflicts[0]
    both = [*alone, *shop.plugin.rows_besides(shop.context(), then, alone)]
    assert [row.section.name for row in both] == ["exchanges", "bindings"]
    seen, conflicts = _look(shop, both)
    assert not conflicts
    assert shop.plugin.put_back(shop.context("2"), both, seen) == {}
    assert shop.dump(job="3").digest == then.digest


def test_a_policy_that_would_shorten_a_queue_is_left(shop: Site) -> None:
    shop.made.policy("short", {"max-length": 1}, "^q")
    then = shop.dump()
    shop.made.no_policy("short")
    shop.made.queue("q")
    shop.publish("q", 3)
    rows = _rows(shop, then, ("policies", "short"))
    seen, conflicts = _look(shop, rows)
    assert "policies would set its max-length to 1" in conflicts[0]
    assert list(shop.plugin.put_back(shop.context("2"), rows, seen)) == [0]


def test_what_nobody_may_see_is_in_no_word_that_is_shown(shop: Site) -> None:
    shop.made.parameter("federation-upstream", "away", UPSTREAM)
    then = shop.dump()
    shop.made.parameter("federation-upstream", "away", {**UPSTREAM, "uri": "amqp://mover:newer-secret@192.0.2.9"})
    rows = _rows(shop, then, ("parameters", "federation-upstream|away"))
    look = shop.plugin.look_at_rows(shop.context(), rows)
    cells = [
        shop.plugin.parse_row(row.section, raw).cells
        for row, now in zip(rows, look.rows, strict=True)
        for raw in (row.wanted, now.raw)
        if raw is not None
    ]
    words = json.dumps([cells, look.warnings, look.conflicts, [row.digest for row in look.rows]])
    assert "-secret" not in words
    journal = Notes()
    assert shop.plugin.put_back(shop.context("2", journal), rows, [row.digest for row in look.rows]) == {}
    assert "-secret" not in str(journal.entries)
    assert shop.dump(job="3").digest == then.digest


def test_a_client_that_changes_one_right_before_keeps_it(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.made.policy("a", {"max-length": 10**6}, "^none")
    shop.made.policy("b", {"max-length": 10**6}, "^none")
    then = shop.dump()
    for name in ("a", "b"):
        shop.made.policy(name, {"max-length": 10**7}, "^none")
    rows = _rows(shop, then, ("policies", "a"), ("policies", "b"))
    seen, _ = _look(shop, rows)
    make_once = Exchange.make_once

    def late(exchange: Exchange, *arguments: object) -> object:
        shop.made.policy("a", {"max-length": 5 * 10**7}, "^none")
        return make_once(exchange, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Exchange, "make_once", late)
    assert shop.plugin.put_back(shop.context("2"), rows, seen) == {0: ""}
    whole = shop.made.whole()
    assert whole is not None
    lengths = {one["name"]: one["definition"]["max-length"] for one in map(json.loads, whole["policies"])}
    assert lengths == {"a": 5 * 10**7, "b": 10**6}


def test_a_node_that_goes_away_leaves_a_journal_that_is_recovered(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop.made)
    then, whole = shop.dump(), shop.made.whole()
    shop.made.no_queue("q3")
    rows = _rows(shop, then, ("queues", "q3"))
    seen, _ = _look(shop, rows)
    make_once = Exchange.make_once

    def stopped(exchange: Exchange, *arguments: object) -> object:
        shop.server.ask("rabbit:stop(), ok")
        return make_once(exchange, *arguments)  # type: ignore[arg-type]

    journal = Notes()
    monkeypatch.setattr(Exchange, "make_once", stopped)
    with pytest.raises(OutcomeUnknown, match="while definitions were put back"):
        shop.plugin.put_back(shop.context("2", journal), rows, seen)
    monkeypatch.setattr(Exchange, "make_once", make_once)
    shop.server.ask("rabbit:start(), rabbit:await_startup(), ok")
    assert len(shop.files()) == 2
    assert shop.plugin.recover(shop.context("2", journal))
    assert shop.made.whole() == whole
    assert put_back.recover(shop.context("2", journal), Server.of(shop.component)), "again"
