"""A container as its components tell of it together, and one component as its type tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.probing import child as answer
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import Health
from dysnomia_tui.engine.redact import Redactor
from tests.unit.engine.machine import ORDERS, EngineFixture

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Talking(Plugin):
    """A type without state that tells much."""

    type = "talking"
    title = "talking"

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    def activate(self, ctx: Context) -> None:
        return None

    deactivate = activate

    def status(self, component: Component, runner: Runner) -> Status:
        if self.fails:
            raise PluginError(self.fails)
        return Status(
            "active",
            Tone.GOOD,
            (Fact("main, pid 4", SINCE, 12_000_000, Tone.GOOD),),
            (Fact("pw hunter22", SINCE),),
            "log",
        )


def together(*probes: Probe) -> Probe:
    return answer.together([(f"c{number}", probe) for number, probe in enumerate(probes)], len(probes))


def test_a_container_is_as_large_as_its_components_and_has_the_clients_of_all() -> None:
    said = together(Probe(True, "15", 10, 2, ("web", "cron")), Probe(True, "15", 5, 1, ("job",)))
    assert said == Probe(True, "15", 15, 3, ("c0: web", "c0: cron", "c1: job"))


def test_a_component_that_is_not_there_does_not_make_its_server_down() -> None:
    said = together(Probe(False, detail="there is no file"), Probe(True, "3", 5))
    assert (said.up, said.version, said.size, said.detail) == (True, "3", 5, "c0: there is no file")


def test_what_all_say_is_said_once() -> None:
    down = Probe(False, detail="connection refused")
    assert together(down, down, down) == down
    assert answer.together([], 0).up is False


def test_one_component_alone_is_the_container() -> None:
    probe = Probe(True, "7", 10, 1, ("me",), "slow disk")
    assert together(probe) == probe


def test_when_the_time_is_up_the_rest_is_not_asked() -> None:
    up = Probe(True, "1", 10)
    said = answer.asked([("a", lambda: up), ("b", lambda: up)], seconds=-1)
    assert said == [("a", up)]
    assert answer.together(said, 5).detail == "size and clients are those of the first 1 of 5 components"


def asked(plugin: Plugin) -> tuple[list[Fact], list[Fact]]:
    """Facts and log of a plugin's status, as they come out at the other end."""
    component = Component(ComponentKey("box", "c"), Path("/"), {})
    said = json.loads(json.dumps(answer._condition(plugin, component, ProcessRunner(), Redactor(("hunter22",)))))
    return [probes._fact(one) for one in said["status"]["facts"]], [probes._fact(one) for one in said["status"]["log"]]


def test_times_and_sizes_survive_the_way_and_secrets_do_not() -> None:
    facts, (line,) = asked(Talking())
    assert facts == [Fact("main, pid 4", SINCE, 12_000_000, Tone.GOOD)]
    assert "hunter22" not in line.text


def test_a_type_that_fails_to_tell_says_why() -> None:
    assert asked(Talking("no such unit")) == ([Fact("no such unit", tone=Tone.BAD)], [])


def test_a_component_without_state_says_why_there_is_nothing_to_keep(machine: EngineFixture, engine: Engine) -> None:
    (machine.root / "containers" / "echo").write_text("type=echo\n")
    (machine.root / "components" / "echo").mkdir()
    (machine.root / "components" / "echo" / "one").touch()
    views = {view.key: view for container in engine.overview().containers for view in container.components}
    one = views[ComponentKey("echo", "one")]
    assert one.stateless == "it does nothing, so there is nothing to keep"
    assert one.health is Health.INACTIVE
    assert views[ORDERS].stateless == ""
