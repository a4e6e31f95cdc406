"""Small records of the engine in the state directory, each replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dysnomia_store.records import codec as records
from dysnomia_tui.engine.machine.permissions import share


def replace_record(path: Path, record: Mapping[str, Any], group: str) -> None:
    """Write a record, durably, in the place of the one that was there; a ``group`` may read it.

    Raises OSError, and LookupError for an unknown group."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
        file.write(records.dump({"format": records.FORMAT, **record}))
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    if group:
        share(path.parent, group)
