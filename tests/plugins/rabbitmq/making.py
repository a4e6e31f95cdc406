"""Definitions made and changed by functions of RabbitMQ's own, and every kind of single change to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.plugins.servers.rabbitmq import RabbitServer


def term(data: bytes | str) -> str:
    """A binary, as Erlang source."""
    raw = data.encode() if isinstance(data, str) else data
    return f"<<{','.join(map(str, raw))}>>"


def atom(value: bool) -> str:
    return "true" if value else "false"


class Making:
    """One virtual host of a server."""

    def __init__(self, server: RabbitServer, vhost: str | bytes) -> None:
        self.server = server
        self.vhost = vhost
        self._v = term(vhost)

    def do(self, expression: str) -> bytes:
        told = self.server.ask(expression)
        assert not told.startswith(b"{error"), (expression, told)
        return told

    def make(self) -> None:
        self.do(f'rabbit_vhost:add({self._v}, <<"a shop">>, [shop, test], <<"t">>)')

    def exists(self) -> bool:
        return self.server.ask(f"rabbit_vhost:exists({self._v})") == b"true"

    def delete(self) -> None:
        self.do(f'rabbit_vhost:delete({self._v}, <<"t">>)')

    def _r(self, kind: str, name: str | bytes) -> str:
        return f"rabbit_misc:r({self._v}, {kind}, {term(name)})"

    def queue(
        self, name: str | bytes, arguments: str = "[]", *, durable: bool = True, auto: bool = False, owner: str = "none"
    ) -> None:
        which = self._r("queue", name)
        self.do(f'rabbit_amqqueue:declare({which}, {atom(durable)}, {atom(auto)}, {arguments}, {owner}, <<"t">>)')

    def no_queue(self, name: str | bytes) -> None:
        self.do(f'{{ok, Q}} = rabbit_amqqueue:lookup({self._r("queue", name)}),'
                ' rabbit_amqqueue:delete(Q, false, false, <<"t">>)')  # fmt: skip

    def exchange(
        self, name: str | bytes, kind: str = "topic", arguments: str = "[]", *, internal: bool = False,
        durable: bool = True, auto: bool = False,
    ) -> None:  # fmt: skip
        self.do(f'rabbit_exchange:declare({self._r("exchange", name)}, \'{kind}\', {atom(durable)}, {atom(auto)},'
                f' {atom(internal)}, {arguments}, <<"t">>)')  # fmt: skip

    def no_exchange(self, name: str | bytes) -> None:
        self.do(f'rabbit_exchange:delete({self._r("exchange", name)}, false, <<"t">>)')

    def _binding(
        self, source: str | bytes, key: str | bytes, name: str | bytes, arguments: str = "[]", kind: str = "queue"
    ) -> str:
        return f"{{binding, {self._r('exchange', source)}, {term(key)}, {self._r(kind, name)}, {arguments}}}"

    def bind(self, *what: Any, **more: Any) -> None:
        self.do(f'ok = rabbit_binding:add({self._binding(*what, **more)}, <<"t">>)')

    def unbind(self, *what: Any, **more: Any) -> None:
        self.do(f'ok = rabbit_binding:remove({self._binding(*what, **more)}, <<"t">>)')

    def policy(
        self, name: str, definition: Mapping[str, Any], pattern: str = "^q", priority: int = 0,
        apply_to: str = "queues", *, operator: bool = False,
    ) -> None:  # fmt: skip
        function = "parse_set_op" if operator else "parse_set"
        self.do(f'ok = rabbit_policy:{function}({self._v}, {term(name)}, {term(pattern)},'
                f' {term(json.dumps(definition))}, {priority}, {term(apply_to)}, <<"t">>)')  # fmt: skip

    def no_policy(self, name: str, *, operator: bool = False) -> None:
        self.do(f'rabbit_policy:{"delete_op" if operator else "delete"}({self._v}, {term(name)}, <<"t">>)')

    def parameter(self, component: str, name: str, value: Any) -> None:
        self.do(f"ok = rabbit_runtime_parameters:parse_set({self._v}, {term(component)}, {term(name)},"
                f" {term(json.dumps(value))}, none)")  # fmt: skip

    def user(self, name: str, password: str = "secret of one", tags: str = "[]") -> None:
        self.do(f'rabbit_auth_backend_internal:put_user(#{{name => {term(name)}, password => {term(password)},'
                f' tags => {tags}}}, <<"t">>)')  # fmt: skip

    def no_user(self, name: str) -> None:
        self.do(f'rabbit_auth_backend_internal:delete_user({term(name)}, <<"t">>)')

    def permit(self, user: str, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        self.do(f'ok = rabbit_auth_backend_internal:set_permissions({term(user)}, {self._v}, {term(configure)},'
                f' {term(write)}, {term(read)}, <<"t">>)')  # fmt: skip

    def forbid(self, user: str) -> None:
        self.do(f'ok = rabbit_auth_backend_internal:clear_permissions({term(user)}, {self._v}, <<"t">>)')

    def permit_topic(self, user: str, exchange: str, write: str, read: str) -> None:
        self.do(f'ok = rabbit_auth_backend_internal:set_topic_permissions({term(user)}, {self._v}, {term(exchange)},'
                f' {term(write)}, {term(read)}, <<"t">>)')  # fmt: skip

    def limits(self, limits: Mapping[str, int]) -> None:
        self.do(f'ok = rabbit_vhost_limit:parse_set({self._v}, {term(json.dumps(limits))}, <<"t">>)')

    def describe(self, text: str) -> None:
        self.do(f'ok = rabbit_vhost:put_vhost({self._v}, {term(text)}, <<"shop,test">>, undefined, <<"t">>)')

    # Messages.

    def publish(self, queue: str | bytes, count: int = 1, exchange: str = "") -> None:
        """Persistent ones, through an exchange as clients do, each acknowledged by its queue."""
        self.do(f"""
        X = rabbit_misc:r({self._v}, exchange, {term(exchange)}),
        Props = {{'P_basic',undefined,undefined,undefined,2,undefined,undefined,undefined,undefined,undefined,undefined,
                 undefined,undefined,undefined,undefined}},
        [rabbit_basic:publish(X, {term(queue)}, Props, <<"body">>) || _ <- lists:seq(1, {count})]""")

    def depth(self, queue: str | bytes) -> int:
        return int(self.do(f"{{ok, Q}} = rabbit_amqqueue:lookup({self._r('queue', queue)}),"
                           " [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), N"))  # fmt: skip

    # Reading.

    def whole(self) -> dict[str, list[str]] | None:
        """What the server's own export has of it, and the internal exchanges, which that leaves out."""
        name = self.vhost if isinstance(self.vhost, str) else self.vhost.decode()
        made: dict[str, list[str]] = {}
        for group, ones in self.server.export().items():
            mine = [one for one in ones if one.get("vhost", one["name"] if group == "vhosts" else None) == name]
            mine = [one for one in mine if one.get("durable", True) and not one.get("auto_delete", False)]
            if group == "bindings":
                mine = [one for one in mine if "client" not in (one["source"] + one["destination"])]
            drop = {"vhost", "name"} if group == "vhosts" else {"vhost"}
            made[group] = sorted(
                json.dumps({key: one[key] for key in one if key not in drop}, sort_keys=True) for one in mine
            )
        if not made["vhosts"]:
            return None
        made["internal"] = sorted(self.server.ask(
            f"iolist_to_binary(lists:join(<<10>>, [io_lib:format(\"~p ~p ~p\", [element(4, N), T, A]) || X <-"
            f" rabbit_exchange:list({self._v}), [{{name, N}}, {{type, T}}, {{internal, true}}, {{durable, true}},"
            " {arguments, A}] <- [rabbit_exchange:info(X, [name, type, internal, durable, arguments])]]))"
        ).decode().split("\n"))  # fmt: skip
        return made


UPSTREAM = {"uri": "amqp://mover:upstream-secret@192.0.2.9/%2f", "expires": 3600000}


def fill(made: Making) -> None:
    """One of everything."""
    made.make()
    for name in ("anna", "berta"):
        made.user(name)
    made.permit("anna")
    made.permit("berta", "^$", "^shop", ".*")
    made.permit_topic("berta", "shop", "^order\\.", ".*")
    made.exchange("shop")
    made.exchange("lines", "headers", '[{<<"alternate-exchange">>, longstr, <<"shop">>}]')
    made.exchange("inner", "fanout", internal=True)
    made.exchange('ünï "quoted"\n-x', "direct")
    for number in range(20):
        made.queue(f"q{number}")
        made.bind("shop", f"order.{number}", f"q{number}")
    made.queue("limited", '[{<<"x-max-length">>, signedint, 1000}, {<<"x-message-ttl">>, long, 86400000}]')
    made.queue("ranked", '[{<<"x-max-priority">>, byte, 5}]')
    made.queue('-dash "q"\n✓', '[{<<"x-queue-mode">>, longstr, <<"lazy">>}]')
    made.bind("lines", "", "limited", '[{<<"x-match">>, longstr, <<"all">>}, {<<"n">>, signedint, 1}]')
    made.bind("shop", "#", "inner", kind="exchange")
    made.bind("amq.topic", "a.*", "ranked")
    made.bind('ünï "quoted"\n-x', "kéy", '-dash "q"\n✓')
    made.policy("dead letters", {"dead-letter-exchange": "lines"}, "^q1")
    made.policy("all", {"queue-mode": "lazy", "message-ttl": 999999999}, ".*", -1)
    made.policy("operators", {"max-length": 100000}, "^q", operator=True)
    made.parameter("federation-upstream", "away", UPSTREAM)
    made.limits({"max-connections": 500, "max-queues": 10000})


INITIAL = (
    '{"vhosts":[{"limits":{},"metadata":{"description":"initial","tags":[]}}],\n'
    '"queues":[{"name":"first","durable":true,"auto_delete":false,"arguments":{"x-max-length":7}}],\n'
    '"exchanges":[{"name":"in","type":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":{}}],\n'
    '"bindings":[{"source":"in","destination":"first","destination_type":"queue","routing_key":"#","arguments":{}}]}\n'
)


def _queues(made: Making) -> list[str]:
    whole = made.whole()
    assert whole is not None
    names = sorted(json.loads(line)["name"] for line in whole["queues"])
    mine = [name for name in names if name.startswith("q")]
    if len(mine) < 3:
        for _ in range(4):
            made.queue(f"q{len(names)}again{_}")
        return _queues(made)
    return mine


def _new(random: Random) -> str:
    return f"{random.getrandbits(50)}"


def _queue_goes(made: Making, random: Random) -> str:
    name = random.choice(_queues(made))
    made.no_queue(name)
    return name


def _queue_differs(made: Making, random: Random) -> str:
    name = random.choice(_queues(made))
    made.no_queue(name)
    made.queue(name, f'[{{<<"x-max-length">>, signedint, {random.getrandbits(30)}}}]')
    return name


def _exchange_differs(made: Making, random: Random) -> str:
    whole = made.whole()
    assert whole is not None
    mine = next(one for one in map(json.loads, whole["exchanges"]) if one["name"] == "shop")
    kind = "fanout" if mine["type"] == "topic" else "topic"
    made.no_exchange("shop")
    made.exchange("shop", kind)
    return kind


def _exchange_arguments(made: Making, random: Random) -> str:
    made.no_exchange("lines")
    made.exchange("lines", "headers", f'[{{<<"alternate-exchange">>, longstr, {term(_new(random))}}}]')
    return "lines"


def _binding_goes(made: Making, random: Random) -> str:
    key, name = _new(random), random.choice(_queues(made))
    made.bind("amq.direct", key, name)
    made.bind("amq.direct", "other" + key, name)
    made.unbind("amq.direct", key, name)
    return key


def _permission_goes(made: Making, random: Random) -> str:
    name = "u" + _new(random)
    made.user(name)
    made.permit(name)
    made.permit("anna", "^" + name)
    return name


CHANGES: Mapping[str, Callable[[Making, Random], Any]] = {
    "a new queue": lambda made, random: made.queue("q" + _new(random)),
    "a queue that goes": _queue_goes,
    "a queue with other arguments": _queue_differs,
    "a new exchange": lambda made, random: made.exchange("x" + _new(random), random.choice(["topic", "fanout"])),
    "an exchange of another type": _exchange_differs,
    "an exchange with other arguments": _exchange_arguments,
    "an internal exchange": lambda made, random: made.exchange("i" + _new(random), internal=True),
    "a new binding": lambda made, random: made.bind("amq.topic", _new(random), random.choice(_queues(made))),
    "bindings that come and go": _binding_goes,
    "a binding with arguments": lambda made, random: made.bind(
        "amq.headers", "", random.choice(_queues(made)), f'[{{<<"a">>, signedint, {random.getrandbits(30)}}}]'
    ),
    "a binding of exchanges": lambda made, random: made.bind("amq.topic", _new(random), "inner", kind="exchange"),
    "a policy": lambda made, random: made.policy("all", {"message-ttl": 10**9 + random.getrandbits(20)}, ".*", -1),
    "a new policy": lambda made, random: made.policy("p" + _new(random), {"queue-mode": "lazy"}, "^none"),
    "a policy's priority": lambda made, random: made.policy(
        "dead letters", {"dead-letter-exchange": "lines"}, "^q1", random.getrandbits(20) + 1
    ),
    "an operator's policy": lambda made, random: made.policy(
        "operators", {"max-length": 100001 + random.getrandbits(20)}, operator=True
    ),
    "a permission": lambda made, random: made.permit("berta", "^" + _new(random)),
    "a user with permissions": _permission_goes,
    "a topic permission": lambda made, random: made.permit_topic("anna", "shop", "^" + _new(random), ".*"),
    "limits": lambda made, random: made.limits({"max-connections": 501 + random.getrandbits(20)}),
    "a description": lambda made, random: made.describe("shop " + _new(random)),
    "a parameter": lambda made, random: made.parameter(
        "federation-upstream", "away", {**UPSTREAM, "expires": 1 + random.getrandbits(30)}
    ),
}
