"""Where SQLite databases stand: the file of a component, what a job makes beside it, and who has it open."""

from __future__ import annotations

import contextlib
import errno
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.servers import user_name
from dysnomia_plugins.sqlite_open import show
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

SUFFIXES = ("", ".db", ".sqlite", ".sqlite3")
SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by suffix."""
PREFIX = ".dysnomia_"
"""How the names of all files start that a job makes."""


def folder_of(component: Component) -> Path:
    """The folder of the container's databases. Raises PluginError where ``sqliteDir`` is missing or not absolute."""
    folder = component.prop("sqliteDir")
    if not folder:
        raise PluginError(f"container {component.key.container!r} has no sqliteDir", "say where its databases are")
    if not folder.startswith("/"):
        raise PluginError(f"sqliteDir of container {component.key.container!r} is {folder!r}", "make it absolute")
    return Path(folder)


def live_file(component: Component) -> Path:
    """The component's own file, links followed; where there is none yet, where it would be made.

    Raises PluginError where more than one file could be meant: to guess would risk the wrong one.
    """
    folder, name = folder_of(component), component.key.component
    there = [folder / (name + suffix) for suffix in SUFFIXES if _is_file(folder / (name + suffix))]
    if len(there) > 1:
        names = " and ".join(show(path) for path in there)
        raise PluginError(f"component {name!r} could be {names}", f"name the component {there[1].name!r}, say")
    return Path(os.path.realpath(there[0] if there else folder / name))


def _is_file(path: Path) -> bool:
    """Never an error: with a suffix a name may be too long to be."""
    try:
        return path.is_file()
    except OSError:
        return False


def job_file(live: Path, tag: str, purpose: str) -> Path:
    """Where a job keeps a database beside ``live``: hidden, and never longer than a name may be."""
    which = hashlib.sha256(os.fsencode(live.name)).hexdigest()[:8]
    return live.with_name(f"{PREFIX}{tag}_{which}_{purpose}")


def named_file(component: Component, live: Path, name: str) -> Path:
    """Where a copy called ``name`` stands: in the container's folder, with the suffix that live has.

    Raises PluginError for a name that cannot be one, or that SQLite would take for part of another database.
    """
    try:
        validate_name(name, "copy")
        suffix = "" if name.endswith(SUFFIXES[1:]) else next((s for s in SUFFIXES[1:] if live.name.endswith(s)), "")
        validate_name(name + suffix, "copy")
    except NameRejected as error:
        raise PluginError(error.message, error.hint) from None
    if name.endswith(SIDECARS):
        raise PluginError(f"SQLite would take {name!r} for part of another database", "choose another name")
    return folder_of(component) / (name + suffix)


def sidecars(path: Path) -> tuple[Path, ...]:
    """The files beside ``path`` that are part of it and are there now."""
    return tuple(side for suffix in SIDECARS if os.path.lexists(side := sidecar(path, suffix)))


def sidecar(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def remove(path: Path) -> None:
    """Delete a database whole; the file itself first, so that no crash leaves it without what its -wal holds."""
    for one in (path, *(sidecar(path, suffix) for suffix in SIDECARS)):
        try:
            one.unlink()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                raise


# --- owner and mode ------------------------------------------------------------------------------------------------


def surroundings_of(path: Path) -> dict[str, Any]:
    """Owner, group and mode of a file, by name where they have one."""
    about = path.stat()
    return {
        "owner": user_name(about.st_uid),
        "group": _group(about.st_gid),
        "mode": f"{stat.S_IMODE(about.st_mode):04o}",
    }


def dress(path: Path, like: Path | None, surroundings: Mapping[str, Any]) -> None:
    """Give a file of ours the owner and mode of ``like``, or those recorded. Ownership needs root, and is left else."""
    if like is not None:
        about = like.stat()
        uid, gid, mode = about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)
    else:
        uid = _id(surroundings.get("owner"), lambda name: pwd.getpwnam(name).pw_uid)
        gid = _id(surroundings.get("group"), lambda name: grp.getgrnam(name).gr_gid)
        mode = int(str(surroundings.get("mode", "0600")), 8) & 0o777
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    path.chmod(mode & 0o777)


def _id(name: object, find: Any) -> int:
    """A recorded owner as an id on this machine; -1 (leave it) where it is unknown here."""
    text = str(name or "")
    if text.isdigit():
        return int(text)
    try:
        return int(find(text))
    except KeyError:
        return -1


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


# --- who has it open -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Client:
    """A process that has a file open."""

    pid: int
    name: str
    user: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}, {self.user})"


def open_files() -> Iterator[tuple[int, str, os.stat_result]]:
    """(pid, path as the kernel says it, status) of every regular file that another process has open, as far as this
    user may see: all of them for root, one's own for others."""
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    about = entry.stat()
                    if stat.S_ISREG(about.st_mode):
                        yield pid, os.readlink(entry.path), about


def clients_of(path: Path) -> tuple[Client, ...]:
    """The other processes that have a database open, found by device and inode, as far as this user may see."""
    wanted: set[tuple[int, int]] = set()
    for one in (path, *sidecars(path)):
        with contextlib.suppress(OSError):
            about = one.stat()
            wanted.add((about.st_dev, about.st_ino))
    pids = {pid for pid, _, about in open_files() if (about.st_dev, about.st_ino) in wanted}
    return tuple(client for pid in sorted(pids) if (client := _client(pid)) is not None)


def _client(pid: int) -> Client | None:
    try:
        process = psutil.Process(pid)
        return Client(pid, process.name(), process.username())
    except psutil.Error:
        return None


def who(path: Path) -> str:
    """The processes that have a database open, in words; ``""`` where none is seen."""
    return ", ".join(map(str, clients_of(path)))


def sees_all() -> bool:
    """Whether this user may see the open files of every process."""
    return os.geteuid() == 0
