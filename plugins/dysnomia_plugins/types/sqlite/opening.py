"""Opening SQLite databases safely, and saying in words what went wrong.

A live file is touched through SQLite alone: ``open`` and ``close`` of the same file in this process would drop the
POSIX locks that SQLite holds on it (sqlite.org/howtocorrupt.html, section 2.2). Only private copies are read as files.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import CancelToken
from dysnomia_plugins.errors import Cancelled, PluginError
from dysnomia_plugins.toolkit.guarded.acting import as_ourselves, current_actor

MAGIC = b"SQLite format 3\x00"
HEADER_SIZE = 100
CHUNK = 1 << 20
"""Bytes that are copied at a time."""
BUSY_ROUND = 1.0
"""Seconds SQLite itself waits for a lock, between two looks at the cancel token."""
LOCK_TIMEOUT = 30.0
"""Seconds until a database that others keep locked is given up."""
_WRITING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class NotADatabase(PluginError):
    """The file is there, and SQLite cannot read it as a database."""


class DatabaseLocked(PluginError):
    """Another process kept the database locked until the deadline."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first 100 bytes of a database file say (sqlite.org/fileformat2.html, section 1.3)."""

    page_size: int
    wal: bool
    encoding: int
    """1: UTF-8, 2: UTF-16le, 3: UTF-16be; 0 in a database that holds nothing yet."""
    schema_cookie: int

    @classmethod
    def parse(cls, head: bytes) -> Header:
        """Raises NotADatabase."""
        if len(head) < HEADER_SIZE or not head.startswith(MAGIC):
            raise NotADatabase("this is not the page copy of an SQLite database")
        size = struct.unpack_from(">H", head, 16)[0]
        cookie, encoding = struct.unpack_from(">I", head, 40)[0], struct.unpack_from(">I", head, 56)[0]
        return cls(65536 if size == 1 else size, head[18] == 2, encoding, cookie)


def uri_of(path: Path | str, mode: str, *, immutable: bool = False) -> str:
    """``path`` for SQLite, whatever bytes are in it: they travel percent-encoded."""
    return f"file:{quote(os.fsencode(path))}?mode={mode}" + ("&immutable=1" if immutable else "")


def connect(path: Path | str, *, mode: str = "rw", immutable: bool = False) -> sqlite3.Connection:
    """Open ``path`` in autocommit mode; the file must exist unless ``mode`` is ``rwc``.

    ``immutable`` is for private copies only: no locks, no -wal, no -shm. Nothing is read until the first statement.
    Raises PluginError.
    """
    uri = uri_of(path, mode, immutable=immutable)
    with explained(path):
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_ROUND)


def is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what SQLite raises about ``path`` into a PluginError in an operator's words.

    Raises PluginError (NotADatabase, DatabaseLocked, …)."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from _cause(error, path)
    except UnicodeEncodeError:
        raise PluginError(f"{show(path)} holds a name that is not UTF-8", "it cannot be named in SQL") from None
    except MemoryError:
        raise PluginError(f"{show(path)} needs more memory than is free", "free memory, then try again") from None


@contextmanager
def written(path: Path | str) -> Iterator[None]:
    """While another database is copied into ``path``: what cannot be written is told of this file, not of that one.

    Raises PluginError, sqlite3.Error."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _WRITING:
            raise explain(error, path) from _cause(error, path)
        raise


def _cause(error: sqlite3.Error, path: Path | str) -> OSError | None:
    """What stands for a full disk, whose exit code is its own."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    full = code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_CANTOPEN and _takes_no_file(path))
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None


def explain(error: sqlite3.Error, path: Path | str) -> PluginError:
    """One error of SQLite's as ours."""
    where, code = show(path), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return NotADatabase(f"{where} is not an SQLite database", "it may be encrypted, or overwritten")
    if code == sqlite3.SQLITE_CORRUPT:
        return NotADatabase(f"{where} is damaged ({error})", "restore a good generation")
    if code == sqlite3.SQLITE_INTERRUPT:
        return Cancelled("a cancel was asked for")
    if code in _BUSY:
        return DatabaseLocked(
            f"{where} is locked by another process", "end the process that has it open, or try again later"
        )
    if code == sqlite3.SQLITE_FULL:
        return PluginError(f"no space is left where {where} is", "free some there, and try again")
    if code == sqlite3.SQLITE_CANTOPEN and _takes_no_file(path):  # its journal, or its -shm
        what = f"SQLite can make no file beside {where}: its file system can hold no more (see df -i)"
        return PluginError(what, "delete or move some files there, and try again")
    if code == sqlite3.SQLITE_READONLY:
        return PluginError(
            f"permission denied: {where} is not writable ({error}){_as_whom()}", _way_out("run as its owner or as root")
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        hint = _way_out("check that it exists, and the permissions of it and its folder")
        return PluginError(f"{where} cannot be opened ({error}){_as_whom()}", hint)
    return PluginError(f"SQLite failed on {where} ({error})")


def _takes_no_file(path: Path | str) -> bool:
    """Whether its file system counts its files, and can hold no more."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    return bool(disk.f_files) and not disk.f_favail


def _as_whom() -> str:
    actor = current_actor()
    return f" by {actor}, as whom it is worked on in a folder that is not root's" if actor else ""


def _way_out(hint: str) -> str:
    actor = current_actor()
    return f"let {actor} read and write it, or give the folder and those above it to root" if actor else hint


def show(path: Path | str) -> str:
    """A path for a message: bytes that are no text become ``?``-free escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class Deadline:
    """Until when a lock is waited for; asked between the rounds that SQLite waits itself."""

    def __init__(
        self, path: Path, seconds: float, cancel: CancelToken, who: Callable[[Path], str] | None = None
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._cancel = cancel
        self._who = who

    def anew(self) -> Deadline:
        """The same time once more, from now."""
        return Deadline(self._path, self._seconds, self._cancel, self._who)

    def check(self) -> None:
        """Raise Cancelled if asked to, DatabaseLocked when the time is over."""
        with as_ourselves():
            self._cancel.check()
            if time.monotonic() < self._until:
                return
            holders = self._who(self._path) if self._who is not None else ""
            raise DatabaseLocked(
                f"{show(self._path)} stayed locked for {self._seconds:g} s"
                + (f" (open in {holders})" if holders else ""),
                "end the process that holds the lock, or try again later",
            )

    def insist(self, connection: sqlite3.Connection, *statements: str) -> list[object]:
        """Run statements, again and again while the database is busy; the first row of the last one.

        Raises sqlite3.Error, DatabaseLocked, Cancelled."""
        while True:
            self.check()
            try:
                row: list[object] = []
                for statement in statements:
                    row = list(connection.execute(statement).fetchone() or ())
                return row
            except sqlite3.OperationalError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if not is_busy(error):
                    raise
