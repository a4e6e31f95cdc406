"""Child processes: those that lead a group of their own, and what they write into a pipe."""

from __future__ import annotations

import os
import select
import signal


def kill_group(leader: int) -> None:
    """SIGKILL a child and all that it started: they share its group, which exists as long as any of them lives."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to be read, or the other end is closed, within some seconds. By ``poll``: ``select``
    fails on a descriptor above 1023, which a process with many open files has."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
