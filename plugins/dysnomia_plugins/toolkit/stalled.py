"""Children that do nothing any more: whoever owns the files that one reads can have it wait for ever.

A pipe in the place of a file, which its owner can put there after any look of ours, holds up the program that opens it,
and with it a job and its turn: the jobs of everybody else wait too. No look at files beforehand ends that for sure.
"""

from __future__ import annotations

import fcntl
import os
import termios
import time
from collections.abc import Iterator
from typing import IO

PATIENCE = 300.0
"""Seconds without any work, for programs that wait for files alone and never for a server or a lock of others."""
_LOOKS = 5.0
_GROUP, _WORK = 2, (7, 9, 11, 12)
"""Of ``/proc/PID/stat``, behind the name: the process group; page faults, and time on a processor (proc(5))."""


class StallWatch:
    """Whether a child and all that it started have done nothing for a time, though they do not wait for us."""

    def __init__(self, group: int, patience: float) -> None:
        self._group = group
        self._patience = patience
        self._work = -1
        self._since = self._looked = time.monotonic()

    def is_stalled(self, given: IO[bytes] | None, taken: IO[bytes] | None) -> bool:
        """To be asked again and again: it looks every few seconds.

        Args:
            given: what the child reads from us: once it has read all of it, it waits for us.
            taken: what we read from it: while there is something, it waits for us.
        """
        now = time.monotonic()
        if now - self._looked < min(_LOOKS, self._patience / 5):
            return False
        self._looked = now
        seen = list(_work_of(self._group))
        work = sum(seen)
        # Where /proc does not show it, as in a chroot without one, nothing is known of what it does.
        if not seen or work != self._work or _waits_for_us(given, taken):
            self._work, self._since = work, now
        return now - self._since > self._patience


def _waits_for_us(given: IO[bytes] | None, taken: IO[bytes] | None) -> bool:
    return _unread(given) == 0 or (_unread(taken) or 0) > 0


def _unread(stream: IO[bytes] | None) -> int | None:
    """Bytes in a pipe that nobody has read; None where it is closed."""
    if stream is None:
        return None
    try:
        return int.from_bytes(fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4)), "little")
    except (OSError, ValueError):
        return None


def _work_of(group: int) -> Iterator[int]:
    """What each process of a group has done so far; its number too, so that one that starts or ends is work."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                words = file.read().rpartition(b")")[2].split()
            if int(words[_GROUP]) != group:
                continue
            yield int(name) + sum(int(words[at]) for at in _WORK)
            with open(f"/proc/{name}/io", "rb") as file:  # noqa: PTH123
                yield sum(int(line.split()[1]) for line in file if line.startswith((b"rchar", b"wchar")))
        except (OSError, IndexError, ValueError):
            continue
