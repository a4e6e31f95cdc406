"""How much a test tries: ``make test`` has forty minutes for all tests, ``make test-all`` as long as it takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def often(thorough: T, quick: T) -> T:
    """How much is tried: ``thorough`` under DYSNOMIA_THOROUGH (as ``make test-all`` sets it), else ``quick``."""
    return thorough if os.environ.get("DYSNOMIA_THOROUGH") else quick


def seldom(values: Iterable[T], *kept: T) -> list[Any]:
    """Parameters of a test or of a fixture: those ``kept`` are tried by ``make test`` too, the others by
    ``make test-all`` alone."""
    return [one if one in kept else pytest.param(one, marks=pytest.mark.worlds) for one in values]
