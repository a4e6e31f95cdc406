"""Values of a container's file that bash computes: what they know, and which of them a plan rests on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Stale
from dysnomia_tui.engine.machine.inventory import read_container, read_inventory
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import DOCS, ORDERS, EngineFixture


def test_the_variables_of_dysnomias_script_have_their_values(tmp_path: Path) -> None:
    """As seen in Dysnomia 0.10.2, which evaluates each line within that script."""
    for folder in ("containers", "components/box/one", "components/box/two"):
        (tmp_path / folder).mkdir(parents=True)
    path = tmp_path / "containers" / "box"
    path.write_text('dir=/srv/$component\nlabel="${container}-$type"\nfile=$containerConfig\ntype=fileset\nplain=x\n')
    inventory = read_inventory([tmp_path / "containers"], [tmp_path / "components"])
    for component in ("one", "two"):
        assert dict(inventory.component(ComponentKey("box", component)).properties) == {
            "dir": f"/srv/{component}", "label": "box-fileset", "file": str(path), "type": "fileset", "plain": "x",
        }  # fmt: skip
    container = inventory.container("box")
    assert container.by_component
    assert container.computed == {"dir", "label", "file"}


@pytest.mark.parametrize("name", ["operation", "module", "componentFile"])
def test_what_differs_from_call_to_call_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "box"
    path.write_text(f"type=fileset\na=x${name}\n")
    container = read_container(path, "box")
    assert container.unread
    assert f"line 2: {name}: ${name} has another value with each activity: write the value itself" in container.problem


def test_a_file_without_anything_to_compute_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_text("type=fileset\na='$component'\n")
    container = read_container(path, "box")
    assert (container.computed, container.by_component) == (frozenset(), False)
    assert container.properties_for("one") is container.properties


def test_two_components_of_one_container_have_their_own_folders(machine: EngineFixture, engine: Engine) -> None:
    other = ComponentKey("files", "pictures")
    (machine.root / "components" / "files" / "pictures").mkdir()
    (machine.root / "components" / "files" / "pictures" / ".dysnomia-fileset").write_text("mkdir .\n")
    container = machine.root / "containers" / "files"
    container.write_text(f"type=fileset\ntargetDir={machine.root}/of/$component\n")
    (machine.root / "components" / "files" / "docs" / ".dysnomia-fileset").write_text("mkdir .\n")
    (machine.root / "of").mkdir()
    assert machine.run(engine, engine.plan_activity(DOCS, "activate")).state is JobState.DONE
    assert machine.run(engine, engine.plan_activity(other, "activate")).state is JobState.DONE
    assert sorted(path.name for path in (machine.root / "of").iterdir()) == ["docs", "pictures"]


def test_a_value_that_is_another_each_time_makes_no_plan_stale(machine: EngineFixture, engine: Engine) -> None:
    """As ``$(date)``, or the memory that is free."""
    container = machine.root / "containers" / "sqlite"
    container.write_text(f"{container.read_text()}seconds=$(date +%s)\nany=$RANDOM\n")
    plan = engine.plan_snapshot([ORDERS])
    assert machine.run(machine.engine(), plan).state is JobState.DONE


def test_one_that_stays_and_is_another_than_it_was_does(machine: EngineFixture, engine: Engine) -> None:
    container, source = machine.root / "containers" / "sqlite", machine.root / "source"
    source.write_text("one")
    container.write_text(f"{container.read_text()}extra=$(cat {source})\n")
    plan = engine.plan_snapshot([ORDERS])
    source.write_text("two")
    with pytest.raises(Stale, match="the container's property extra has another value for sqlite/orders now"):
        machine.engine().submit(plan)
