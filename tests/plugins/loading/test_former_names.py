"""Plugins written for the version before: their methods are called by the names of then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Context, Plugin
from dysnomia_store.names import ComponentKey

with pytest.warns(DeprecationWarning, match="is called"):

    class Written(Plugin):
        """As one was written for version 0.2."""

        type = "written"
        title = "written before"
        calls: list[str]

        def activate(self, ctx: Context) -> None:
            return

        def deactivate(self, ctx: Context) -> None:
            return

        def take_back(self, ctx: Context) -> None:
            super().take_back(ctx)
            self.calls.append("taken back")

        def whereabouts(self, component: Component) -> tuple[str, ...]:
            return ("here", *super().whereabouts(component))


class Now(Written):
    """As one is written today, on top of the former."""

    def location(self, component: Component) -> tuple[str, ...]:
        return ("now", *super().location(component))


def component(properties: Mapping[str, str]) -> Component:
    return Component(ComponentKey.of("c", "k"), Path("/nowhere"), properties)


@pytest.mark.parametrize("name", ["location", "whereabouts"])
def test_both_names_lead_to_what_the_plugin_has(name: str) -> None:
    plugin = Written()
    assert getattr(plugin, name)(component({"a": "b"})) == ("here", "k", "a=b")
    assert getattr(Now(), name)(component({})) == ("now", "here", "k")


@pytest.mark.parametrize("name", ["rollback_activation", "take_back"])
def test_what_takes_an_activation_back_is_called(name: str) -> None:
    plugin = Written()
    plugin.calls = []
    getattr(plugin, name)(None)
    assert plugin.calls == ["taken back"]
