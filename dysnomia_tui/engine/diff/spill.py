"""Private temporary files: records that can be paged, and a sort that needs little memory.

Files are unlinked as soon as they are made, in a folder of mode 0700 that is swept when its process is gone. Records
are marshalled tuples of our own: nothing from outside is ever unmarshalled.
"""

from __future__ import annotations

import heapq
import marshal
import os
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from dysnomia_tui.engine.errors import EngineError

PREFIX = "dysnomia-diff."
RUN_BYTES = 16 << 20
"""What a sort holds in memory, counted in bytes of the rows themselves."""
_SPARSE = 64
"""Every 64th record's place is remembered; the others are found by reading on from there."""


def spill_root() -> Path:
    """Where large temporary files go: ``TMPDIR``, else /var/tmp, which is on a disk where /tmp may be memory."""
    named = os.environ.get("TMPDIR")
    return Path(named) if named else Path("/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir())


def private_folder(root: Path | None = None) -> Path:
    """A new folder of mode 0700, named after this process so that a later one can tell whether it is still used.

    Raises EngineError where no process can be told from another, OSError."""
    root = root or spill_root()
    started = _started(os.getpid())
    if started < 0:  # and then the folder of a process that runs could be taken for that of a dead one
        raise EngineError("nothing can be compared here: /proc is not mounted", "mount -t proc proc /proc")
    sweep(root)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.{started}.", dir=root))


def sweep(root: Path) -> None:
    """Remove folders of our own that a killed process left."""
    for folder in root.glob(PREFIX + "*"):
        try:
            pid, started = folder.name.removeprefix(PREFIX).split(".")[:2]
            ours = folder.lstat().st_uid == os.geteuid()
            ended = not psutil.pid_exists(int(pid)) or _started(int(pid)) != int(started)
        except (ValueError, OSError):
            continue
        if ours and ended:
            shutil.rmtree(folder, ignore_errors=True)


def _started(pid: int) -> int:
    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return -1


def temporary(folder: Path, buffering: int = -1) -> IO[bytes]:
    """A file that has no name any more: it goes when it is closed, however that comes about."""
    return tempfile.TemporaryFile(dir=folder, buffering=buffering)


class Records:
    """Tuples in a file, appended once and then read by number."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = temporary(folder)
        self._places = array("Q")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, record: tuple[Any, ...]) -> None:
        if self._count % _SPARSE == 0:
            self._places.append(self._file.tell())
        marshal.dump(record, self._file)
        self._count += 1

    def page(self, start: int, count: int) -> Iterator[Any]:
        """Records from ``start``. Do not append while it runs."""
        count = min(count, self._count - start)
        if count <= 0 or start < 0:
            return
        self._file.seek(self._places[start // _SPARSE])
        for _ in range(start % _SPARSE):
            marshal.load(self._file)
        for _ in range(count):
            yield marshal.load(self._file)

    def seal(self) -> None:
        """No more is appended: forget the write position."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


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
