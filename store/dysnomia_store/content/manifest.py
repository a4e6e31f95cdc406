"""What files a snapshot folder holds, each with its digest; and whether they are still those."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dysnomia_store.errors import Refused
from dysnomia_store.model import FileEntry

OnBytes = Callable[[int], None]
_PIECE = 1 << 20
_LINK = b"symbolic link\n"
"""Digested before where a symbolic link points, so that no file passes for one."""


def walk(folder: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and link below a folder, by relative path, in the order of the folder itself."""
    with os.scandir(folder / below if below else folder) as found:
        for entry in found:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from walk(folder, path)
            else:
                yield path, entry


def files_in(folder: Path, on_bytes: OnBytes | None = None) -> tuple[FileEntry, ...]:
    """Digest everything in a folder, sorted by path. Raises Refused for pipes, sockets and devices; OSError."""
    return tuple(digest_entry(folder, path, on_bytes) for path in sorted(path for path, _ in walk(folder)))


def digest_entry(folder: Path, path: str, on_bytes: OnBytes | None = None) -> FileEntry:
    """The manifest entry of one file or link. Raises OSError, Refused."""
    where = folder / path
    kind = where.lstat().st_mode
    if stat.S_ISLNK(kind):
        return link_entry(path, os.readlink(where))
    if not stat.S_ISREG(kind):
        raise Refused(f"{path} is neither a file, a folder nor a link, and cannot be part of a snapshot")
    digest = hashlib.sha256()
    size = 0
    for piece in pieces(where):
        digest.update(piece)
        size += len(piece)
        if on_bytes is not None:
            on_bytes(len(piece))
    return FileEntry(path, size, digest.hexdigest())


def link_entry(path: str, target: str) -> FileEntry:
    """A symbolic link by where it points."""
    raw = os.fsencode(target)
    return FileEntry(path, len(raw), hashlib.sha256(_LINK + raw).hexdigest())


def pieces(path: Path) -> Iterator[memoryview]:
    """A regular file's bytes, never through a link. Each piece is good until the next is asked for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
        buffer = memoryview(bytearray(min(_PIECE, max(1, os.fstat(descriptor).st_size + 1))))
        while count := file.readinto(buffer):
            yield buffer[:count]


def differences(folder: Path, files: Sequence[FileEntry], on_bytes: OnBytes | None = None) -> tuple[list[str], bool]:
    """What is wrong with a folder by its manifest, in words, and whether all of it is only missing.

    Every byte is read. Raises PermissionError.
    """
    wrong: list[str] = []
    only_missing = True
    for entry in files:
        try:
            now = digest_entry(folder, entry.path, on_bytes)
        except FileNotFoundError:
            wrong.append(f"{entry.path} is missing")
            continue
        except PermissionError:
            raise
        except (OSError, Refused) as error:
            wrong.append(f"{entry.path} cannot be read: {getattr(error, 'strerror', None) or error}")
            only_missing = False
            continue
        if now != entry:
            size = f"{now.size:,} bytes, not {entry.size:,}" if now.size != entry.size else "its bytes changed"
            wrong.append(f"{entry.path} is damaged: {size}")
            only_missing = False
    known = {entry.path for entry in files}
    for path in sorted(path for path, _ in walk(folder)):
        if path not in known:
            wrong.append(f"{path} does not belong to it")
            only_missing = False
    return wrong, only_missing


def sizes_match(folder: Path, files: Sequence[FileEntry]) -> bool:
    """Whether every file is there with its size: a quick look, no byte is read."""
    try:
        there = {path: entry.stat(follow_symlinks=False).st_size for path, entry in walk(folder)}
    except OSError:
        return False
    return there == {entry.path: entry.size for entry in files}
