"""Where a test's files go that are made, synced and removed by the thousand."""

from __future__ import annotations

import os
import shutil

MEMORY = "/dev/shm"
ROOM = 1 << 30
"""Bytes that have to be free there: containers have 64 MiB, which servers of other tests fill."""


def in_memory(room: int = ROOM) -> str | None:
    """A folder in memory with so many bytes free; None where there is none (``tempfile`` then takes its own)."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= room:
        return MEMORY
    return None
