"""The name of this machine."""

from __future__ import annotations

import os


def host_name() -> str:
    """As ``socket.gethostname`` tells it (both ask the kernel), without the import of sockets in every command."""
    return os.uname().nodename
