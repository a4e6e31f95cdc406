"""What the files are called that a job makes beside a SQLite database."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from dysnomia_plugins.types.sqlite.files import PREFIX


def job_file(live: Path, tag: str, purpose: str) -> Path:
    """Where a job keeps a database beside ``live``: hidden, and never longer than a name may be."""
    which = hashlib.sha256(os.fsencode(live.name)).hexdigest()[:8]
    return live.with_name(f"{PREFIX}{tag}_{which}_{purpose}")
