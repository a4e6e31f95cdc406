"""The exchange in place: names and arguments of any kind, what clients have beside, users, kills."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.rabbitmq import exchange
from dysnomia_plugins.types.rabbitmq.node import Server
from tests.plugins.conformance.bare import BareStored, Notes, places, restore, swapped
from tests.plugins.conformance.driver import in_child
from tests.plugins.rabbitmq.making import Making, fill
from tests.plugins.rabbitmq.site import Site, texts
from tests.plugins.servers.rabbitmq import RabbitServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]
_WHOLE = re.compile('"(?:signedint|byte|short)"')
"""For RabbitMQ whole numbers of arguments are of one type, whichever a client sent."""
NAMES = (
    b"plain", b"-dash", b"--", b"with space ", b'q"uo\'te$(id)`', b"line\nbreak\t", "ünï✓😀".encode(), b"\xff\xfe\x80",
    b"%2F", b"a/b", b"\x01", b"x" * 255, b"\\", b"{}", b"amqx", "é".encode("latin-1"),
)  # fmt: skip
ARGUMENTS = (
    '[{<<"a">>, longstr, <<"text">>}, {<<"b">>, signedint, -5}, {<<"c">>, long, 5000000000}, {<<"d">>, byte, 3},'
    ' {<<"e">>, short, 9}, {<<"f">>, double, 1.5}, {<<"g">>, float, 2.0}, {<<"h">>, bool, true},'
    ' {<<"i">>, void, undefined},'
    ' {<<"j">>, timestamp, 1700000000}, {<<"k">>, decimal, {2, 314}}, {<<"l">>, binary, <<0,255>>},'
    ' {<<"m">>, table, [{<<"z">>, array, [{longstr, <<255>>}, {bool, false}, {timestamp, 1}]},'
    ' {<<"y">>, table, []}]},'
    ' {<<255>>, longstr, <<"key">>}, {<<"n">>, array, []}, {<<"o">>, unsignedint, 4000000000},'
    ' {<<"a">>, longstr, <<"2">>}]'
)
PLAIN = '[{<<"n">>, signedint, 1}, {<<"t">>, longstr, <<"text">>}, {<<"l">>, array, [{bool, true}, {void, undefined}]}]'


def tables(made: Making) -> bytes:
    """All arguments with their types, as the server has them; whole numbers are of one type for it."""
    vhost = made._v
    return made.do(f"""
    N = fun N(T) when is_list(T) -> lists:sort([case One of
            {{K, table, V}} -> {{K, table, N(V)}};
            {{K, array, V}} -> {{K, array, [case I of {{table, X}} -> {{table, N(X)}}; _ -> I end || I <- V]}};
            {{K, T2, V}} -> {{K, rabbit_misc:type_class(T2), V}} end || One <- T]) end,
    {{lists:sort([{{element(4, amqqueue:get_name(Q)), N(amqqueue:get_arguments(Q))}}
        || Q <- rabbit_amqqueue:list({vhost})]),
     lists:sort([{{X, N(A)}} || One <- rabbit_exchange:list({vhost}), [{{name, X}}, {{arguments, A}}] <-
        [rabbit_exchange:info(One, [name, arguments])]]),
     lists:sort([{{S, K, D, N(A)}} || {{binding, S, K, D, A}} <- rabbit_binding:list({vhost})])}}""")


def test_names_and_arguments_of_any_kind_come_back(shop: Site) -> None:
    for name in NAMES:
        shop.made.queue(name, ARGUMENTS if name == b"plain" else PLAIN)
        shop.made.exchange(name, "headers", ARGUMENTS)
        shop.made.bind(name, name, name, ARGUMENTS)
        shop.made.bind(name, b"", name)
        shop.made.bind(name, name, b"plain", PLAIN, kind="exchange")
    then, whole = shop.dump(), tables(shop.made)
    for name in NAMES:
        shop.made.no_exchange(name)
    for name in NAMES[::2]:
        shop.made.no_queue(name)
        shop.made.queue(name)
    for name in NAMES[1::2]:
        shop.made.no_queue(name)
    restore(shop, then)
    assert tables(shop.made) == whole
    assert shop.dump(job="3").digest == then.digest
    copy = shop.plugin.named(shop.component, "copy")
    ctx = shop.context("4")
    shop.plugin.load(ctx, then, copy)
    assert shop.dump(copy, job="5").digest == then.digest
    shop.plugin.drop(ctx, copy)


OTHER_VHOSTS = ("-x", '"quo\'te" $(id)', "ünï✓", "a/b", "%2F", ".", " ", "x" * 120)


@pytest.mark.parametrize(
    "vhost", ["line\nbreak", b"\xff\xfe", *(pytest.param(one, marks=pytest.mark.worlds) for one in OTHER_VHOSTS)]
)
def test_virtual_hosts_of_any_name(tmp_path: Path, rabbitmq: RabbitServer, vhost: str | bytes) -> None:
    rabbitmq.clear()
    site = Site(tmp_path / "site", rabbitmq, vhost)
    site.plugin.activate(site.context("1"))
    assert site.made.exists()
    then = site.dump()
    site.made.queue("q")
    restore(site, then)
    assert site.dump(job="3").digest == then.digest
    assert site.plugin.probe(site.component, site.context().runner).up
    site.plugin.collect_garbage(site.context())
    assert not site.made.exists()


def test_the_usual_virtual_host(tmp_path: Path, rabbitmq: RabbitServer) -> None:
    rabbitmq.clear()
    site = Site(tmp_path / "site", rabbitmq, "/")
    assert site.component.key.component == "%2F"
    then, before = site.dump(), site.made.whole()
    site.made.queue("q")
    site.made.bind("amq.topic", "#", "q")
    site.made.describe("another")
    restore(site, then)
    assert site.made.whole() == before
    other = Site(tmp_path / "other", rabbitmq, "x", rabbitmqVhost="/")
    assert other.plugin.location(other.component) == site.plugin.location(site.component)
    assert other.dump().digest == then.digest


@pytest.mark.worlds
def test_it_is_what_rabbitmqs_own_lists_say(shop: Site) -> None:
    """Before and after, by ``rabbitmqctl``: whatever our reading leaves out would be another there."""
    rabbitmq = shop.server
    rabbitmq.clear()
    fill(shop.made)
    then, before = shop.dump(), lists(rabbitmq)
    for name in ("limited", "q1", "q2"):
        shop.made.no_queue(name)
    shop.made.no_exchange("lines")
    shop.made.exchange("lines", "fanout")
    shop.made.queue("extra")
    shop.made.bind("amq.fanout", "", "extra")
    shop.made.policy("all", {"message-ttl": 10**9}, "^x", 3)
    shop.made.policy("extra", {"queue-mode": "lazy"})
    shop.made.no_policy("operators", operator=True)
    shop.made.permit("anna", "", "", "")
    shop.made.forbid("berta")
    shop.made.describe("another")
    shop.made.limits({"max-queues": 3})
    assert lists(rabbitmq) != before
    restore(shop, then)
    assert lists(rabbitmq) == before


def lists(server: RabbitServer) -> object:
    """Sorted, since the server gives them in no order."""
    columns = {
        "queues": ("name", "durable", "auto_delete", "arguments", "policy", "exclusive", "type"),
        "exchanges": ("name", "type", "durable", "auto_delete", "internal", "arguments", "policy"),
        "bindings": ("source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"),
        "policies": (), "operator_policies": (), "parameters": (), "permissions": (), "topic_permissions": (),
    }  # fmt: skip
    made = {what: server.listed(what, "shop", *names) for what, names in columns.items()}
    made["limits"] = json.loads(server.control("list_vhost_limits", "-q", "-p", "shop", "--formatter", "json"))
    vhosts = json.loads(server.control("list_vhosts", "-q", "name", "description", "tags", "--formatter", "json"))
    made["vhosts"] = [one for one in vhosts if one["name"] == "shop"]
    return {
        what: sorted(_WHOLE.sub('"long"', json.dumps(one, sort_keys=True)) for one in ones)
        for what, ones in made.items()
    }


# What is no state.


def test_what_clients_have_for_themselves_stays(shop: Site) -> None:
    shop.made.exchange("x")
    shop.made.queue("q")
    then = shop.dump()
    shop.made.queue("transient", durable=False)
    shop.made.queue("auto", auto=True)
    shop.made.exchange("passing", durable=False)
    shop.made.queue("own", owner="whereis(init)", durable=False)
    for name in ("transient", "auto", "own"):
        shop.made.bind("x", name, name)
    shop.made.bind("passing", "p", "q")
    now = shop.dump(job="2")
    assert now.digest == then.digest
    shop.made.no_exchange("x")
    shop.made.exchange("x", "direct")
    for name in ("transient", "auto", "own"):
        shop.made.bind("x", name, name)
    bindings = _bindings(shop)
    shop.made.publish("transient", 3)
    restore(shop, then, "3")
    assert _bindings(shop) == bindings
    assert shop.made.depth("transient") == 3
    assert shop.dump(job="4").digest == then.digest


def _bindings(shop: Site) -> bytes:
    return shop.made.do(f"lists:sort(rabbit_binding:list({shop.made._v}))")


def test_a_snapshot_says_what_is_not_in_it(shop: Site) -> None:
    shop.made.queue("transient", durable=False)
    shop.made.exchange("passing", auto=True)
    ctx = shop.context()
    from tests.plugins.conformance.bare import BareDraft

    folder = ctx.staging / "draft"
    folder.mkdir()
    dumped = shop.plugin.dump(ctx, shop.plugin.live(shop.component), BareDraft(folder))
    assert dumped.warnings == (
        "1 queue and 1 exchange not in the snapshot: not durable, or made by clients that take them away",
    )


def test_one_of_theirs_in_the_place_of_ours(shop: Site) -> None:
    shop.made.queue("q")
    shop.made.exchange("x")
    then = shop.dump()
    whole = shop.made.whole()
    shop.made.no_queue("q")
    shop.made.no_exchange("x")
    shop.made.queue("q", durable=False)
    shop.made.exchange("x", "fanout", durable=False)
    restore(shop, then)
    assert shop.made.whole() == whole
    shop.made.no_queue("q")
    shop.made.queue("q", owner="whereis(init)")
    assert "clients have exclusive queues of these names: q" in texts(shop.plan(then))["blocker"]


# Users.


def test_users_that_are_lacking_come_back_with_their_passwords(shop: Site) -> None:
    for name in ("anna", "berta"):
        shop.made.user(name, f"secret of {name}", '[<<"monitoring">>]')
        shop.made.permit(name)
    then = shop.dump()
    shop.made.user("berta", "a new secret", "[]")
    assert shop.dump(job="2").digest == then.digest, "a password is no state of a virtual host"
    shop.made.no_user("anna")
    warning = texts(shop.plan(then))["warning"]
    assert warning == "users that the server lacks would be made, with the passwords of then: anna"
    restore(shop, then)
    for name, secret in (("anna", "secret of anna"), ("berta", "a new secret")):
        assert shop.server.control("authenticate_user", name, secret)
    assert shop.dump(job="3").digest == then.digest
    users = {
        one["user"]: one["tags"] for one in json.loads(shop.server.control("list_users", "-q", "--formatter", "json"))
    }
    assert users["anna"] == ["monitoring"]
    assert users["berta"] == []


def test_no_secret_is_shown_or_in_a_word_of_a_command(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "amqp://mover:sh%2Fovel-secret@192.0.2.9/%2f"
    shop.made.user("anna", "secret of anna")
    shop.made.permit("anna")
    shop.made.parameter("shovel", "s", {"src-uri": uri, "src-queue": "a", "dest-uri": [uri], "dest-queue": "b"})
    commands: list[str] = []
    command = Server.command
    monkeypatch.setattr(Server, "command", lambda self: commands.append(str(command(self))) or command(self))  # type: ignore[func-returns-value]
    stored = shop.dump()
    restore(shop, stored)
    shown = [
        str(shop.plugin.parse_row(section, raw))
        for section in stored.sections() for batch in shop.plugin.raw_rows(stored, section) for raw in batch
    ]  # fmt: skip
    text = "\n".join(
        [*shown, *commands, *shop.progress.lines, str(shop.plan(stored)), str(shop.plan(stored, replace=False))]
    )
    for secret in ("secret", "sh%2Fovel", shop.server.cookie.read_text()):
        assert secret not in text
    export = shop.server.export()["users"]
    for one in export:
        assert str(one["password_hash"]) not in text
    assert "amqp://•••@192.0.2.9/%2f" in text
    dangerous = texts(shop.plan(stored, replace=False))["dangerous"]
    assert "the copy would begin to move messages by itself" in dangerous


def test_what_the_server_has_no_plugin_for_is_refused_before_anything(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.made.parameter(
        "shovel", "s", {"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"}
    )
    stored = shop.dump()
    with RabbitServer() as bare:
        other = Site(shop.context().staging / "other", bare)
        other.made.make()
        assert "rabbitmq-plugins enable rabbitmq_shovel" in texts(other.plan(stored))["blocker"]
        with pytest.raises(PluginError, match="does not know parameters of shovel"):
            swapped(other, stored)
        assert other.made.whole() is not None
        assert other.files() == []


# Killed.


def _damaged(shop: Site) -> tuple[BareStored, object, object]:
    for number in range(3):
        shop.made.queue(f"a{number}")
        shop.made.bind("amq.topic", f"k{number}", f"a{number}")
    shop.made.exchange("x")
    then, old = shop.dump(), shop.made.whole()
    for number in range(0, 3, 2):
        shop.made.no_queue(f"a{number}")
        shop.made.queue(f"b{number}")
    shop.made.no_exchange("x")
    shop.made.exchange("x", "fanout")
    shop.made.bind("x", "", "b0")
    return then, old, shop.made.whole()


@pytest.mark.worlds
def test_a_worker_killed_between_any_two_changes_is_finished_by_the_next(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    then, old, now = _damaged(shop)
    monkeypatch.setattr(exchange, "BATCH", 1)
    for deadly in range(1, 40):
        if not _killed_at(shop, then, old, now, deadly):
            break
    assert deadly > 8


def _killed_at(shop: Site, then: BareStored, old: object, now: object, deadly: int) -> bool:
    """Whether it was, before the change of that number."""
    ctx = shop.context(str(deadly + 10), Notes())
    beside, aside = places(shop, ctx)
    shop.plugin.load(ctx, then, beside)
    journal = ctx.staging / "journal"
    ask, step, left = Server.ask, ctx.journal.step, [deadly]

    def counted(self: Server, *words: object, **more: object) -> object:
        if "change" in str(words):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        return ask(self, *words, **more)  # type: ignore[arg-type]

    def noted(name: str, /, **data: object) -> None:
        step(name, **data)
        with journal.open("a") as file:
            file.write(json.dumps([name, data]) + "\n")

    def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Server, "ask", counted)
            patch.setattr(ctx.journal, "step", noted)
            shop.plugin.swap(ctx, beside, aside)

    died = in_child(work)
    again = shop.context(
        str(deadly + 10), Notes([tuple(json.loads(line)) for line in journal.read_text().splitlines()])
    )
    assert shop.plugin.recover(again) is True
    assert shop.made.whole() == old
    guard = shop.dump(aside, job=f"g{deadly}")
    restore(shop, guard, f"r{deadly}")
    assert shop.made.whole() == now, "the guard is what was live"
    shop.plugin.drop(again, aside)
    assert shop.files() == []
    return died != 0


@pytest.mark.worlds
def test_a_server_killed_in_the_midst_is_finished_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RabbitServer() as server:
        shop = Site(tmp_path / "site", server)
        shop.made.make()
        for number in range(300):
            shop.made.queue(f"a{number}")
        then, old = shop.dump(), shop.made.whole()
        for number in range(0, 300, 2):
            shop.made.no_queue(f"a{number}")
            shop.made.queue(f"b{number}")
        ask = Server.ask
        asked = []

        def dying(self: Server, *words: object, **more: object) -> object:
            if "change" in str(words):
                asked.append(1)
                if len(asked) == 2:
                    server.kill()
            return ask(self, *words, **more)  # type: ignore[arg-type]

        ctx = shop.context("2")
        beside, aside = places(shop, ctx)
        shop.plugin.load(ctx, then, beside)
        with monkeypatch.context() as patch:
            patch.setattr(Server, "ask", dying)
            with pytest.raises(PluginError, match="not answering"):
                shop.plugin.swap(ctx, beside, aside)
            with pytest.raises(PluginError, match="not answering"):
                shop.plugin.recover(ctx)
        server.start()
        assert shop.made.whole() != old
        assert shop.plugin.recover(ctx) is True
        assert shop.made.whole() == old


def test_what_a_client_changes_between_is_in_the_guard(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.made.queue("q")
    shop.made.policy("p", {"max-length": 10}, "^none")
    then = shop.dump()
    shop.made.policy("p", {"max-length": 20}, "^none")
    shop.made.queue("a-extra")
    ask = Server.ask
    done: list[int] = []

    def between(self: Server, *words: object, **more: object) -> object:
        if "change" in str(words) and not done:
            done.append(1)
            shop.made.policy("p", {"max-length": 30}, "^none")
            shop.made.no_queue("a-extra")
            shop.made.queue("b-later")
        return ask(self, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Server, "ask", between)
        _, aside = swapped(shop, then)
    guard = Path(aside.name).read_text()
    assert '"max-length":30' in guard
    assert "a-extra" not in guard
    whole = str(shop.made.whole())
    assert '"max-length": 10' in whole
    assert "b-later" in whole, "what came after is nobody's to delete"


def test_a_virtual_host_that_comes_meanwhile_is_not_touched(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.made.queue("q")
    then = shop.dump()
    copy = shop.plugin.named(shop.component, "copy")
    ask = Server.ask
    theirs = Making(shop.server, "copy")

    def between(self: Server, *words: object, **more: object) -> object:
        if "change" in str(words) and not theirs.exists():
            theirs.make()
        return ask(self, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Server, "ask", between)
        with pytest.raises(NotSafe, match="another client has just made"):
            shop.plugin.load(shop.context("2"), then, copy)
    assert theirs.exists()
