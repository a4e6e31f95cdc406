"""Patterns that are compiled later: as if they had been compiled at once."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest

import dysnomia_base
import dysnomia_plugins
import dysnomia_store
import dysnomia_tui.config
import dysnomia_tui.engine
from dysnomia_base import patterns
from dysnomia_base.patterns import pattern

PACKAGES = (dysnomia_base, dysnomia_store, dysnomia_plugins, dysnomia_tui.config, dysnomia_tui.engine)


def test_every_one_of_ours_compiles() -> None:
    compiled = []
    for package in PACKAGES:
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            values: list[Any] = [value for value in vars(module).values() if isinstance(value, patterns._Later)]
            compiled += [re.compile(value.pattern, value.flags & ~re.UNICODE) for value in values]
    assert len(compiled) > 10


def test_it_does_what_a_pattern_does() -> None:
    words = pattern(r"(?P<first>[a-z])[0-9]+", re.IGNORECASE)
    now = re.compile(r"(?P<first>[a-z])[0-9]+", re.IGNORECASE)
    for text in ("A12 b3", "", "none"):
        assert words.findall(text) == now.findall(text)
        assert words.sub("x", text) == now.sub("x", text)
    match = words.fullmatch("Q9")
    assert match is not None
    assert match["first"] == "Q"
    assert (words.pattern, words.flags) == (now.pattern, now.flags)
    assert pattern(rb"\d+").search(b"ab12") is not None


def test_one_that_is_wrong_is_so_at_its_first_use() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("")
