"""The conformance world of RabbitMQ: one virtual host of a server, read and changed by functions of RabbitMQ's own."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.rabbitmq.plugin import RabbitmqDefinitions
from dysnomia_plugins.types.rabbitmq.vhosts import encoded
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.rabbitmq.making import CHANGES, INITIAL, UPSTREAM, Making, fill, term
from tests.plugins.servers.rabbitmq import RabbitServer

WRITER = r"""
N = '%s', {ok, F} = file:open("%s", [append, raw]),
W = fun W(I) ->
    Name = list_to_binary("log-" ++ integer_to_list(I)),
    case catch rpc:call(N, rabbit_exchange, declare, [{resource, %s, exchange, Name}, fanout, true, false, false, [],
            <<"w">>]) of
        X when element(1, X) =:= exchange -> file:write(F, [integer_to_list(I), "\n"]);
        _ -> net_adm:ping(N)
    end,
    timer:sleep(20),
    W(I + 1)
end,
net_adm:ping(N), W(0).
"""
_numbers = itertools.count(1)


class RabbitWorld(World):
    """A virtual host of a server that goes on, with another one beside that nobody touches."""

    vhost = "shop%d"

    def __init__(self, folder: Path, server: RabbitServer) -> None:
        self.plugin = RabbitmqDefinitions()
        self.folder = folder
        self.server = server
        self.made = Making(server, self.vhost % next(_numbers) if "%d" in self.vhost else self.vhost)
        self.beside = Making(server, "beside")
        initial = folder / "component" / "rabbitmq-definitions"
        initial.mkdir(parents=True)
        (initial / "initial.json").write_text(INITIAL)
        server.clear()
        self.beside.make()
        self.beside.queue("untouched")
        self._was = self.beside.whole()
        name = encoded(self.made.vhost.encode() if isinstance(self.made.vhost, str) else self.made.vhost)
        assert name is not None
        properties = {**server.properties, "rabbitmqCopiesDir": str(folder / "copies"), **self.more()}
        self.component = Component(ComponentKey.of("rabbitmq", name), initial.parent, properties)

    def more(self) -> dict[str, str]:
        """Properties besides."""
        return {}

    def close(self) -> None:
        self.server.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _at(self, place: Place | None) -> Making:
        return self.made if place is None else Making(self.server, place.name)

    def seed(self) -> None:
        fill(self.made)

    def whole(self, place: Place | None = None) -> object:
        if place is None:
            assert self.beside.whole() == self._was
        return self._at(place).whole()

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.made, random)}"

    def touch(self) -> str:
        """What clients make for themselves, messages, passwords, a policy set again, a server started again."""
        self.made.queue("transient", durable=False)
        self.made.queue("client-auto", auto=True)
        self.made.exchange("client-x", durable=False)
        self.made.bind("client-x", "k", "q1")
        self.made.bind("shop", "k", "client-auto")
        self.made.publish("q2", 5)
        self.made.user("anna", "another password")
        self.made.policy("dead letters", {"dead-letter-exchange": "lines"}, "^q1")
        self.made.unbind("shop", "order.1", "q1")
        self.made.bind("shop", "order.1", "q1")
        self.server.stop()
        self.server.start()
        self.made.queue("transient", durable=False)
        return "transient queues, messages, another password, server started again"

    def grow(self, size: int) -> None:
        raise NotImplementedError("definitions are no masses of data: see test_conformance")

    def many_bindings(self, count: int) -> None:
        """Of the queue q1."""
        vhost = term(self.made.vhost)
        self.made.do(f"""
        Q = rabbit_misc:r({vhost}, queue, <<"q1">>), X = rabbit_misc:r({vhost}, exchange, <<"amq.direct">>),
        [ok = rabbit_binding:add({{binding, X, integer_to_binary(N), Q, []}}, <<"t">>) || N <- lists:seq(1, {count})],
        done""")

    def some_sections(self) -> tuple[str, ...]:
        return ("definitions:queues", "definitions:exchanges", "definitions:bindings")

    def part(self, place: Place | None = None) -> object:
        whole = self._at(place).whole()
        assert whole is not None
        return {name: whole[name] for name in ("queues", "exchanges", "bindings", "internal")}

    def spoil(self, place: Place) -> None:
        path = Path(place.name)
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b'"name":"q3"', b'"name":"q3x"', 1))
        else:
            self._at(place).queue("spoiled")

    def lose(self) -> Sequence[RowsAsked]:
        """A queue goes with its binding, another is declared anew without it; an exchange comes, with a binding."""
        made, number = self.made, next(_numbers) + 100
        came = f"came{number}"
        made.no_queue("q5")
        made.no_queue("q6")
        made.queue("q6", f'[{{<<"x-max-length">>, signedint, {number}}}]')
        made.policy("dead letters", {"dead-letter-exchange": "lines"}, "^q1", number)
        made.exchange(came)
        made.bind(came, "k", "q7")
        made.forbid("anna")
        made.parameter("federation-upstream", "away", {**UPSTREAM, "expires": number})
        return [
            RowsAsked("definitions:queues", (("q5",),), texts=("q6",)),
            RowsAsked("definitions:policies", (("dead letters",),)),
            RowsAsked("definitions:exchanges", ((came,),)),
            RowsAsked("definitions:permissions", lacking=True),
            RowsAsked("definitions:parameters", (("federation-upstream", "away"),)),
        ]

    def writer(self, log: Path) -> Writer:
        program = WRITER % (self.server.node, log, term(self.made.vhost))
        return ProgramWriter(log, self.server.erl("-noinput", "-eval", program), env=self.server.environment)

    def written(self, place: Place | None = None) -> set[int]:
        whole = self._at(place).whole()
        assert whole is not None
        names = (json.loads(line)["name"] for line in whole["exchanges"])
        return {int(name[4:]) for name in names if name.startswith("log-")}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.ask("rabbit:stop(), ok")
        try:
            yield
        finally:
            self.server.ask("rabbit:start(), rabbit:await_startup(), ok")
