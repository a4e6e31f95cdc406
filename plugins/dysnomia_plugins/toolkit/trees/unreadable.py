"""What is said of a file or folder that cannot be read, and to whom: who owns it can let themselves read it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from dysnomia_plugins.errors import PluginError


def unreadable(path: str, error: OSError) -> PluginError:
    """``path``: as it is shown to the operator."""
    hint = _remedy(path) if isinstance(error, PermissionError) else ""
    return PluginError(f"{path} cannot be read ({error.strerror})", hint)


def _remedy(path: str) -> str:
    with suppress(OSError, ValueError):  # it is for the words alone: nothing is done by the path
        seen = os.lstat(path)
        wanted = stat.S_IRUSR | (stat.S_IXUSR if stat.S_ISDIR(seen.st_mode) else 0)
        if seen.st_uid == os.geteuid() and seen.st_mode & wanted != wanted:
            return f"it belongs to you: let yourself read it (chmod u+{'rx' if wanted & stat.S_IXUSR else 'r'})"
    return "run it as root, or as the owner"
