"""Small records of the engine in the state directory, each replaced in one step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dysnomia_base.whole_file import in_place_of
from dysnomia_store.records import codec as records
from dysnomia_tui.engine.machine.permissions import share


def replace_record(path: Path, record: Mapping[str, Any], group: str) -> None:
    """Write a record, durably, in the place of the one that was there; a ``group`` may read it.

    Raises OSError, and LookupError for an unknown group."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with in_place_of(path) as file:
        file.write(records.dump({"format": records.FORMAT, **record}))
    if group:
        share(path.parent, group)
