"""Snapshot and restore of 5,000 definitions of a RabbitMQ, against rabbitmqctl's own export and import.

Each of its commands starts an Erlang node, and so does each of ours that asks the server: that is what both pay for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.rabbitmq.plugin import RabbitmqDefinitions
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, timed
from tests.plugins.rabbitmq.making import Making, term
from tests.plugins.servers.rabbitmq import RabbitServer

QUEUES, BINDINGS, EXCHANGES = 500, 4_000, 500
NAME, AGAIN = "bench", "again"


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    folder.chmod(0o755)
    server = RabbitServer()
    try:
        server.start()
        _fill(Making(server, NAME))
        return _measure(server, folder)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(made: Making) -> None:
    made.make()
    vhost = term(made.vhost)
    made.do(f"""
    R = fun(T, P, N) -> rabbit_misc:r({vhost}, T, list_to_binary(P ++ integer_to_list(N))) end,
    [rabbit_exchange:declare(R(exchange, "x", N), topic, true, false, false, [], <<"t">>)
        || N <- lists:seq(1, {EXCHANGES})],
    [rabbit_amqqueue:declare(R(queue, "q", N), true, false, [], none, <<"t">>) || N <- lists:seq(1, {QUEUES})],
    [ok = rabbit_binding:add({{binding, R(exchange, "x", N rem {EXCHANGES} + 1), integer_to_binary(N),
        R(queue, "q", N rem {QUEUES} + 1), []}}, <<"t">>) || N <- lists:seq(1, {BINDINGS})], done""")


def _measure(server: RabbitServer, folder: Path) -> Sequence[Figure]:
    properties = {**server.properties, "rabbitmqCopiesDir": str(folder / "copies")}
    work = Alone(folder, RabbitmqDefinitions(), Component(ComponentKey.of("rabbitmq", NAME), folder / "c", properties))
    exported = folder / "exported"
    exported.mkdir()
    shutil.chown(exported, server.properties["rabbitmqUser"])
    own, again = exported / "own.json", exported / "again.json"

    def own_dump() -> float:
        own.unlink(missing_ok=True)
        taken = timed(lambda: server.control("export_definitions", str(own)))
        return taken + timed(lambda: subprocess.run(["zstd", "-qf", "-T2", "-3", str(own)], check=True))

    def own_load() -> float:
        again.write_text(json.dumps(_renamed(json.loads(own.read_text()))))
        again.chmod(0o644)
        taken = timed(lambda: server.control("import_definitions", str(again)))
        Making(server, AGAIN).delete()
        return taken

    ours, theirs = in_turns(work.snapshot, own_dump)
    what = f"{QUEUES + BINDINGS + EXCHANGES:,} definitions"
    figures = [ratio(f"snapshot, RabbitMQ, {what}", ours, "rabbitmqctl export_definitions, zstd", theirs, 1.25)]
    ours, theirs = in_turns(lambda: work.copy("copy"), own_load)
    return [*figures, ratio("copy, same, and compared", ours, "rabbitmqctl import_definitions", theirs, 1.25)]


def _renamed(groups: dict[str, object]) -> dict[str, object]:
    """An export, of another virtual host."""
    made: dict[str, object] = {}
    for group, ones in groups.items():
        if isinstance(ones, list):
            kept = [one for one in ones if NAME in (one.get("vhost"), one.get("name") if group == "vhosts" else "")]
            made[group] = [{**one, **({"name": AGAIN} if group == "vhosts" else {"vhost": AGAIN})} for one in kept]
    return made


PARTS = (Part("rabbitmq", measure, order=20, by_name=True),)
