"""The index of a store: what was read of each component, kept in SQLite and proven fresh by the times of its folders.

Never the truth: whatever is wrong with it, it is made again, and where it cannot be written (another's store, a
read-only disk, a full one) a copy in memory serves this process.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from dysnomia_base.gc_pause import gc_paused
from dysnomia_base.ownership import is_obeyed, may_be_made
from dysnomia_base.records import dataclass
from dysnomia_store.catalog.component import ComponentReading, GenerationRow, SnapshotRow, read
from dysnomia_store.catalog.generations import Line
from dysnomia_store.catalog.quality import failed, rate_generations
from dysnomia_store.catalog.rhythm import LOOKED_AT, usual_distance
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.names import ComponentKey

VERSION = 3
T = TypeVar("T")
Mark = tuple[int, int]
"""Of a component's rows: made when they were first read, and how often they changed since."""
NEVER: Mark = (0, 0)
PATIENCE = 5.0
"""Seconds to wait for another process that writes the index, before going on without it."""
_WATCHED = ("generations", "snapshots", "history", "metadata", "checks", "marks")
_FILE = 2
"""In ``present``: it is a file, and no folder."""
_RACY = 50_000_000
"""Nanoseconds. A folder changed so short a time before it was read may change again without its time moving on
(the kernel's clock for files ticks every 1 to 10 ms): such a reading is not proof of anything later."""
_SCHEMA = """
CREATE TABLE comp (cid INTEGER PRIMARY KEY, container BLOB, component BLOB, proof TEXT, seen_inode INT, seen_offset INT,
    count INT, newest INT, newest_good INT, stored INT, problems INT, born INT, turn INT,
    UNIQUE (container, component));
CREATE TABLE gen (cid INT, number INT, id BLOB, as_of INT, estimated INT, until INT, seen INT, history TEXT,
    mark_name BLOB, marks TEXT, suspicious TEXT, problem TEXT, good INT, trouble TEXT, turn INT,
    PRIMARY KEY (cid, number));
CREATE TABLE snap (cid INT, id BLOB, present INT, content_size INT, stored_size INT, complete INT, sections INT,
    metadata TEXT, metadata_error TEXT, metadata_sig TEXT, size_sig TEXT, last_check TEXT, check_sig TEXT,
    lacks TEXT, PRIMARY KEY (cid, id)) WITHOUT ROWID;
"""
_GEN = "number, id, as_of, estimated, until, seen, history, mark_name, marks, suspicious, problem, good, trouble"
_SNAP = (
    "id, present, content_size, stored_size, complete, sections, metadata, metadata_error, metadata_sig, size_sig,"
    " last_check, check_sig, lacks"
)
_LINES = (
    "SELECT number, gen.id, as_of, estimated, until, seen, history, marks, suspicious, trouble, metadata, last_check"
    " FROM gen LEFT JOIN snap ON snap.cid = gen.cid AND snap.id = gen.id WHERE gen.cid = ?"
)
_NUMBERS = "SELECT number FROM gen WHERE cid = ? ORDER BY number"
_TIMES = "SELECT as_of, until, seen FROM gen WHERE cid = ? AND id != x'' ORDER BY number DESC"
_LIGHT_GEN = _GEN.replace("history", "substr(history, 1, 0)")
_LIGHT_SNAP = _SNAP.replace(" metadata,", " substr(metadata, 1, 0),")
"""With ``""`` for the long texts that are there: they stay in the index."""


def _put(table: str, columns: str, key: str, long: str) -> str:
    """A statement that writes a row, and leaves its long text as it is where that is given as ``""``."""
    names = columns.split(", ")
    given = ", ".join(
        f"{name} = iif(excluded.{name} = '', {name}, excluded.{name})" if name == long else f"{name} = excluded.{name}"
        for name in names
        if name != key
    )
    values = ", ".join("?" * (len(names) + 1))
    return f"INSERT INTO {table} (cid, {columns}) VALUES ({values}) ON CONFLICT (cid, {key}) DO UPDATE SET {given}"


_PUT_GEN = _put("gen", f"{_GEN}, turn", "number", "history")
_PUT_SNAP = _put("snap", _SNAP, "id", "metadata")


@dataclass(frozen=True, slots=True)
class Glance:
    """What a summary needs of a component."""

    count: int
    newest: int | None
    newest_good: int | None
    stored: int
    problems: int
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

    def light(self, key: ComponentKey) -> ComponentReading:
        """Everything of a component, judged, but for the texts of history and metadata: enough to count by."""
        return self._with(key, self._load)

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
                if self._private:
                    raise
                # Locked, full or read-only: what it says is still good. Else it is torn, and made again.
                sound = isinstance(error, sqlite3.OperationalError)
                if not sound:
                    with suppress(OSError):
                        self._path.unlink(missing_ok=True)
                db = self._go_private(seeded=sound)
                return ask(db, self._fresh(db, key))

    def _fresh(self, db: sqlite3.Connection, key: ComponentKey) -> int:
        """The component's number in the index, after its rows were made to say what is on the disk."""
        names = (os.fsencode(key.container), os.fsencode(key.component))
        row = db.execute("SELECT cid, proof FROM comp WHERE container = ? AND component = ?", names).fetchone()
        proof, settled = prove(self._layout, key)
        if row is not None and row[1] == proof:
            return int(row[0])
        with self._writing(db):
            row = db.execute("SELECT cid, proof FROM comp WHERE container = ? AND component = ?", names).fetchone()
            if row is None:
                born = int.from_bytes(os.urandom(8), "big") >> 2 | 1
                db.execute(
                    "INSERT INTO comp (container, component, proof, born, turn) VALUES (?, ?, '', ?, 0)",
                    (*names, born),
                )
                row = db.execute("SELECT last_insert_rowid()").fetchone()
            cid = int(row[0])
            before = self._load(db, cid)
            now = read(self._layout, key, before)
            rate_generations(now)
            _store(db, cid, before, now, proof if settled else "")
            return cid

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
        sql = "SELECT count, newest, newest_good, stored, problems FROM comp WHERE cid = ?"
        newest = db.execute(f"{_TIMES} LIMIT {LOOKED_AT}", (cid,)).fetchall()
        count, last, good, stored, problems = db.execute(sql, (cid,)).fetchone()
        lines = self._lines(db, cid, sorted({number for number in (last, good) if number is not None}))
        return Glance(count, last, good, stored, problems, usual_distance(newest[::-1]), lines)

    def _load(self, db: sqlite3.Connection, cid: int) -> ComponentReading:
        reading = ComponentReading()
        for gen in map(_gen, db.execute(f"SELECT {_LIGHT_GEN} FROM gen WHERE cid = ? ORDER BY number", (cid,))):
            reading.gens[gen.number] = gen
        for snap in map(_snap, db.execute(f"SELECT {_LIGHT_SNAP} FROM snap WHERE cid = ?", (cid,))):
            reading.snaps[snap.id] = snap
        inode, offset = db.execute("SELECT seen_inode, seen_offset FROM comp WHERE cid = ?", (cid,)).fetchone()
        reading.seen_at = (inode or 0, offset or 0)
        return reading

    def _lines(self, db: sqlite3.Connection, cid: int, numbers: list[int] | None) -> list[Line]:
        if numbers is None:
            return list(map(Line._make, db.execute(f"{_LINES} ORDER BY number", (cid,))))
        return [Line._make(row) for number in numbers for row in db.execute(f"{_LINES} AND number = ?", (cid, number))]


def connect(path: str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False, uri=uri, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")  # made again when it is torn; an fsync would only hold readers up
    db.execute("PRAGMA cache_size = -16000")
    return db


def _usable(db: sqlite3.Connection) -> bool:
    return bool(db.execute("PRAGMA user_version").fetchone()[0] == VERSION)


def _make(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if not _usable(db):  # another process may have been quicker
        for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def prove(layout: Layout, key: ComponentKey) -> tuple[str, bool]:
    """What a component's folders look like from outside, and whether they have been still for long enough."""
    parts: list[str] = []
    newest = 0
    for folder in layout.all_of(_WATCHED, key):
        newest = max(newest, _look(folder, parts))
    newest = max(newest, _look(layout.seen(key), parts))
    return " ".join(parts), abs(time.time_ns() - newest) > _RACY


def _look(path: str | Path, parts: list[str]) -> int:
    try:
        at = os.stat(path)  # noqa: PTH116 (twice as quick, and asked for every component)
    except OSError:
        parts.append("-")
        return 0
    parts.append(f"{at.st_ino}.{at.st_mtime_ns}.{at.st_ctime_ns}.{at.st_size}")
    return max(at.st_mtime_ns, at.st_ctime_ns)


def _gen(row: tuple[object, ...]) -> GenerationRow:
    number, snapshot_id, as_of, estimated, until, seen, history, name, marks, suspicious, problem, good, trouble = row
    return GenerationRow(
        number,  # type: ignore[arg-type]
        os.fsdecode(snapshot_id),  # type: ignore[arg-type]
        as_of,  # type: ignore[arg-type]
        estimated == 1,
        until,  # type: ignore[arg-type]
        seen,  # type: ignore[arg-type]
        history,  # type: ignore[arg-type]
        os.fsdecode(name),  # type: ignore[arg-type]
        marks,  # type: ignore[arg-type]
        suspicious,  # type: ignore[arg-type]
        problem,  # type: ignore[arg-type]
        good == 1,
        trouble,  # type: ignore[arg-type]
    )


def _gen_row(gen: GenerationRow) -> tuple[object, ...]:
    return (
        gen.number, os.fsencode(gen.id), gen.as_of, int(gen.estimated), gen.until, gen.seen, gen.history,
        os.fsencode(gen.mark_name), gen.marks, _text(gen.suspicious), _text(gen.problem), int(gen.good),
        _text(gen.trouble),
    )  # fmt: skip


def _text(words: str) -> str:
    """Words that may quote a name which is not UTF-8, as SQLite takes them."""
    return words.encode("utf-8", "backslashreplace").decode()


def _snap(row: tuple[object, ...]) -> SnapshotRow:
    (
        snapshot_id, present, content_size, stored_size, complete, sections, metadata, metadata_error, metadata_sig,
        size_sig, last_check, check_sig, lacks,
    ) = row  # fmt: skip
    return SnapshotRow(
        os.fsdecode(snapshot_id),  # type: ignore[arg-type]
        present == 1,
        content_size,  # type: ignore[arg-type]
        stored_size,  # type: ignore[arg-type]
        None if complete is None else complete == 1,
        sections,  # type: ignore[arg-type]
        metadata,  # type: ignore[arg-type]
        metadata_error,  # type: ignore[arg-type]
        metadata_sig,  # type: ignore[arg-type]
        size_sig,  # type: ignore[arg-type]
        last_check,  # type: ignore[arg-type]
        check_sig,  # type: ignore[arg-type]
        tuple(json.loads(lacks)) if lacks else (),  # type: ignore[arg-type]
        present == _FILE,
    )


def _snap_row(snap: SnapshotRow) -> tuple[object, ...]:
    return (
        os.fsencode(snap.id), _FILE if snap.file else int(snap.exists), snap.content_size, snap.stored_size,
        None if snap.complete is None else int(snap.complete), snap.sections, snap.metadata,
        _text(snap.metadata_error), snap.metadata_sig, snap.size_sig, snap.check, snap.check_sig,
        json.dumps(snap.lacks) if snap.lacks else "",
    )  # fmt: skip


def _store(db: sqlite3.Connection, cid: int, before: ComponentReading, now: ComponentReading, proof: str) -> None:
    """Write what changed, and what it comes to. A long text that is ``""`` is the one the index has."""
    gone_gens = [(cid, number) for number in before.gens.keys() - now.gens.keys()]
    gone_snaps = [(cid, os.fsencode(snapshot_id)) for snapshot_id in before.snaps.keys() - now.snaps.keys()]
    db.executemany("DELETE FROM gen WHERE cid = ? AND number = ?", gone_gens)
    db.executemany("DELETE FROM snap WHERE cid = ? AND id = ?", gone_snaps)
    turn = int(db.execute("SELECT turn FROM comp WHERE cid = ?", (cid,)).fetchone()[0]) + 1
    changed = {snap.id: snap for snap in now.snaps.values() if before.snaps.get(snap.id) != snap}
    gens = [gen for gen in now.gens.values() if gen.id in changed or before.gens.get(gen.number) != gen]
    db.executemany(_PUT_GEN, ((cid, *_gen_row(gen), turn) for gen in gens))
    db.executemany(_PUT_SNAP, ((cid, *_snap_row(snap)) for snap in changed.values()))
    bad = {snap.id for snap in now.snaps.values() if failed(snap)}
    good = [gen.number for gen in now.gens.values() if gen.good]
    db.execute(
        "UPDATE comp SET proof = ?, seen_inode = ?, seen_offset = ?, count = ?, newest = ?, newest_good = ?,"
        " stored = ?, problems = ?, turn = ? WHERE cid = ?",
        (
            proof,
            *now.seen_at,
            len(now.gens),
            max(now.gens, default=None),
            max(good, default=None),
            sum(snap.stored_size for snap in now.snaps.values() if snap.exists),
            sum(1 for gen in now.gens.values() if gen.suspicious or gen.trouble or gen.id in bad),
            turn if gens or gone_gens else turn - 1,
            cid,
        ),
    )
