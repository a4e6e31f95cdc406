"""SQLite databases on this machine: those that processes have open, and those in the usual places."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dysnomia_plugins.base import Component, Found, Listed, ListedState
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.sqlite.files import PREFIX, SUFFIXES, folder_of, open_files, sees_all
from dysnomia_plugins.types.sqlite.opening import HEADER_SIZE, MAGIC, show
from dysnomia_plugins.types.sqlite.site import SIDECARS
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

PLACES = ("/var/lib/*", "/var/lib/*/*", "/srv/*", "/srv/*/*", "/opt/*", "/opt/*/data")
"""Folders in which services keep their databases."""
LIMIT = 200
"""Databases told at most; folders looked into at most ten times as many."""
_NOT_ALL = "which processes of other users have databases open cannot be seen without root"
_OF_STORES = ("staging", "cache")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/nix/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/rpm/", "/var/lib/docker/")


def discover(type_: str, places: Sequence[str] = PLACES) -> Iterator[Found]:
    """Databases that could be managed, those in use first. Never fails for what may not be seen: says so."""
    used: dict[Path, set[int]] = {}
    for pid, name, _ in open_files():
        path = Path(name.removesuffix(next((side for side in SIDECARS if name.endswith(side)), "")))
        if not name.endswith(" (deleted)"):
            used.setdefault(path, set()).add(pid)
    count = 0
    for path, pids in sorted(used.items()):
        if count < LIMIT and _is_candidate(path) and _has_magic(path):
            count += 1
            yield _found(type_, path, f"open in {len(pids)} process{'es' if len(pids) != 1 else ''}")
    for path in _lying_about(places):
        if count < LIMIT and path not in used and _is_candidate(path):
            readable = os.access(path, os.R_OK)
            if not readable or _has_magic(path):
                count += 1
                yield _found(type_, path, "not open in any process that can be seen", readable)


def _found(type_: str, path: Path, detail: str, readable: bool = True) -> Found:
    try:
        size: int | None = path.stat().st_size
    except OSError:
        size = None
    writable = readable and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if not writable and readable:
        detail += "; restoring it would need its owner or root"
    return Found(
        type=type_,
        container=_container(path),
        component=path.name,
        properties={"type": type_, "sqliteDir": str(path.parent)},
        size=size,
        detail=detail if sees_all() else f"{detail}; {_NOT_ALL}",
        readable=readable,
        remedy="" if readable else "sudo dysnomia-tui",
    )


def _container(path: Path) -> str:
    """A proposed name: of the folder, or of what it is a part of where its own name says nothing."""
    telling = [part for part in path.parent.parts[1:] if part not in ("var", "lib", "srv", "opt", "data", "db")]
    return "sqlite-" + "".join(c if c.isalnum() or c in "-_." else "-" for c in (telling[-1] if telling else "data"))


def _is_candidate(path: Path) -> bool:
    """A name that may be managed, and not a file of the system's, of a job's or of a store's cache."""
    if path.name.startswith(PREFIX) or str(path).startswith(_SYSTEM):
        return False
    if any(_is_store(folder) for folder in path.parents):
        return False
    try:
        validate_name(path.name, "component")
    except NameRejected:
        return False
    return True


def _is_store(folder: Path) -> bool:
    """Whether it is a snapshot store's: its cache, what it stages and what it compares are nobody's databases.

    One in which nothing was snapshotted yet has no generations, and is used from the first screen on."""
    try:
        new = (folder / "store.json").is_file() and (folder / "jobs").is_dir()
        return (new or (folder / "generations").is_dir()) and any((folder / name).is_dir() for name in _OF_STORES)
    except OSError:
        return False


def _has_magic(path: Path) -> bool:
    """Reads the first bytes of the file. Only where this process has no database open (see ``sqlite_open``)."""
    try:
        with Folder.at(real_path(os.fspath(path.parent))) as folder, folder.file(path.name) as descriptor:
            return os.pread(descriptor, HEADER_SIZE, 0).startswith(MAGIC)
    except (OSError, PluginError):
        return False


def _lying_about(places: Iterable[str]) -> Iterator[Path]:
    """Files in the usual places whose names say that they are databases; a bounded number of folders."""
    looked = 0
    for pattern in places:
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            looked += 1
            if looked > 10 * LIMIT:
                return
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIXES[1:]))
                yield from (path for name in names if (path := folder / name).is_file() and not path.is_symlink())


def list_state(container: Component) -> ListedState:
    """Every database right in the container's folder, whatever its name ends with; a link is named and left.

    A file that is none is ``idle``: one that was a component is a damaged database, and not a dropped one. Raises
    PluginError where the folder cannot be read."""
    path = folder_of(container)
    try:
        with Folder.at(real_path(os.fspath(path), setting="sqliteDir")) as folder:
            names = [name for name in folder.names() if not name.startswith(PREFIX) and not name.endswith(SIDECARS)]
            return ListedState([one for name in names if (one := _listed(folder, name)) is not None])
    except OSError as error:
        raise PluginError(
            f"{show(path)} cannot be read ({error.strerror})", "check sqliteDir and its permissions"
        ) from error


def _listed(folder: Folder, name: str) -> Listed | None:
    """None for what could not be a database."""
    seen = folder.seen(name)
    if seen is None or not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
        return None
    if stat.S_ISLNK(seen.st_mode):
        return Listed(name, "it is a link: name it as a component of its own") if name.endswith(SUFFIXES[1:]) else None
    try:
        with folder.file(name) as descriptor:
            return Listed(name, idle=not os.pread(descriptor, HEADER_SIZE, 0).startswith(MAGIC))
    except (OSError, PluginError):
        why = "it cannot be read: run it as root, or as its owner" if name.endswith(SUFFIXES[1:]) else ""
        return Listed(name, why, idle=not why)
