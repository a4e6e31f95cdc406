"""Screens, widgets and helpers know the app by the Protocol alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.app import App
from textual.widget import Widget

import dysnomia_tui.app
from dysnomia_tui.app.services import services_of

APP = Path(dysnomia_tui.app.__file__).parent


def test_nothing_but_the_app_names_its_class_or_imports_it() -> None:
    sources = {path.relative_to(APP): path.read_text("utf-8") for path in APP.rglob("*.py") if path.name != "app.py"}
    assert len(sources) > 50
    named = [str(path) for path, text in sources.items() if re.search(r"DysnomiaApp|dysnomia_tui\.app\.app\b", text)]
    assert named == []


async def test_what_is_in_another_app_has_no_services() -> None:
    app: App[None] = App()
    async with app.run_test():
        await app.mount(widget := Widget())
        with pytest.raises(TypeError, match="no app that has services"):
            services_of(widget)
