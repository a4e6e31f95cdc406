"""Servers that are down, that refuse us, that are part of a cluster; discovery; content that somebody else made."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.rabbitmq import contents, definitions, discover, node, terms, vhosts
from dysnomia_plugins.types.rabbitmq.definitions import QUEUES
from dysnomia_plugins.types.rabbitmq.node import Server
from dysnomia_plugins.types.rabbitmq.rows import section_of
from tests.plugins.conformance.bare import restore, swapped, with_properties
from tests.plugins.rabbitmq.making import Making
from tests.plugins.rabbitmq.site import Site, texts
from tests.plugins.servers.common import free_port
from tests.plugins.servers.rabbitmq import RabbitServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]


def _refused(site: Site, error: type[PluginError], text: str) -> None:
    """In snapshots and probes alike."""
    with pytest.raises(error, match=text):
        site.dump(job=str(time.monotonic_ns()))
    probe = site.plugin.probe(site.component, ProcessRunner())
    assert not probe.up
    assert probe.detail == "not answering" or text in probe.detail


def test_a_node_that_is_down_or_does_not_run_rabbitmq(shop: Site) -> None:
    properties = dict(shop.component.properties)
    with_properties(shop, rabbitmqNode="nobody@localhost")
    _refused(shop, ServerDown, "the node nobody@localhost is not answering")
    with_properties(shop, rabbitmqNode=str(properties["rabbitmqNode"]), rabbitmqEpmdPort=str(free_port()))
    _refused(shop, ServerDown, "is not answering")
    with_properties(shop, rabbitmqEpmdPort=str(properties["rabbitmqEpmdPort"]))
    shop.server.ask("rabbit:stop(), ok")
    try:
        _refused(shop, ServerDown, "RabbitMQ does not run in the node")
    finally:
        shop.server.ask("rabbit:start(), rabbit:await_startup(), ok")
    assert shop.dump(job="9").digest


def test_another_cookie_and_none(shop: Site, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shop.server.give(home)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
        else:
            break
    with_properties(shop, rabbitmqHome=str(home))
    _refused(shop, WrongCredentials, "there is no ")
    assert list(home.iterdir()) == [], "erl would have made up one"
    cookie = home / ".erlang.cookie"
    cookie.write_text("another")
    shop.server.give(cookie)
    cookie.chmod(0o400)
    _refused(shop, WrongCredentials, "runs and does not let itself be asked")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_has_no_cookie(shop: Site) -> None:
    with_properties(shop, rabbitmqUser="nobody")
    _refused(shop, WrongCredentials, "cannot be read")
    with_properties(shop, rabbitmqUser="nobody-at-all")
    with pytest.raises(PluginError, match="there is no user 'nobody-at-all'"):
        shop.dump()
    with_properties(shop, rabbitmqUser="root")
    with pytest.raises(NotSafe, match="nothing of RabbitMQ is run as root"):
        shop.dump()


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"rabbitmqNode": "a b"}, "is not a valid node name"), ({"rabbitmqHome": "home"}, "not an absolute path"),
        ({"rabbitmqCopiesDir": "copies"}, "not an absolute path"),
        ({"rabbitmqEpmdPort": "x"}, "expected a port number"),
        ({"rabbitmqDiscardMessages": "maybe"}, "rabbitmqDiscardMessages is 'maybe'"),
    ],
)  # fmt: skip
def test_properties_that_make_no_sense(properties: dict[str, str], text: str) -> None:
    if os.geteuid() == 0:
        properties = {"rabbitmqUser": "nobody", **properties}
    with pytest.raises(PluginError, match=text):
        Server.from_properties(properties)


def test_what_an_operator_leaves_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "db1.example.org")
    monkeypatch.setattr(node, "SETTINGS", str(tmp_path / "env.conf"))
    assert node.usual_node() == "rabbit@db1"
    (tmp_path / "env.conf").write_text("# NODENAME=no\nexport NODENAME='bunny@db1' # ours\nX=$(touch /tmp/x)\n")
    assert node.usual_node() == "bunny@db1"
    user = {"rabbitmqUser": "nobody"} if os.geteuid() == 0 else {}
    assert Server.from_properties({**user, "rabbitmqNode": "hare"}).node == "hare@db1"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("", "rabbit@box"), ("NODENAME=odd\n", "odd@box"), ("NODENAME=odd@other\nUSE_LONGNAME=true\n", "odd@other"),
        ("NODENAME=odd\nUSE_LONGNAME=true\n", "odd@box.example.org"),
        ("export RABBITMQ_USE_LONGNAME='true'\n", "rabbit@box.example.org"),
    ],
)  # fmt: skip
def test_a_node_with_a_long_name(settings: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As RabbitMQ 3.10.8 calls itself: the fourth was seen on a machine that was called so."""
    (tmp_path / "env.conf").write_text(settings)
    monkeypatch.setattr(node, "SETTINGS", str(tmp_path / "env.conf"))
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "getfqdn", lambda: "box.example.org")
    assert Server.from_properties({"rabbitmqUser": "rabbitmq"}).node == name


@pytest.mark.parametrize(
    ("pattern", "component", "vhost"),
    [
        ("", "shop", b"shop"), ("", "%2F", b"/"), ("", "%2f", b"/"), ("/", "any", b"/"), ("%2F", "any", b"/"),
        ("%-test", "shop", b"shop-test"), ("%%2F%", "a", b"a/a"), ("", "%FF%FE", b"\xff\xfe"), ("", "100%", b"100%"),
    ],
)  # fmt: skip
def test_which_virtual_host_a_component_is(pattern: str, component: str, vhost: bytes) -> None:
    assert vhosts.of_component(pattern, component) == vhost


def test_every_name_of_a_virtual_host_comes_back() -> None:
    for vhost in (
        b"/",
        b"%2F",
        b"-x",
        b".",
        b"a\nb",
        "ünï".encode(),
        b"\xff",
        b" ",
        b"%",
        b"100%",
        b"\xc2\x80",
        b"x" * 85,
    ):
        name = vhosts.encoded(vhost)
        assert name is not None
        assert vhosts.decoded(name) == vhost
    assert vhosts.encoded(b"\xff" * 255) is None


# Clusters.


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[RabbitServer, RabbitServer]]:
    """Of two nodes."""
    with RabbitServer() as first:
        second = RabbitServer(epmd=first.epmd)
        second.cookie.chmod(0o600)
        second.cookie.write_text(first.cookie.read_text())
        second.cookie.chmod(0o400)
        with second:
            second.control("stop_app")
            second.control("join_cluster", first.node)
            second.control("start_app")
            yield first, second


@pytest.mark.worlds
def test_a_cluster_one_of_whose_nodes_goes(cluster: tuple[RabbitServer, RabbitServer], tmp_path: Path) -> None:
    first, second = cluster
    shop = Site(tmp_path / "site", first)
    shop.made.make()
    Making(second, "shop").queue("there")
    shop.made.queue("here")
    then = shop.dump()
    shop.made.queue("extra")
    Making(second, "shop").queue("far")
    assert "blocker" not in texts(shop.plan(then))
    second.kill()
    first.ask("timer:sleep(500), ok")
    now = shop.dump(job="2")
    assert b'"there"' in _content(now), "a durable queue of a node that is down is state all the same"
    plan = shop.plan(then)
    assert f"nodes of the cluster do not run: {second.node}" in str(plan)
    assert "the queue far does not answer, and would be deleted: start the node" in texts(plan)["blocker"]
    for discard in ("false", "true"):
        with_properties(shop, rabbitmqDiscardMessages=discard)
        assert "blocker" in texts(shop.plan(then))
        with pytest.raises(NotSafe, match="nothing was changed: the queue far does not answer"):
            swapped(shop, then, discard)
    assert shop.dump(job="3").digest == now.digest
    rows = [PutRow(section_of(QUEUES), (name,), None) for name in ("far", "extra")]
    look = shop.plugin.look_at_rows(shop.context(), rows)
    assert look.conflicts == {0: "the queue far does not answer, and would be deleted: start the node that it is on"}
    left = shop.plugin.put_back(shop.context("7"), rows, [row.digest for row in look.rows])
    assert list(left) == [0]
    shop.made.queue("extra")
    shop.made.no_queue("extra")
    again = shop.dump(job="4")
    shop.made.queue("more")
    restore(shop, again, "5")
    assert shop.dump(job="6").digest == again.digest, "what is on other nodes can be restored"


def _content(stored: object) -> bytes:
    with stored.open() as stream:  # type: ignore[attr-defined]
        return bytes(stream.read())


@pytest.mark.worlds
def test_a_partitioned_cluster_is_not_restored(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the node says then; two nodes that lose each other for minutes are not tried here."""
    then = shop.dump()
    ask = Server.ask

    def partitioned(self: Server, runner: object, *questions: object, **more: object) -> object:
        answers = ask(self, runner, *questions, **more)  # type: ignore[arg-type]
        return [
            (*one[:3], [b"other@host"], *one[4:]) if isinstance(one, tuple) and len(one) == 8 else one
            for one in answers
        ]

    monkeypatch.setattr(Server, "ask", partitioned)
    assert "the cluster is partitioned (from other@host)" in texts(shop.plan(then))["blocker"]
    assert shop.plugin.probe(shop.component, ProcessRunner()).broken


# Discovery.


def test_a_server_is_found_with_its_virtual_hosts(shop: Site) -> None:
    shop.made.queue("q")
    found = {
        one.component: one for one in discover.discover(ProcessRunner())
        if one.properties.get("rabbitmqNode") == shop.server.node
    }  # fmt: skip
    assert set(found) == {"%2F", "shop"}
    assert "1 queue; messages are no part of it" in found["shop"].detail
    expected = {name: value for name, value in shop.server.properties.items() if name != "rabbitmqUser"}
    assert {name: value for name, value in found["shop"].properties.items() if name != "rabbitmqUser"} == expected
    listed = shop.plugin.list_state(shop.component, ProcessRunner())
    assert {one.name for one in listed.all} == {"%2F", "shop"}


def test_the_shell_is_rabbitmqctls(shop: Site) -> None:
    argv, environment = shop.plugin.shell(shop.component)
    done = subprocess.run(
        [*argv[: argv.index("bash")], "/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "list_vhosts"], check=True,
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
    )  # fmt: skip
    assert "shop" in done.stdout


# Strangers.

GOOD = b'{"vhosts":[\n{"limits":{},"metadata":{}}\n]\n,"queues":[\n%s\n]\n}\n'
QUEUE = b'{"arguments":{},"auto_delete":false,"durable":true,"name":"q"}'


STRANGE = (
    b"", b"null", b"[]", b"{}", b'{"vhosts":[]}', b'{"vhosts":{}}', b"[" * 100_000, GOOD % b"", GOOD % b"null",
    GOOD % b"7", GOOD % QUEUE[:-1], GOOD % (QUEUE + b",\n" + QUEUE), GOOD.replace(b"{}", b'{"secret":"x"}') % QUEUE,
    (GOOD % QUEUE).replace(b"queues", b"global_parameters"), (GOOD % QUEUE)[:-2], (GOOD % QUEUE) + b"x",
    *(GOOD % QUEUE.replace(old, new) for old, new in (
        (b"true", b'"true"'), (b'"q"', b"7"), (b"{}", b"[]"), (b'"q"', b'"q","owner":"x"'), (b"{}", b'{"x":1e999}'),
        (b"{}", b'{"x":99999999999999999999}'), (b"{}", b'{"x":NaN}'), (b'"name":"q"', b'"name64":"!"'),
        (b'"arg', b'"arguments_exact":[["k","pid","x"]],"arg'), (b'"q"', b'"\\ud800"'),
        (b"{}", b"{" + b'"x":{' * 3000 + b"}" * 3000 + b"}"),
    )),
)  # fmt: skip


@pytest.mark.parametrize("content", STRANGE, ids=range(len(STRANGE)))
def test_what_is_not_ours_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(NotSafe) as raised:
        definitions.parse(io.BytesIO(content))
    assert len(raised.value.message) < 500


def test_what_is_ours_is_read() -> None:
    document = definitions.parse(io.BytesIO(GOOD % QUEUE))
    assert list(document.of["queue"]) == [(b"q",)]


def test_a_strangers_snapshot_is_dangerous(shop: Site) -> None:
    stored = shop.dump()
    ctx = shop.context(made_here=False)
    findings = shop.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity.value == "dangerous" and not one.in_place for one in findings)


NO_TERMS = (
    b"", b"\x83", b"\x83m\xff\xff\xff\xff", b"\x83l" + b"\x00\x00\x00\x05", b"\x00", b"\x83" + b"h\x01" * 5000,
    b"\x83t\x00\x00\x00\x01jj",
)  # fmt: skip


@pytest.mark.parametrize("data", NO_TERMS)
def test_an_answer_that_is_no_term(data: bytes) -> None:
    with pytest.raises(PluginError, match="cannot be read"):
        terms.decode(data)


def test_terms_come_back() -> None:
    term: object = [(b"a", terms.Atom("b"), 5, -(1 << 40), 1.5, []), {b"k": [300, 1 << 62]}, [1, 2, 3]]
    assert terms.decode(terms.encode(term)) == term
    assert contents.THIS


def test_where_none_runs_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to whoever has no cookie: only of a node that is seen it is said that root could ask it."""
    monkeypatch.setattr(psutil, "process_iter", list)
    monkeypatch.setattr(discover, "usual_node", lambda: "nobody@localhost")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setenv("HOME", "/nonexistent")
    assert list(discover.discover(ProcessRunner())) == []
