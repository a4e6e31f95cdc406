"""Whether the terminal is at the other end of a network, where each byte that is written may be waited for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_VARIABLES = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_SERVERS = frozenset({"sshd", "sshd-session", "dropbear", "mosh-server"})
_PROC = Path("/proc")
_FURTHEST = 64
"""Ancestors that are looked at: ids of processes that end while they are read could lead round in a circle."""


def is_remote(environ: Mapping[str, str], proc: Path = _PROC, pid: int | None = None) -> bool:
    """Whether this process was started in a session of SSH or mosh.

    The session's variables say so; sudo and su remove them, so the names of this process's ancestors are looked at as
    well. False where neither can be seen (``hidepid``)."""
    if any(environ.get(name) for name in _VARIABLES):
        return True
    return any(name in _SERVERS for name in _ancestors(proc, os.getpid() if pid is None else pid))


def _ancestors(proc: Path, pid: int) -> Iterator[str]:
    """The names of the processes that started ``pid``, and one another, nearest first."""
    for _ in range(_FURTHEST):
        try:
            stat = (proc / str(pid) / "stat").read_text("utf-8", "replace")
        except OSError:
            return
        # pid (name) state parent …; the name may hold blanks and brackets.
        name, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        yield name
        if len(fields) < 2 or not fields[1].isdigit() or fields[1] == "0":
            return
        pid = int(fields[1])
