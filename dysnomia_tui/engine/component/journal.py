"""The journal of a job: what was about to be done, on disk before it is done.

One file of preallocated zeros, so that a full disk cannot stop a swap between two of its steps. Each entry is a
line ``<crc32 hex> <json>``; reading stops at the first zero (a torn last write holds one: its step was not taken, for
``step`` had not returned). A whole line that is not what was written is damage, and said: what it said is not known.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from dysnomia_base.patterns import pattern
from dysnomia_plugins.base import Journal
from dysnomia_store.errors import Corrupt
from dysnomia_store.records.codec import open_file

PREALLOCATED = 256 * 1024
"""Bytes set aside when the journal is made: some two thousand steps. Beyond them it grows like any file."""

_HEAD = pattern(rb"[0-9a-f]{8} ")


class FileJournal:
    """A durable journal. One writer at a time (who holds the component's lock); any number of readers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._end = 0
        self._entries: list[tuple[str, Mapping[str, Any]]] = []
        self.damage = ""
        """What of it cannot be read, or ``""``. A journal that is not there yet is whole."""
        self._read()

    @classmethod
    def create(cls, path: Path, size: int = PREALLOCATED) -> Self:
        """Make the file with its space set aside. Raises OSError (a full disk: before anything was touched)."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(fd, size)
            os.fsync(fd)
        except OSError as error:
            error.filename = os.fspath(path)  # by a descriptor the system does not say which disk is full
            with suppress(OSError):
                path.unlink()  # what it got of the space
            raise
        finally:
            os.close(fd)
        return cls(path)

    def step(self, name: str, /, **data: Any) -> None:
        """Append an entry; it is on disk when this returns. Raises OSError, and then the step must not be taken."""
        body = json.dumps([name, data], separators=(",", ":")).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        if self._fd is None:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        written = 0
        while written < len(line):
            written += os.pwrite(self._fd, line[written:], self._end + written)
        os.fdatasync(self._fd)
        self._end += len(line)
        self._entries.append((name, json.loads(body)[1]))

    def steps(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return tuple(self._entries)

    def last(self, name: str) -> Mapping[str, Any] | None:
        """The data of the newest entry called ``name``."""
        return next((data for entry, data in reversed(self._entries) if entry == name), None)

    def trim(self) -> None:
        """Give back the space that was set aside and not needed: nothing more is to be done. Raises OSError."""
        os.truncate(self.path, self._end)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _read(self) -> None:
        try:
            content = _until_zero(self.path)
        except FileNotFoundError:
            return
        except (OSError, Corrupt) as error:
            self.damage = f"{self.path.name} cannot be read: {error.strerror if isinstance(error, OSError) else error}"
            return
        lines = content.split(b"\n")[:-1]  # what follows the last end of a line was torn
        if lines and not _HEAD.match(lines[-1]):
            lines.pop()  # the rest of a torn line, behind one that was written over its beginning
        for number, line in enumerate(lines, 1):
            try:
                self._entries.append(_entry(line))
            except Corrupt as error:
                self.damage = self.damage or f"{self.path.name} is damaged in line {number}: {error}"
        self._end = sum(len(line) + 1 for line in lines)


def _entry(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """Raises Corrupt."""
    from dysnomia_tui.engine.component.steps import entry_of  # only where a step is read

    body = line[9:]
    if line[8:9] != b" " or line[:8] != b"%08x" % zlib.crc32(body):
        raise Corrupt("its checksum is wrong")
    try:
        return entry_of(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise Corrupt(str(error)) from None


class PluginJournal:
    """What a plugin sees of a job's journal: its own steps, and none of the engine's."""

    ENTRY = "plugin"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def step(self, name: str, /, **data: Any) -> None:
        self._journal.step(self.ENTRY, step=name, data=data)

    def steps(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return tuple((data["step"], data["data"]) for name, data in self._journal.steps() if name == self.ENTRY)


class MemoryJournal:
    """A journal that forgets: for work that leaves nothing behind to recover (a probe, a preflight, a rescan)."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Mapping[str, Any]]] = []

    def step(self, name: str, /, **data: Any) -> None:
        self._entries.append((name, data))

    def steps(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return tuple(self._entries)


def _until_zero(path: Path) -> bytes:
    """The written part of the file: what comes after it was only set aside."""
    content = b""
    with open_file(path) as file:
        while chunk := file.read(8192):
            content += chunk
            if b"\0" in chunk:
                return content[: content.index(b"\0")]
    return content


def _allocate(fd: int, size: int) -> None:
    """Set space aside for good: where the file system cannot (EOPNOTSUPP), by writing the zeros."""
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        os.pwrite(fd, bytes(size), 0)
