"""How much a test tries: ``make test`` has forty minutes for all tests, ``make test-all`` as long as it takes."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")


def often(thorough: T, quick: T) -> T:
    """How much is tried: ``thorough`` under DYSNOMIA_THOROUGH (as ``make test-all`` sets it), else ``quick``."""
    return thorough if os.environ.get("DYSNOMIA_THOROUGH") else quick
