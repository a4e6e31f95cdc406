"""How much a tree takes on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence


def measure(paths: Sequence[str], *, deadline: float) -> tuple[int, bool]:
    """Bytes on disk below the paths, and whether all could be counted before the deadline (``time.monotonic``)."""
    total = 0
    waiting = list(paths)
    while waiting:
        if time.monotonic() > deadline:
            return total, False
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total, True
