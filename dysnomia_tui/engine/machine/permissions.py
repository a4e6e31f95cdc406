"""Why nothing may be changed here, if so."""

from __future__ import annotations

import os
from pathlib import Path

from dysnomia_base.ownership import refusal
from dysnomia_tui.config import Settings


def why_read_only(settings: Settings, asked: bool) -> str:
    """``--read-only``, the configuration, or no permission on the store; ``""`` where changes may be made."""
    if asked:
        return "--read-only"
    if settings.read_only:
        return "config.toml says read_only"
    there = settings.statedir
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return f"{there} is not a folder"
    refused = refusal(settings.statedir if settings.statedir.exists() else there)
    if refused:
        return f"the state directory is not safe to write: {refused.partition(' is left out: ')[2]}"
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return f"{there} is on a read-only file system"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"no permission to write {settings.statedir}"
    return ""


def share(folder: Path, group: str) -> None:
    """Let a group read a folder and the files in it. Raises OSError or LookupError where there is no such group."""
    import grp

    gid = grp.getgrnam(group).gr_gid
    for path, mode in ((folder, 0o750), *((path, 0o640) for path in folder.iterdir() if path.is_file())):
        os.chown(path, -1, gid)
        path.chmod(mode)
