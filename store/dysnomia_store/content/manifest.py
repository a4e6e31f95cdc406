"""What files a snapshot folder holds, each with its digest; and whether they are still those."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from dysnomia_store.content.files import is_readers_own
from dysnomia_store.content.frame_folder import folder_of, read_footer
from dysnomia_store.content.proofs import OnBytes, Proofs
from dysnomia_store.errors import Corrupt, NotFound, Refused, StoreError
from dysnomia_store.model import FileEntry

_PIECE = 1 << 20
_LINK = b"symbolic link\n"
"""Digested before where a symbolic link points, so that no file passes for one."""


def walk(folder: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and link below a folder, by relative path, in the order of the folder itself."""
    with os.scandir(folder / below if below else folder) as scanned:
        for entry in scanned:
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


def differences(
    folder: Path, files: Sequence[FileEntry], on_bytes: OnBytes | None = None, proofs: Proofs | None = None
) -> tuple[list[str], bool]:
    """What is wrong with a folder by its manifest, in words, and whether all of it is only missing.

    Every byte is read, of frames only what ``proofs`` does not know yet.
    Raises OSError where it says nothing of the snapshot (``is_readers_own``).
    """
    wrong: list[str] = []
    only_missing = True
    known = set()
    proofs = proofs or Proofs()
    for entry in files:
        known.add(entry.path)
        difference, missing = _difference(folder, entry, on_bytes)
        if difference:
            wrong.append(difference)
            only_missing = only_missing and missing
        elif folder_of(entry.path):
            frames = folder / folder_of(entry.path)
            try:
                _, listed = read_footer(frames, entry.sha256)
            except (Corrupt, NotFound) as error:
                wrong.append(error.message)
                only_missing = False
                continue
            known.update(f"{frames.name}/{name}" for name in listed.names())
            for name, why in proofs.differences(frames, listed, on_bytes):
                wrong.append(f"{frames.name}/{name} {why or 'is missing'}")
                only_missing = only_missing and not why
    for path in sorted(path for path, _ in walk(folder)):
        if path not in known:
            wrong.append(f"{path} does not belong to it")
            only_missing = False
    return wrong, only_missing


def _difference(folder: Path, entry: FileEntry, on_bytes: OnBytes | None) -> tuple[str, bool]:
    """What is wrong with one file, or ``""``, and whether that is only that it is missing."""
    try:
        now = digest_entry(folder, entry.path, on_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return f"{entry.path} is missing", True
    except (OSError, Refused) as error:
        if is_readers_own(error):
            raise
        return f"{entry.path} cannot be read: {getattr(error, 'strerror', None) or error}", False
    if now != entry:
        size = f"{now.size:,} bytes, not {entry.size:,}" if now.size != entry.size else "its bytes changed"
        return f"{entry.path} is damaged: {size}", False
    return "", False


def sizes_match(folder: Path, files: Sequence[FileEntry]) -> bool:
    """Whether every file is there with its size: a quick look, of frames no byte is read but their last."""
    try:
        sizes = {path: entry.stat(follow_symlinks=False).st_size for path, entry in walk(folder)}
        wanted = {entry.path: entry.size for entry in files}
        for entry in files:
            frames = folder_of(entry.path)
            if frames:
                _, listed = read_footer(folder / frames, entry.sha256)
                for name, size in Proofs().sizes(folder / frames, listed):
                    wanted[f"{frames}/{name}"] = size
    except (OSError, StoreError):
        return False
    return sizes == wanted
