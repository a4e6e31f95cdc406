"""Plugins as they were written for versions 0.1 and 0.2, byte for byte: loaded by their entry points and used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dysnomia_plugins.base import Component, Plugin, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.registry import GROUP, Registry
from dysnomia_store.names import ComponentKey
from tests.examples.test_textfile import TextWorld
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World

FORMER = Path(__file__).parents[2] / "fixtures" / "plugins"
MODULES = ("dysnomia_plugins.context", "dysnomia_plugins.exchanged", "dysnomia_plugins.status")


def load(name: str, value: str) -> Plugin:
    return Registry(installed=[EntryPoint(name, value, GROUP)]).get(name)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The former plugins are on the path, and what they import is imported anew, so that it warns."""
    monkeypatch.syspath_prepend(str(FORMER))
    for name in (*MODULES, *(path.stem for path in FORMER.glob("*.py"))):
        monkeypatch.delitem(sys.modules, name, raising=False)
        package, _, last = name.rpartition(".")
        if package:  # ``from dysnomia_plugins import context`` takes the attribute, where another test imported it
            monkeypatch.delattr(sys.modules[package], last, raising=False)
    yield
    for path in FORMER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("module", ["textfile_0_1", "textfile_0_2"])
def test_the_example_of_the_guide_snapshots_restores_and_undoes(module: str, tmp_path: Path) -> None:
    with TextWorld(tmp_path / "world") as world:
        plugin = load("text-file", f"{module}:TextFile")
        assert isinstance(plugin, StatePlugin)
        world.plugin = plugin
        driver = Driver(world, tmp_path / "driver")
        driver.activity("activate")
        initial = world.whole()
        first = driver.snapshot().generation
        world.live.write_bytes(b"# changed\nroses are red\n")
        changed = world.whole()
        restored = driver.restore(first.number)
        assert world.whole() == initial
        assert restored.guard is not None
        driver.restore(restored.guard.number)
        assert world.whole() == changed
        assert world.plugin.location(world.component) == ("poem", f"folder={world.live.parent}")
        driver.activity("deactivate")
        driver.activity("collect-garbage")
        assert world.whole() is None


def flag_world(folder: Path, plugin: Plugin) -> World:
    """A component of the stateless type: as much of a world as driving its activation takes."""
    component = Component(ComponentKey("flags", "red"), folder, {"folder": str(folder)})
    return cast(World, SimpleNamespace(plugin=plugin, component=component, belongs_to=lambda _store: None))


def test_a_stateless_type_is_taken_back_and_located_by_its_former_names(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="version 0.4") as warned:
        plugin = load("flag", "flag_0_2:Flag")
    texts = [str(warning.message) for warning in warned if warning.category is DeprecationWarning]
    for name in ("take_back", "whereabouts", "dysnomia_plugins.context", "dysnomia_plugins.exchanged"):
        assert any(name in text and "version 0.4" in text for text in texts), name
    world = flag_world(tmp_path, plugin)
    driver = Driver(world, tmp_path / "driver")
    driver.activity("activate")
    assert (tmp_path / "red").exists()
    driver.activity("deactivate")
    world.component = replace(world.component, properties={**world.component.properties, "refuse": "1"})
    with pytest.raises(PluginError, match="the flag is refused"):
        driver.activity("activate")
    assert not (tmp_path / "red").exists(), "take_back was not called"
    assert plugin.location(world.component) == (str(tmp_path / "red"),)


def test_former_modules_have_what_they_had() -> None:
    with pytest.warns(DeprecationWarning, match="import from dysnomia_plugins.base"):
        from dysnomia_plugins import context, exchanged, status
    assert {"CancelToken", "Component", "Context", "Journal", "Progress", "Runner", "single"} <= set(dir(context))
    assert {"Draft", "Dumped", "Finding", "Found", "Place", "Probe", "Purpose", "Row", "Stored"} <= set(dir(exchanged))
    assert "Status" in dir(status)
