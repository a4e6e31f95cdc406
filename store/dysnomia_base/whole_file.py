"""A small file that is replaced whole: who reads it finds all of it, old or new, however many write it at once."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def in_place_of(path: Path, mode: int = 0o600, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A new file beside ``path``, under a name that no other writer has, that takes its place when the block ends well.

    Args:
        mode: as the umask allows.
        durable: wait until the disk has it.

    Raises OSError; then what was there is as it was, and nothing lies beside it. What a writer that was killed left
    beside it is removed by the next.
    """
    new, descriptor = _new_beside(path, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
            new.replace(path)  # while the file is held: closed, it would be one that a killed writer left
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _new_beside(path: Path, mode: int) -> tuple[Path, int]:
    """A new file, locked for as long as its writer lives. Raises OSError."""
    start = f".{path.name[:200]}."
    _sweep(path.parent, start)
    while True:
        new = path.with_name(f"{start}{os.urandom(8).hex()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with suppress(OSError):  # a file system without locks: then nothing is removed there either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), new.lstat()):
                return new, descriptor
        os.close(descriptor)  # another writer's sweep came between the two calls


def _sweep(folder: Path, start: str) -> None:
    """Remove new files that no process holds: their writer was killed."""
    left = re.compile(rf"{re.escape(start)}[0-9a-f]{{16}}\.new")
    with suppress(OSError):
        for name in [entry.name for entry in os.scandir(folder) if left.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove_unheld(folder / name)


def _remove_unheld(path: Path) -> None:
    """Raises OSError: BlockingIOError where a process holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's entries. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
