"""Why nothing may be changed here, if so."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dysnomia_base.ownership import refusal
from dysnomia_tui.config import Settings
from dysnomia_tui.config.load import ROOT_STATEDIR


def why_read_only(settings: Settings, asked: bool) -> str:
    """``--read-only``, the configuration, or no permission on the store; ``""`` where changes may be made."""
    if asked:
        return "--read-only"
    if settings.read_only:
        return "config.toml says read_only"
    return why_not_writable(settings)


def why_not_writable(settings: Settings) -> str:
    """What stands against changes on this machine, whatever was asked for and configured; ``""`` where nothing does."""
    existing = _nearest(settings.statedir)
    unsafe = _why_not_safe(existing, settings.statedir)
    if unsafe:
        return f"the state directory is not safe to write: {unsafe}"
    if not existing.is_dir():
        return f"{existing} is not a folder"
    if os.statvfs(existing).f_flag & os.ST_RDONLY:
        return f"{existing} is on a read-only file system"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"no permission to write {settings.statedir}"
    return ""


def unwritable(settings: Settings) -> str:
    """Why every job of the store's own user is refused though nobody asked for that, so that each snapshot is missed;
    ``""`` where none is, or who asks is another user: root looks into the stores of others, too."""
    if settings.read_only:
        return ""
    try:
        owner = _nearest(settings.statedir).stat().st_uid
    except OSError:
        owner = os.geteuid()
    own = os.geteuid() == owner or (os.geteuid() == 0 and settings.statedir == ROOT_STATEDIR)
    return why_not_writable(settings) if own else ""


def why_not_safe(statedir: Path) -> str:
    """Why nothing of ours may be written into a state directory, which need not be there yet; ``""`` where it may."""
    return _why_not_safe(_nearest(statedir), statedir)


def _nearest(statedir: Path) -> Path:
    """The state directory, or the nearest folder above it that is there."""
    folder = statedir
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _why_not_safe(path: Path, statedir: Path) -> str:
    """Which file, folder or link somebody else could lead us elsewhere by, and why; ``""`` for none.

    Args:
        there: the state directory, or the nearest folder above it that is there.

    A link is as good as what it leads to: where the state directory, or one of the folders in it, is one, all of its
    way is looked at.
    """
    refused = refusal(path)
    if refused:
        return refused.partition(" is left out: ")[2]
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to {os.readlink(path)}, which does not exist"
    if path != statedir or not path.is_dir():
        return ""
    try:
        with os.scandir(path) as entries:
            links = sorted(entry.path for entry in entries if entry.is_symlink())
    except OSError:
        return ""  # what may not be read is said where it is read
    for link in links:
        refused = refusal(link)
        if refused:
            return refused.partition(" is left out: ")[2]
        if not os.path.exists(link):  # noqa: PTH110
            return f"{link} is a link to {os.readlink(link)}, which does not exist"
    return ""


def share(folder: Path, group: str) -> None:
    """Let a group read a folder and the files in it. Raises OSError or LookupError where there is no such group."""
    import grp

    gid = grp.getgrnam(group).gr_gid
    for path, mode in ((folder, 0o750), *((path, 0o640) for path in folder.iterdir() if path.is_file())):
        with suppress(FileNotFoundError):  # another writer's, before it has its name
            os.chown(path, -1, gid)
            path.chmod(mode)
