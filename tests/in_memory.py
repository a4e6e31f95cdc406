"""Where a test's files go that are made, synced and removed by the thousand."""

from __future__ import annotations

import os
import shutil

MEMORY = "/dev/shm"
ROOM = 1 << 30
"""Bytes that have to be free there: containers have 64 MiB, which servers of other tests fill."""


FOR_A_SERVER = 4 << 30


def for_a_server() -> str:
    """Where a server's data go: in memory where there is room, since each table is a file that is made and removed, and
    ext4 passes over the inodes of those just removed one by one."""
    return in_memory(FOR_A_SERVER) or "/tmp"


def in_memory(room: int = ROOM) -> str | None:
    """A folder in memory with so many bytes free; None where there is none (``tempfile`` then takes its own)."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= room:
        return MEMORY
    return None
