"""Who listens on a port of this machine: whose password-taking server it is (proc(5): ``/proc/net/tcp``)."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

_LISTENS = "0A"
_LOOPBACK = ("127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0")
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def _as_listed(address: str) -> str:
    """An address as these tables have it: in words of four bytes, each as a number of this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def users_listening(port: int) -> frozenset[int]:
    """The users whose sockets a connection to this port of 127.0.0.1 or ::1 may reach. Raises OSError."""
    wanted = {f"{_as_listed(address)}:{port:04X}" for address in _LOOPBACK}
    users = set()
    for table in map(Path, _TABLES):
        if table.exists():
            rows = (line.split() for line in table.read_text("ascii").splitlines()[1:])
            users |= {int(row[7]) for row in rows if row[1] in wanted and row[3] == _LISTENS}
    return frozenset(users)
