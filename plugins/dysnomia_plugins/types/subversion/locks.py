"""The locks on paths, which no dump holds: read from and written to the file system's own lock files.

``svnadmin lock`` would give them another date, so the files are written as Subversion's FSFS keeps them: below
``db/locks``, one a path by the MD5 of it, and one for each folder above that lists the locks below it.
Source: ``subversion/libsvn_fs_fs/lock.c`` and ``structure`` of Subversion 1.14.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import write_all
from dysnomia_plugins.types.subversion.dumpfile import BadDump, read_hash, write_hash

KEYS = ("path", "token", "owner", "comment", "is_dav_comment", "creation_date", "expiration_date")
COLUMNS = ("path", "owner", "since", "until", "comment", "token")
MAX_LOCK = 1 << 20
"""Bytes of one lock's file; a folder's lists the locks in it, and is not read."""

MAX_DEPTH = 1000
"""Folders above a locked path: there is a file for each of them."""

Lock = Mapping[str, str]


def read_locks(repository: Path) -> list[Lock]:
    """Every lock, by path. One that goes while they are read is not there. Raises PluginError."""
    locks: list[Lock] = []
    try:
        with Folder.at(str(repository / "db" / "locks")) as top:
            for name in top.names():
                seen = top.seen(name)
                if seen is not None and stat.S_ISDIR(seen.st_mode):
                    with top.folder(name) as folder:
                        locks += [lock for one in folder.names() if (lock := _read(folder, one)) is not None]
    except FileNotFoundError:
        pass
    except OSError as error:
        raise PluginError(f"the locks of {repository} cannot be read ({error.strerror})", "run it as root") from error
    return sorted(locks, key=lambda lock: lock["path"])


def _read(folder: Folder, name: str) -> Lock | None:
    path = folder.shown(name)
    try:
        content = folder.read_bytes(name, MAX_LOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PluginError(f"the lock {path} cannot be read ({error.strerror})", "nothing was stored") from error
    if content.startswith(b"K 8\nchildren\n"):
        return None
    try:
        values = read_hash(content)
    except BadDump as error:
        raise PluginError(f"the lock {path} is damaged", "svnadmin rmlocks removes it") from error
    return {key: values[key] for key in KEYS if key in values} if "path" in values else None


def line_of(lock: Lock) -> bytes:
    """A lock as a line of JSON."""
    return json.dumps({key: lock[key] for key in KEYS if key in lock}, separators=(",", ":")).encode() + b"\n"


def lock_of(line: bytes) -> Lock:
    """The lock of a line. Raises BadDump where it is none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadDump("the snapshot's list of locks is malformed") from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise BadDump("the snapshot's list of locks is malformed")
    path = str(values.get("path", ""))
    if not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path or path == "/":
        raise BadDump("the snapshot holds a lock on an invalid path", repr(path[:60]))
    if path.count("/") > MAX_DEPTH:
        raise BadDump(f"the snapshot holds a lock of a path nested deeper than {MAX_DEPTH}", repr(path[:60]))
    if not values.get("token"):
        raise BadDump(f"the snapshot holds a lock of {path} without a token")
    return {key: values[key] for key in KEYS if key in values}


def cells_of(lock: Lock) -> tuple[str | None, ...]:
    """In the order of ``COLUMNS``."""
    return (
        lock["path"], lock.get("owner"), lock.get("creation_date"), lock.get("expiration_date"), lock.get("comment"),
        lock["token"],
    )  # fmt: skip


def write_locks(repository: Path, locks: Iterable[Lock]) -> int:
    """Put locks into a repository that has none and that nobody else can reach. Returns how many."""
    children: dict[str, list[str]] = {}
    """Of each folder's digest, those of the locks below it: paths would add up to the square of their depth."""
    count = 0
    with Folder.at(str(repository / "db" / "locks"), make=0o700) as folder:
        for lock in locks:
            digest = _digest(lock["path"])
            _write(folder, digest, dict(lock))
            for above in _above(lock["path"]):
                children.setdefault(_digest(above), []).append(digest)
            count += 1
        for above, digests in children.items():
            _write(folder, above, {"children": "".join(f"{digest}\n" for digest in digests)})
    return count


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = posixpath.dirname(path)
        yield path


def _digest(path: str) -> str:
    data = path.encode("utf-8", "surrogateescape")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _write(folder: Folder, digest: str, values: Mapping[str, str]) -> None:
    try:
        below = folder.make_folder(digest[:3])
    except FileExistsError:
        below = folder.folder(digest[:3])
    with below, below.new_file(digest) as descriptor:
        write_all(descriptor, write_hash(values))
