"""The index of a store: what was read of each component, kept in SQLite and proven fresh by the times of its folders.

Never the truth: whatever is wrong with it, it is made again, and where it cannot be written (another's store, a
read-only disk, a full one) a copy in memory serves this process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from dysnomia_base.gc_pause import gc_paused
from dysnomia_base.ownership import is_obeyed, may_be_made
from dysnomia_base.records import dataclass
from dysnomia_store.catalog.component import ComponentReading, read
from dysnomia_store.catalog.generations import Line
from dysnomia_store.catalog.quality import rate_generations
from dysnomia_store.catalog.rhythm import LOOKED_AT, usual_distance
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.names import ComponentKey

VERSION = 4
T = TypeVar("T")
Mark = tuple[int, int]
"""Of a component's rows: made when they were first read, and how often they changed since."""
NEVER: Mark = (0, 0)
PATIENCE = 5.0
"""Seconds to wait for another process that writes the index, before going on without it."""
_WATCHED = ("generations", "snapshots", "history", "metadata", "checks", "marks")
_RACY = 50_000_000
"""Nanoseconds. A folder changed so short a time before it was read may change again without its time moving on
(the kernel's clock for files ticks every 1 to 10 ms): such a reading is not proof of anything later."""
_SECOND = 1_000_000_000
_RACY_BY_SECONDS = 2 * _SECOND + _RACY
"""The same where the time is a whole second: so are all on ext2 and ext3, ext4 with inodes of 128 bytes and what such
is exported by NFS; FAT has two seconds."""
_LINES = (
    "SELECT number, gen.id, as_of, estimated, until, seen, history, marks, suspicious, trouble, metadata, last_check"
    " FROM gen LEFT JOIN snap ON snap.cid = gen.cid AND snap.id = gen.id WHERE gen.cid = ?"
)
_OWN = "SELECT cid, proof, count, newest, newest_good, stored, problems, lost FROM comp"
_PROOF = f"{_OWN} WHERE container = ? AND component = ?"
_COUNTED = f"{_OWN} WHERE cid = ?"
_NUMBERS = "SELECT number FROM gen WHERE cid = ? ORDER BY number"
_TIMES = "SELECT as_of, until, seen FROM gen WHERE cid = ? AND id != x'' ORDER BY number DESC"


@dataclass(frozen=True, slots=True)
class Glance:
    """What a summary needs of a component."""

    count: int
    newest: int | None
    newest_good: int | None
    stored: int
    problems: int
    lost: Sequence[int]
    """Numbers of generations that cannot be restored, for all that is known; not those that are marked bad."""
    usually: timedelta | None
    """The distance between two snapshots."""
    lines: Sequence[Line]
    """What there is of the newest generation and of the newest good one."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in the generations of a component since it was last asked."""

    mark: Mark
    numbers: list[int] | None
    """All of them, in order; None where ``lines`` are all there is."""
    lines: list[Line]


class Cache:
    """The index of one store, for one process. Safe to use from several threads."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._layout = layout
        self._disk = disk
        self._path = layout.top("cache") / f"index-{VERSION}.db"
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._private = False

    # What is asked of it.

    def glance(self, key: ComponentKey) -> Glance:
        """The component at a glance."""
        return self._with(key, self._glance)

    def glances(self, keys: Sequence[ComponentKey]) -> dict[ComponentKey, Glance]:
        """Those of these components of which the index says what is on the disk; the others are left out.

        It is read at one go: with a few rows of each, taking the lock of the file costs more than reading them."""
        read: dict[ComponentKey, Glance] = {}
        with self._lock:
            try:
                with self._reading() as db:
                    for key in keys:
                        row = db.execute(_PROOF, _names(key)).fetchone()
                        if row is not None and row[1] == prove(self._layout, key)[0]:
                            read[key] = self._glanced(db, row)
            except sqlite3.Error as error:
                self._in_place_of(error)
        return read

    def light(self, key: ComponentKey) -> ComponentReading:
        """Everything of a component, judged, but for the texts of history and metadata: enough to count by."""
        from dysnomia_store.catalog.index_rows import load

        return self._with(key, load)

    def since(self, key: ComponentKey, mark: Mark) -> Changes:
        """Changes since an earlier answer's mark; everything where the mark is not from this index."""

        def ask(db: sqlite3.Connection, cid: int) -> Changes:
            now: Mark = db.execute("SELECT born, turn FROM comp WHERE cid = ?", (cid,)).fetchone()
            if now[0] != mark[0]:
                return Changes(now, None, self._lines(db, cid, None))
            if now == mark:
                numbers, rows = [], []
            else:
                numbers = [number for (number,) in db.execute(_NUMBERS, (cid,))]
                rows = db.execute(f"{_LINES} AND gen.turn > ? ORDER BY number", (cid, mark[1])).fetchall()
            return Changes(now, numbers, list(map(Line._make, rows)))

        return self._with(key, ask)

    def lines(self, key: ComponentKey, numbers: Iterable[int] | None = None) -> list[Line]:
        """What there is of every generation, or of those with these numbers, in their order."""
        wanted = None if numbers is None else sorted(numbers)
        return self._with(key, lambda db, cid: self._lines(db, cid, wanted))

    def forget(self) -> None:
        """Prove everything anew at the next look."""
        with self._lock, suppress(sqlite3.Error):
            db = self._open()
            db.execute("UPDATE comp SET proof = ''")
            db.commit()

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    # How.

    def _with(self, key: ComponentKey, ask: Callable[[sqlite3.Connection, int], T]) -> T:
        """Ask of a fresh index. What is wrong with the file makes this process use one of its own."""
        with self._lock:
            try:
                db = self._open()
                with gc_paused():
                    return ask(db, self._fresh(db, key))
            except sqlite3.Error as error:
                db = self._in_place_of(error)
                return ask(db, self._fresh(db, key))

    def _in_place_of(self, error: sqlite3.Error) -> sqlite3.Connection:
        """An index of this process's own, for the one that is wrong. Raises the error where it is that already."""
        if self._private:
            raise error
        # Locked, full or read-only: what it says is still good. Else it is torn, and made again.
        sound = isinstance(error, sqlite3.OperationalError)
        if not sound:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        return self._go_private(seeded=sound)

    def _fresh(self, db: sqlite3.Connection, key: ComponentKey) -> int:
        """The component's number in the index, after its rows were made to say what is on the disk."""
        names = _names(key)
        row = db.execute(_PROOF, names).fetchone()
        proof, settled = prove(self._layout, key)
        if row is not None and row[1] == proof:
            return int(row[0])
        from dysnomia_store.catalog.index_rows import load, store  # most components have not changed

        with self._writing(db):
            row = db.execute(_PROOF, names).fetchone()
            if row is None:
                born = int.from_bytes(os.urandom(8), "big") >> 2 | 1
                db.execute(
                    "INSERT INTO comp (container, component, proof, born, turn) VALUES (?, ?, '', ?, 0)",
                    (*names, born),
                )
                row = db.execute("SELECT last_insert_rowid()").fetchone()
            cid = int(row[0])
            before = load(db, cid)
            now = read(self._layout, key, before)
            rate_generations(now)
            store(db, cid, before, now, proof if settled else "")
            return cid

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The index as it is at one moment. Who writes waits for its end."""
        db = self._open()
        db.execute("BEGIN")
        try:
            with gc_paused():
                yield db
        finally:
            db.rollback()

    @contextmanager
    def _writing(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            db.rollback()
            raise
        db.commit()

    def _open(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        try:
            self._db = self._open_shared()
        except (OSError, sqlite3.Error):
            return self._go_private()
        return self._db

    def _open_shared(self) -> sqlite3.Connection:
        folder = self._path.parent
        if not self._layout.root.is_dir() or not os.access(folder if folder.is_dir() else self._layout.root, os.W_OK):
            raise PermissionError(str(folder))
        if not may_be_made(self._path):  # root, who may write everywhere, would be led by another user's links
            raise PermissionError(str(self._path))
        if not folder.is_dir():
            with suppress(FileExistsError):
                self._disk.mkdir(folder)
        if not self._path.exists():
            with suppress(FileExistsError), self._disk.create(self._path):
                pass
        db = connect(str(self._path))
        try:
            if not _usable(db):
                _make(db)
        except sqlite3.DatabaseError as error:
            db.close()
            if not isinstance(error, sqlite3.OperationalError):  # locked, full, read-only: not the file's fault
                self._path.unlink(missing_ok=True)
            raise
        return db

    def _go_private(self, *, seeded: bool = True) -> sqlite3.Connection:
        """An index in memory, loaded from the one on disk where that can be read and nobody else wrote it."""
        self.close()
        db = connect(":memory:")
        if seeded and self._may_be_read():
            with suppress(sqlite3.Error), closing(connect(f"file:{quote(str(self._path))}?mode=ro", uri=True)) as disk:
                if _usable(disk):
                    disk.backup(db)
        try:
            usable = _usable(db)
        except sqlite3.Error:
            usable = False
        if not usable:
            db.close()
            db = connect(":memory:")
            _make(db)
        self._private = True
        self._db = db
        return db

    def _may_be_read(self) -> bool:
        """Whether nobody could have written the index on disk but root, we, or, unless we are root, the store's owner:
        who writes the generations may say what they are."""
        if is_obeyed(self._path):
            return True
        try:
            return os.geteuid() != 0 and is_obeyed(self._path, self._layout.root.stat().st_uid)
        except OSError:
            return False

    def _glance(self, db: sqlite3.Connection, cid: int) -> Glance:
        return self._glanced(db, db.execute(_COUNTED, (cid,)).fetchone())

    def _glanced(self, db: sqlite3.Connection, row: tuple[Any, ...]) -> Glance:
        """From the component's own row: see ``_OWN``."""
        cid, _, count, last, good, stored, problems, lost = row
        newest = db.execute(f"{_TIMES} LIMIT {LOOKED_AT}", (cid,)).fetchall()
        lines = self._lines(db, cid, sorted({number for number in (last, good) if number is not None}))
        numbers = tuple(map(int, lost.split()))
        return Glance(count, last, good, stored, problems, numbers, usual_distance(newest[::-1]), lines)

    def _lines(self, db: sqlite3.Connection, cid: int, numbers: list[int] | None) -> list[Line]:
        if numbers is None:
            return list(map(Line._make, db.execute(f"{_LINES} ORDER BY number", (cid,))))
        return [Line._make(row) for number in numbers for row in db.execute(f"{_LINES} AND number = ?", (cid, number))]


def connect(path: str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False, uri=uri, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")  # made again when it is torn; an fsync would only hold readers up
    db.execute("PRAGMA cache_size = -16000")
    return db


def _names(key: ComponentKey) -> tuple[bytes, bytes]:
    return os.fsencode(key.container), os.fsencode(key.component)


def _usable(db: sqlite3.Connection) -> bool:
    return bool(db.execute("PRAGMA user_version").fetchone()[0] == VERSION)


def _make(db: sqlite3.Connection) -> None:
    from dysnomia_store.catalog.index_rows import SCHEMA

    db.execute("BEGIN IMMEDIATE")
    if not _usable(db):  # another process may have been quicker
        for statement in filter(None, map(str.strip, SCHEMA.split(";"))):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def prove(layout: Layout, key: ComponentKey) -> tuple[str, bool]:
    """What a component's folders look like from outside, and whether they have been still for long enough."""
    parts: list[str] = []
    now, still = time.time_ns(), True
    for folder in layout.all_of(_WATCHED, key):
        still &= _look(folder, parts, now)
    still &= _look(layout.seen_text(key), parts, now)
    return " ".join(parts), still


def _look(path: str | Path, parts: list[str], now: int) -> bool:
    """Whether it has been still for so long that a change from now on would show."""
    try:
        at = os.stat(path)  # noqa: PTH116 (twice as quick, and asked for every component)
    except OSError:
        parts.append("-")
        return True
    changed, written = at.st_ctime_ns, at.st_mtime_ns
    parts.append(f"{at.st_ino}.{written}.{changed}.{at.st_size}")
    newest = max(written, changed)
    return abs(now - newest) > (_RACY if newest % _SECOND else _RACY_BY_SECONDS)
