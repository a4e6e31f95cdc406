"""A property of a container that is most likely a slip is named; what a type does not know for a reason is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dysnomia_plugins.loading.misspelt import misspelt
from dysnomia_plugins.loading.registry import Registry
from tests.unit.engine.machine import ORDERS, EngineFixture, make_machine

SERVER = ("postgresqlPort", "postgresqlUsername", "postgresqlRuntimeDir", "postgresqlHost")
TABLE = Path(__file__).parents[3] / "docs" / "configuration.md"
NO_PROPERTIES = {"readWrite", "dbAdmin"}
"""Words of that page that are roles of MongoDB."""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgresqlPrt", "postgresqlPort"),
        ("PostgreSQLPort", "postgresqlPort"),
        ("postgresqlUser", "postgresqlUsername"),
        ("postgresqlRuntimeDri", "postgresqlRuntimeDir"),
        ("exept", "except"),
    ],
)
def test_a_slip_is_known_by_what_is_meant(written: str, meant: str) -> None:
    names = ["type", "postgresqlPassword", written]
    assert list(misspelt(names, [*SERVER, "postgresqlPassword"])) == [(written, meant)]


@pytest.mark.parametrize("name", ["deployedBy", "port", "postgresqlHome", "postgresqlVersion", "targetHost"])
def test_what_only_the_operator_knows_is_none(name: str) -> None:
    assert not list(misspelt(["type", name], SERVER))


def test_what_is_set_beside_it_is_not_meant() -> None:
    assert not list(misspelt(["postgresqlPort", "postgresqlPort2"], SERVER))
    assert list(misspelt(["postgresqlPort2"], SERVER)) == [("postgresqlPort2", "postgresqlPort")]


def test_of_a_type_that_does_not_say_what_it_reads_nothing_is_suspected() -> None:
    assert not list(misspelt(["postgresqlPrt", "exept"], ()))


def test_a_slip_is_an_alarm_and_a_warning_of_each_plan(tmp_path: Path) -> None:
    machine: EngineFixture = make_machine(tmp_path)
    file = machine.root / "containers" / ORDERS.container
    file.write_text(file.read_text() + "sqliteLockTimout=3\nowner=shop\n")
    engine = machine.engine()
    text = f"{file}: sqlite-database has no property sqliteLockTimout, so it is ignored: is sqliteLockTimeout meant?"
    assert text in [alarm.text for alarm in engine.overview().alarms]
    assert engine.plan_snapshot([ORDERS]).warnings == (text,)
    assert text in engine.plan_activity(ORDERS, "deactivate").warnings
    assert not engine.plan_snapshot([ORDERS]).blockers


def test_each_type_names_what_is_documented_of_it() -> None:
    registry = Registry(())
    checked = []
    for line in TABLE.read_text().splitlines():
        cells = line.split(" | ")
        types = re.findall(r"`([a-z0-9-]+)`", cells[0])
        if len(cells) != 3 or not types or types[0] not in registry.types():
            continue
        words = {word for word in re.findall(r"`([a-zA-Z]+)`", cells[2]) if re.search("[a-z][A-Z]", word)}
        for name in types:
            names = registry.get(name).property_names
            assert not names or words - NO_PROPERTIES <= set(names), name
            checked += [name] if names else []
    assert len(checked) > 20
