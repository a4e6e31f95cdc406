"""Where SQLite databases stand: the file of a component, what a job makes beside it, and who has it open."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_base.users import user_name
from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.sqlite.opening import show
from dysnomia_plugins.types.sqlite.site import SIDECARS
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

SUFFIXES = ("", ".db", ".sqlite", ".sqlite3")
SUFFIX = "suffix"
"""What a generation's surroundings call it."""
PREFIX = ".dysnomia_"
"""How the names of all files start that a job makes."""


def folder_of(component: Component) -> Path:
    """The folder of the container's databases. Raises PluginError where ``sqliteDir`` is missing or not absolute."""
    folder = component.prop("sqliteDir")
    if not folder:
        raise PluginError(
            f"container {component.key.container!r} has no sqliteDir", "set it to the folder of the databases"
        )
    if not folder.startswith("/"):
        raise PluginError(
            f"sqliteDir of container {component.key.container!r} is not an absolute path: {folder!r}", "correct it"
        )
    return Path(folder)


def live_file(component: Component) -> Path:
    """The component's own file, links followed; where there is none, where it was, or would be made.

    Raises PluginError where more than one file could be meant: to guess would risk the wrong one; NotSafe where a link
    on the way could have been made by somebody else.
    """
    entry = live_entry(component)
    try:
        return Path(real_path(os.fspath(entry), setting="sqliteDir"))
    except OSError as error:
        raise PluginError(
            f"{show(entry.parent)} cannot be opened ({error.strerror})", "check its permissions, or run as root"
        ) from error


def live_entry(component: Component) -> Path:
    """What stands for the component in the container's folder. Raises PluginError, as ``live_file``."""
    folder, name = folder_of(component), component.key.component
    files = [folder / (name + suffix) for suffix in SUFFIXES if _is_there(folder / (name + suffix))]
    if len(files) > 1:
        names = " and ".join(show(path) for path in files)
        raise PluginError(f"component {name!r} is ambiguous: {names}", f"name the file: {files[1].name!r}")
    if files:
        return files[0]
    suffix = component.recorded().get(SUFFIX)  # a database that was deleted comes back where its application looks
    return folder / (name + suffix if suffix in SUFFIXES else name)


def _is_there(path: Path) -> bool:
    """A file, or a link (which is looked at when it is followed). Never an error: with a suffix a name may be too
    long to be."""
    try:
        return stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFLNK)
    except OSError:
        return False


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
        raise PluginError(f"{name!r} ends like a journal or WAL file of another database", "choose another name")
    return folder_of(component) / (name + suffix)


def sidecars(path: Path) -> tuple[Path, ...]:
    """The files beside ``path`` that are part of it and are there now."""
    return tuple(side for suffix in SIDECARS if os.path.lexists(side := sidecar(path, suffix)))


def sidecar(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def remove(path: Path) -> None:
    """Delete a database whole; the file itself first, so that no crash leaves it without what its -wal holds."""
    try:
        folder = Folder.at(str(path.parent))
    except FileNotFoundError:
        return
    with folder:
        for suffix in ("", *SIDECARS):
            try:
                folder.unlink(path.name + suffix)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise


# --- owner and mode ------------------------------------------------------------------------------------------------


def surroundings_of(path: Path) -> dict[str, Any]:
    """Owner, group and mode of a file, by name where they have one."""
    about = path.lstat()
    return {
        "owner": user_name(about.st_uid),
        "group": _group(about.st_gid),
        "mode": f"{stat.S_IMODE(about.st_mode):04o}",
    }


@dataclass(frozen=True, slots=True)
class Dress:
    """Owner and mode of a database's file. Owners need root, and are left else."""

    uid: int
    gid: int
    mode: int

    @classmethod
    def like(cls, seen: os.stat_result) -> Dress:
        return cls(seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode) & 0o777)

    @classmethod
    def recorded(cls, surroundings: Mapping[str, Any]) -> Dress:
        """As a snapshot says; an owner that is unknown here is left (-1)."""
        return cls(
            _id(surroundings.get("owner"), lambda name: pwd.getpwnam(name).pw_uid),
            _id(surroundings.get("group"), lambda name: grp.getgrnam(name).gr_gid),
            _mode(surroundings.get("mode")),
        )

    def put_on(self, descriptor: int) -> None:
        """Give a new file of ours that owner and mode, and make it durable: the last thing that is done to it."""
        hand_over(descriptor, self.uid, self.gid, self.mode)
        os.fsync(descriptor)


def _mode(recorded: object) -> int:
    try:
        return int(str(recorded or "0600"), 8) & 0o777
    except ValueError:
        return 0o600


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
    import psutil

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
            about = one.lstat()
            wanted.add((about.st_dev, about.st_ino))
    pids = {pid for pid, _, about in open_files() if (about.st_dev, about.st_ino) in wanted}
    return tuple(client for pid in sorted(pids) if (client := _client(pid)) is not None)


def _client(pid: int) -> Client | None:
    import psutil

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
