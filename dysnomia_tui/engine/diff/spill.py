"""Private temporary files: records that can be paged, and a sort that needs little memory.

Files are unlinked as soon as they are made, in a folder of mode 0700 that is swept when its process is gone. Records
are marshalled tuples of our own: nothing from outside is ever unmarshalled.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import marshal
import os
import shutil
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from dysnomia_base.exit_codes import NO_SPACE

PREFIX = "dysnomia-diff."
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
RUN_BYTES = 16 << 20
"""What a sort holds in memory, counted in bytes of the rows themselves."""
_ELSEWHERE = "free some space there, or let TMPDIR name a folder on another disk"
_TOGETHER = 64
"""Records that are written and read at once,"""
_PIECE = 1 << 20
"""or as many as have so many bytes."""


def spill_root() -> Path:
    """Where large temporary files go: ``TMPDIR``, else /var/tmp, which is on a disk where /tmp may be memory."""
    named = os.environ.get("TMPDIR")
    return Path(named) if named else Path("/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir())


class PrivateFolder:
    """A new folder of mode 0700, locked until it is closed, which removes it, or its process has ended.

    The lock tells others that it is in use. The number of a process would not: below a ``/var/tmp`` that is shared with
    a container it is that of another process, or of none, and the time when a process began moves with the clock."""

    path: Path

    def __init__(self, root: Path | None = None) -> None:
        """Raises OSError."""
        root = root or spill_root()
        sweep(root)
        while True:
            self.path = _new_folder(root)
            self._descriptor = os.open(self.path, _FOLDER)
            with contextlib.suppress(OSError):  # a file system without locks: then nothing is swept there either
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            if _is_at(self._descriptor, self.path):
                return
            os.close(self._descriptor)  # another process's sweep came between the calls

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def _new_folder(root: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    except OSError as error:
        hint = _ELSEWHERE if error.errno in NO_SPACE else "let TMPDIR name a folder that can be written"
        raise OSError(error.errno, f"{error.strerror}: {hint}", str(root)) from error


def sweep(root: Path) -> None:
    """Remove folders of our own that a killed process left."""
    for folder in root.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            _remove_unheld(folder)


def _remove_unheld(folder: Path) -> None:
    """Raises OSError: BlockingIOError where a process holds it."""
    descriptor = os.open(folder, _FOLDER)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def not_kept(error: OSError, folder: Path) -> str:
    """What a person reads where something could not be written into a private folder."""
    return f"{folder.parent} takes no temporary files ({error.strerror or error}): {_ELSEWHERE}"


def told_where(error: OSError) -> OSError:
    """The error, with where it was where it is one of a temporary file, which has no name any more."""
    if error.filename is not None or error.errno not in NO_SPACE:
        return error
    return OSError(error.errno, f"{error.strerror}: {_ELSEWHERE}", str(spill_root()))


def temporary(folder: Path, buffering: int = -1) -> IO[bytes]:
    """A file that has no name any more: it goes when it is closed, however that comes about."""
    return tempfile.TemporaryFile(dir=folder, buffering=buffering)


class SpillFile:
    """One file that many ``Records`` may share: a comparison may have more sections than a process may open files."""

    def __init__(self, folder: Path) -> None:
        self._file = temporary(folder, buffering=0)
        self._end = 0

    def write(self, data: bytes) -> int:
        """Append it. Returns where it begins. Raises OSError, and then nothing is appended."""
        written = 0
        while written < len(data):
            written += os.pwrite(self._file.fileno(), data[written:], self._end + written)
        self._end += len(data)
        return self._end - len(data)

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``, which were written. Raises EOFError where the file was cut."""
        pieces = bytearray()
        while len(pieces) < size:
            piece = os.pread(self._file.fileno(), size - len(pieces), start + len(pieces))
            if not piece:
                raise EOFError("a temporary file is shorter than what was written to it")
            pieces += piece
        return bytes(pieces)

    def close(self) -> None:
        self._file.close()


class Records:
    """Tuples in a file, appended one by one and read by number.

    Args:
        folder: for a file of its own.
        shared: a file to write to in its place, which its owner closes.
    """

    __slots__ = ("_file", "_held", "_kept", "_own", "_pieces", "_weight")

    def __init__(self, folder: Path, shared: SpillFile | None = None) -> None:
        self._own = SpillFile(folder) if shared is None else None
        self._file = self._own or shared
        self._held: list[tuple[Any, ...]] | tuple[()] = ()
        self._weight = 0
        self._kept = 0
        """Records in the file."""
        self._pieces = array("Q")
        """Of each piece of it three numbers: its first record's, where it begins, and its bytes."""

    def __len__(self) -> int:
        return self._kept + len(self._held)

    def append(self, record: tuple[Any, ...]) -> None:
        """Raises OSError."""
        if isinstance(self._held, tuple):
            self._held = []
        self._held.append(record)
        self._weight += sum(len(cell) for cell in record if isinstance(cell, bytes))
        if len(self._held) >= _TOGETHER or self._weight >= _PIECE:
            self.seal()

    def page(self, start: int, count: int) -> Iterator[Any]:
        """Records from ``start``. Do not append while it runs."""
        end = min(start + count, len(self))
        if start < 0:
            return
        piece = bisect_right(range(0, len(self._pieces), 3), start, key=self._pieces.__getitem__) - 1
        while start < min(end, self._kept):
            assert self._file is not None
            first, begins, size = self._pieces[3 * piece : 3 * piece + 3]
            records = marshal.loads(self._file.read(begins, size))
            yield from records[start - first : end - first]
            start = first + len(records)
            piece += 1
        yield from self._held[max(0, start - self._kept) : max(0, end - self._kept)]

    def seal(self) -> None:
        """Write out what is held. Raises OSError."""
        if not self._held:
            return
        assert self._file is not None
        data = marshal.dumps(self._held)
        start = self._file.write(data)
        self._pieces.extend((self._kept, start, len(data)))
        self._kept += len(self._held)
        self._held, self._weight = (), 0

    def close(self) -> None:
        self._file = None
        if self._own is not None:
            self._own.close()


def sorted_records(
    records: Iterable[tuple[Any, ...]], folder: Path, *, weight: Callable[[Any], int], run_bytes: int = RUN_BYTES
) -> Iterator[Any]:
    """Records in order, holding ``run_bytes`` of them at a time.

    Args:
        records: tuples that compare with each other.
        folder: for the runs that do not fit.
        weight: the bytes a record takes, roughly.
    """
    runs: list[IO[bytes]] = []
    held: list[Any] = []
    size = 0
    try:
        for record in records:
            held.append(record)
            size += weight(record)
            if size >= run_bytes:
                held.sort()
                runs.append(_write_run(held, folder))
                held, size = [], 0
        held.sort()
        if not runs:
            yield from held
        else:
            yield from heapq.merge(*map(_read_run, runs), held)
    finally:
        for run in runs:
            run.close()


def _write_run(records: Sequence[Any], folder: Path) -> IO[bytes]:
    run: IO[bytes] = temporary(folder)
    marshal.dump(len(records), run)
    for record in records:
        marshal.dump(record, run)
    run.seek(0)
    return run


def _read_run(run: IO[bytes]) -> Iterator[Any]:
    for _ in range(marshal.load(run)):
        yield marshal.load(run)
