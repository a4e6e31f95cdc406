"""Making sure that a file is on the disk, before anybody is told so."""

from __future__ import annotations

import os
from pathlib import Path


def make_durable(path: Path) -> None:
    """Flush a file of ours and the folder it is in. Never for a live file."""
    for name, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(name, flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
