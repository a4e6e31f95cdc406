"""How the processes that move much data keep their memory."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""Of mallopt(3)."""
KEPT = 32 << 20
"""Bytes that may lie free."""


def keep_memory() -> None:
    """Do not give memory back to the system as soon as it is free, where the C library can be told so (glibc).

    Content goes by in pieces of 1 MiB. Without this each of them may be mapped anew, page by page: that takes longer
    than to decompress it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_MMAP_THRESHOLD, KEPT)
