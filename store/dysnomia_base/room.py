"""How much room a file system has."""

from __future__ import annotations

import os


def free_bytes(seen: os.statvfs_result) -> int | None:
    """Bytes that are free for the caller; None where a file system does not count them, as ramfs and some of FUSE's: it
    says that it has none at all."""
    return seen.f_bavail * seen.f_frsize if seen.f_blocks else None
