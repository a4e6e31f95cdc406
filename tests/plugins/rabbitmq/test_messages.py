"""Messages: none of a queue that stays is lost, and none of a queue that would go, unless the container says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.rabbitmq import swap
from tests.plugins.conformance.bare import Notes, places, restore, swapped, with_properties
from tests.plugins.rabbitmq.site import Site, texts

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]
KINDS = {
    "classic": "[]",
    "quorum": '[{<<"x-queue-type">>, longstr, <<"quorum">>}]',
    "stream": '[{<<"x-queue-type">>, longstr, <<"stream">>}]',
}


def test_queues_that_stay_keep_their_messages(shop: Site) -> None:
    for kind, arguments in KINDS.items():
        shop.made.queue(kind, arguments)
    shop.made.exchange("x")
    shop.made.bind("x", "#", "classic")
    then = shop.dump()
    shop.made.no_exchange("x")
    shop.made.exchange("x", "fanout")
    shop.made.queue("extra")
    shop.made.policy("p", {"queue-mode": "lazy"}, ".*")
    for kind in KINDS:
        shop.publish(kind, 3)
    assert "blocker" not in texts(shop.plan(then))
    with shop.holding("quorum", 2), shop.holding("classic", 2):
        restore(shop, then)
        assert shop.dump(job="3").digest == then.digest
    for kind in ("classic", "quorum"):
        assert [shop.get(kind) for _ in range(4)] == ["message 0", "message 1", "message 2", ""]
    told = shop.made.do(
        "[{_, N}] = rabbit_stream_queue:info(element(2, rabbit_amqqueue:lookup("
        'rabbit_misc:r(<<"shop">>, queue, <<"stream">>))), [committed_offset]), N'
    )
    assert told == b"2"


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_that_would_go_with_messages_is_named_and_stays(shop: Site, kind: str) -> None:
    then = shop.dump()
    shop.made.queue("extra", KINDS[kind])
    shop.made.policy("p", {"queue-mode": "lazy"}, "^none")
    shop.publish("extra", 3)
    now = shop.made.whole()
    blocker = texts(shop.plan(then))["blocker"]
    assert "the queue extra holds 3 messages (3 ready, 0 unacknowledged) and would be deleted" in blocker
    assert "rabbitmqDiscardMessages=true" in blocker
    with pytest.raises(NotSafe, match="nothing was changed: the queue extra holds 3 messages"):
        swapped(shop, then)
    assert shop.made.whole() == now
    with_properties(shop, rabbitmqDiscardMessages="true")
    dangerous = texts(shop.plan(then))["dangerous"]
    assert "messages would be lost, and no undo brings them back: the queue extra holds 3" in dangerous
    restore(shop, then, "3")
    assert shop.dump(job="4").digest == then.digest


def test_one_message_that_a_client_has_not_acknowledged_counts(shop: Site) -> None:
    then = shop.dump()
    shop.made.queue("extra")
    shop.publish("extra")
    with shop.holding("extra", 1):
        assert "1 message (0 ready, 1 unacknowledged)" in texts(shop.plan(then))["blocker"]
        with pytest.raises(NotSafe, match="1 unacknowledged"):
            swapped(shop, then)
    assert shop.get("extra") == "message 0"


def test_a_queue_with_other_arguments_is_made_anew_only_while_it_is_empty(shop: Site) -> None:
    shop.made.exchange("x")
    shop.made.queue("q", '[{<<"x-max-length">>, signedint, 9}]')
    shop.made.bind("x", "k", "q")
    then = shop.dump()
    whole = shop.made.whole()
    shop.made.no_queue("q")
    shop.made.queue("q")
    shop.publish("q")
    assert "since it is another" in texts(shop.plan(then))["blocker"]
    assert shop.get("q") == "message 0"
    findings = texts(shop.plan(then))
    assert "queues would be deleted, or deleted and declared again: q" in findings["warning"]
    restore(shop, then)
    assert shop.made.whole() == whole
    shop.publish("k", exchange="x")
    assert shop.get("q") == "message 0"


SHORTENING: tuple[tuple[dict[str, object], int, bool], ...] = (
    ({"max-length": 2}, 3, True), ({"max-length": 3}, 3, False), ({"message-ttl": 60000}, 1, True),
    ({"max-length-bytes": 10**9}, 1, True), ({"expires": 60000}, 1, True), ({"queue-mode": "lazy"}, 3, False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "held", "loses", "operator"),
    [
        pytest.param(*one, operator, marks=[pytest.mark.worlds] if operator or number > 1 else [])
        for operator in (False, True)
        for number, one in enumerate(SHORTENING)
        if not operator or "queue-mode" not in one[0]
    ],
)
def test_a_policy_that_would_take_messages_away_is_named(
    shop: Site, definition: dict[str, object], held: int, loses: bool, operator: bool
) -> None:
    shop.made.queue("q")
    shop.made.policy("short", definition, "^q$", operator=operator)
    then = shop.dump()
    shop.made.no_policy("short", operator=operator)
    shop.made.publish("q", held)
    findings = texts(shop.plan(then))
    assert ("blocker" in findings) == loses
    if loses:
        assert f"the queue q holds {held} message" in findings["blocker"]
        assert f"policies would set its {next(iter(definition))} to" in findings["blocker"]
        with pytest.raises(NotSafe):
            swapped(shop, then)
        assert shop.made.depth("q") == held
    else:
        restore(shop, then)
        assert shop.made.depth("q") == held


def test_a_policy_that_another_one_hid_counts_when_that_goes(shop: Site) -> None:
    """The shorter one has been there all the time, with less priority."""
    shop.made.queue("q")
    shop.made.policy("short", {"max-length": 1}, ".*", 1)
    then = shop.dump()
    shop.made.policy("long", {"max-length": 1000}, ".*", 2)
    shop.made.publish("q", 5)
    assert "policies would set its max-length to 1" in texts(shop.plan(then))["blocker"]
    shop.made.policy("short", {"max-length": 500}, ".*", 3)
    wider = shop.dump(job="2")
    shop.made.no_policy("short")
    assert "blocker" not in texts(shop.plan(wider))


def test_a_message_that_comes_while_the_exchange_is_made_has_all_changed_back(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the look at all queues: the node looks once more, at the one that it deletes."""
    shop.made.exchange("x")
    then = shop.dump()
    shop.made.queue("a")
    shop.made.queue("b")
    shop.made.exchange("x2")
    shop.made.bind("x2", "k", "a")
    now = shop.made.whole()
    refuse = swap.refuse_losses

    def look(*arguments: object) -> None:
        refuse(*arguments)  # type: ignore[arg-type]
        shop.publish("b", 2)

    monkeypatch.setattr(swap, "refuse_losses", look)
    ctx = shop.context("2", Notes())
    beside, aside = places(shop, ctx)
    shop.plugin.load(ctx, then, beside)
    with pytest.raises(NotSafe, match="the queue b holds 2 messages"):
        shop.plugin.swap(ctx, beside, aside)
    assert shop.plugin.recover(ctx) is False
    assert shop.made.whole() == now
    assert shop.made.depth("b") == 2
    assert shop.plugin.recover(ctx) is False


def test_clients_publish_and_consume_all_the_while(shop: Site, tmp_path: Path) -> None:
    """What they were told is stored is there; what they consumed is what they published."""
    shop.made.queue("q")
    shop.made.exchange("x", "direct")
    shop.made.bind("x", "k", "q")
    then = shop.dump()
    loop = f"""
    n=0; while [ ! -e {tmp_path}/end ]; do
      amqp-publish --url {shop.url} -e '' -r q -p -b "$n" && echo $n >>{tmp_path}/published; n=$((n+1)); done
    """
    publisher = subprocess.Popen(["bash", "-c", loop])
    seen: list[str] = []
    for number in range(3):
        shop.made.queue(f"extra{number}")
        shop.made.no_exchange("x")
        shop.made.exchange("x", "fanout")
        shop.made.policy(f"p{number}", {"queue-mode": "lazy"}, "^q")
        restore(shop, then, str(number + 2))
        seen += [shop.get("q") for _ in range(3)]
    (tmp_path / "end").touch()
    publisher.wait()
    while body := shop.get("q"):
        seen.append(body)
    assert (tmp_path / "published").read_text().split() == [body for body in seen if body]
    assert shop.dump(job="9").digest == then.digest


def test_garbage_that_holds_messages_is_not_collected(shop: Site) -> None:
    shop.made.queue("q")
    shop.publish("q", 2)
    with pytest.raises(NotSafe, match=r"the queue q of shop holds 2 messages \(2 ready, 0 unacknowledged\)"):
        shop.plugin.collect_garbage(shop.context())
    assert shop.get("q") == "message 0"
    with_properties(shop, rabbitmqDiscardMessages="yes")
    shop.plugin.collect_garbage(shop.context())
    assert not shop.made.exists()
