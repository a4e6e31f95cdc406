"""How often a test tries something at random: `make test` has a quarter of an hour for all, `make test-all` has not."""

from __future__ import annotations

import os


def often(thorough: int, quick: int) -> int:
    """A number of tries: ``thorough`` under DYSNOMIA_THOROUGH (as ``make test-all`` sets it), else ``quick``."""
    return thorough if os.environ.get("DYSNOMIA_THOROUGH") else quick
