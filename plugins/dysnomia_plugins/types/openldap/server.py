"""The server that has a database open: who it is. How it is stopped and started: ``toolkit/stopped_server.py``."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager

from dysnomia_plugins.base import Component, Context, Place
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit import stopped_server
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.processes import PROC, opened_for_writing
from dysnomia_plugins.toolkit.stopped_server import HIDDEN, Control, Holder, Kind
from dysnomia_plugins.toolkit.trees.exchange import identity
from dysnomia_plugins.types.openldap.places import LOCK, data_at

STOP_SETTING, START_SETTING = "ldapStop", "ldapStart"
_FLOCK = "@hhqqi0q"
"""``struct flock`` of Linux: type, whence, start, length, process."""


def holders(folder: str) -> Sequence[Holder]:
    """Processes that have a place's database open for writing, whatever they call it (in a container, or since it was
    exchanged). Without root, only the caller's own are seen."""
    file = identity(data_at(Place(folder)))
    if file is None:
        return ()
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    return tuple(filter(None, (Holder.of(pid) for pid in pids if _writes(pid, file))))


def in_use(folder: str) -> bool:
    """Whether anybody has a place's database open, whoever that is. Raises PluginError where that cannot be seen."""
    return _locked_by(folder) is not None


def hidden(folder: str) -> bool:
    """Whether a process has a place's database open that cannot be seen from here: of another process namespace, as of
    the host seen from a container. Raises PluginError."""
    try:
        with Folder.at(folder) as opened:
            seen = opened.seen(LOCK)
    except (FileNotFoundError, LinkInTheWay):
        return False
    except OSError as error:
        raise NotSafe(f"{folder} cannot be opened ({error.strerror})", "run it as root") from error
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return False
    pid = _locked_by(folder)
    return pid is not None and not (pid > 0 and (PROC / str(pid)).exists())


def _locked_by(folder: str) -> int | None:
    """A process that has a place's database open, 0 for one of another namespace: LMDB holds a lock on the first byte
    of its table of readers as long (``mdb_env_setup_locks``). Raises PluginError."""
    try:
        with Folder.at(folder) as opened, opened.file(LOCK) as descriptor:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            lock = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotSafe(
            f"it cannot be seen whether a server has the database in {folder} open ({error.strerror})", "run it as root"
        ) from error
    return None if int(lock[0]) == fcntl.F_UNLCK else int(lock[4])


def unseen(folder: str) -> str:
    """Why nothing in a folder may be exchanged though no server is seen there; ``""`` where nothing is against it.

    Root sees every process of its namespace; others only their own. Raises PluginError."""
    if os.geteuid() == 0:
        return HIDDEN.format(folder) if hidden(folder) else ""
    try:
        with Folder.at(folder) as opened:
            owner = opened.stat().st_uid
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise NotSafe(f"{folder} cannot be opened ({error.strerror})", "run it as root") from error
    if owner != os.geteuid():
        return f"{folder} belongs to {user_in_words(owner)}, whose server could not open what you load"
    if not in_use(folder):
        return ""
    return f"a process of another user has the database in {folder} open"


def _writes(pid: int, file: tuple[int, int]) -> bool:
    folder = f"{PROC}/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return False
    for number in numbers:
        try:
            seen = os.stat(f"{folder}/{number}")  # noqa: PTH116 (a descriptor, not a path)
            if (seen.st_dev, seen.st_ino) == file and opened_for_writing(pid, number):
                return True
        except OSError:
            continue
    return False


KIND = Kind(
    name="openldap",
    program="slapd",
    stop_setting=STOP_SETTING,
    start_setting=START_SETTING,
    holders=lambda folder: holders(folder),
    unseen=lambda folder: unseen(folder),
    hidden=lambda folder: hidden(folder),
    of_script="slapd.service",
)
"""Looked up at each call: what is seen differs from moment to moment."""


def control(component: Component, tool_path: str, folder: str, pids: Sequence[int]) -> Control | None:
    """As ``stopped_server.control``."""
    return stopped_server.control(KIND, component, tool_path, folder, pids)


def last_time(folder: str) -> float | None:
    """As ``stopped_server.last_time``."""
    return stopped_server.last_time(KIND, folder)


def stopped(ctx: Context, folder: str) -> AbstractContextManager[None]:
    """As ``stopped_server.stopped``."""
    return stopped_server.stopped(KIND, ctx, folder)


def start_left(ctx: Context) -> None:
    """As ``stopped_server.start_left``."""
    stopped_server.start_left(KIND, ctx)
