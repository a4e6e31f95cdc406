"""What the scripts share that make one state of the other (``--diff --sql``)."""

from __future__ import annotations

from dysnomia_plugins.base import SectionPatch
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.toolkit.long_lines import CUT_CELL

WRONG_STATE = "this database is not in the state that the patch was made for"
"""A constraint that is called so fails where a script is applied to another state: a client shows its name."""


def refuse_long(change: SectionPatch, hint: str) -> None:
    """Of a row of several MiB a comparison keeps the beginning and a digest. Raises Unsupported."""
    assert change.new is not None
    if any(raw is not None and CUT_CELL in raw for pair in change.rows() for raw in pair):
        raise Unsupported(f"a row of table {change.new.name} is too long for a patch", hint)
