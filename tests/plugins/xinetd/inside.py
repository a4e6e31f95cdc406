"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.xinetd.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from dysnomia_plugins.types.xinetd.plugin import XinetdService
from tests.plugins.killed import accounts_of, kill_everywhere


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: links, ports, accounts."""
    files = sorted(path.name for path in Path("/etc/xinetd.d").iterdir() if path.is_symlink())
    return {"files": files, "ports": [port for port in (7781, 7782) if _listens(port)], **accounts_of(component)}


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 20).close()
    except ConnectionRefusedError:
        return False
    return True


if __name__ == "__main__":
    kill_everywhere(XinetdService(), Path(sys.argv[1]), everything)
