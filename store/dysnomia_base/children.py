"""Child processes that lead a process group of their own."""

from __future__ import annotations

import os
import signal


def kill_group(leader: int) -> None:
    """SIGKILL a child and all that it started: they share its group, which exists as long as any of them lives."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
