"""The table of applications, ``applications.toml`` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from dysnomia_base.shapes import convert
from dysnomia_tui.engine.applications.model import Entry

TABLE = Path(__file__).with_name("applications.toml")


def entries() -> Mapping[str, Entry]:
    """By the name that a group of it gets."""
    with TABLE.open("rb") as file:
        return convert(tomllib.load(file), dict[str, Entry])
