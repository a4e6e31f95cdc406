"""Files that a container's property names and we read: passwords, and options of client programs.

Root would read any file for whoever can put a link where the property points, and send what is in it to a server that
may be theirs. So the rule of ownership holds (``dysnomia_base.ownership``); and a service's own password file, which
belongs to the service's user in a folder of root's or its own, is read as that user: it leads nowhere then.
"""

from __future__ import annotations

import os
import posixpath
import stat

from dysnomia_base.ownership import why_not_obeyed
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import is_ours, others_on_the_way, real_path

MOST = 1 << 16
"""Bytes of a file with a password."""
_WAY_OUT = "give the file, and the folders and links on the way to it, to root (chown, chmod go-w)"


def require_obeyed_file(path: str, setting: str) -> None:
    """For a file that says what a program of ours does: nobody but root and the caller may write it.

    Raises NotSafe naming what is at fault, PluginError where it cannot be looked at."""
    reason = _reason(path, setting)
    if reason:
        raise NotSafe(f"{setting} names {path}, which is not read: {reason}", _WAY_OUT)


def reader_of(path: str, setting: str) -> Actor | None:
    """As whom a file with a secret is read; None: as ourselves.

    Raises NotSafe for one that others can replace by a file that is not theirs, PluginError."""
    reason = _reason(path, setting)
    if not reason:
        return None
    owner = _owner_of_its_own(path, setting) if os.geteuid() == 0 else None
    if owner is None:
        raise NotSafe(f"{setting} names {path}, which is not read: {reason}", _WAY_OUT)
    return Actor.of(owner.st_uid, owner.st_gid)


def read_secret(path: str, setting: str) -> bytes:
    """The content of such a file, ``MOST`` bytes of it at most. Raises NotSafe, PluginError."""
    with acting_as(reader_of(path, setting)):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _unreadable(path, setting, error) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotSafe(f"{setting} names {path}, which is not a regular file", "name a file")
            return os.read(descriptor, MOST)
        finally:
            os.close(descriptor)


def password_in(path: str, setting: str) -> str:
    """The first line of such a file. Raises NotSafe, PluginError."""
    try:
        return read_secret(path, setting).decode("utf-8").split("\n", 1)[0]
    except UnicodeDecodeError:
        raise PluginError(f"the password in {path} is not UTF-8", f"check {setting}") from None


def _reason(path: str, setting: str) -> str:
    if not path.startswith("/"):
        raise PluginError(f"{setting} is {path!r}, which is not an absolute path", "name the file by its whole path")
    try:
        return why_not_obeyed(path)
    except OSError as error:
        raise _unreadable(path, setting, error) from None


def _owner_of_its_own(path: str, setting: str) -> os.stat_result | None:
    """What a regular file is whose owner alone could put another in its place; None for any other."""
    try:
        real = real_path(path, setting=setting)
        folder, name = posixpath.split(real)
        others = others_on_the_way(folder)
        with Folder.at(folder) as opened:
            seen = opened.seen(name)
    except LinkInTheWay:
        return None
    except OSError as error:
        raise _unreadable(path, setting, error) from None
    if seen is None or not stat.S_ISREG(seen.st_mode) or is_ours(seen):
        return None
    return seen if others is None or others.uid == seen.st_uid else None


def _unreadable(path: str, setting: str, error: OSError) -> PluginError:
    return PluginError(f"the file {path} cannot be read ({error.strerror})", f"check {setting}, and its permissions")
