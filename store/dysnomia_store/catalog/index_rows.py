"""What was read of a component as rows of the index, and back."""

from __future__ import annotations

import json
import os
import sqlite3

from dysnomia_store.catalog.component import ComponentReading, GenerationRow, SnapshotRow
from dysnomia_store.catalog.quality import failed, is_known_bad

MOST_LOST = 1000
"""Generations that are named as lost: with more, the rest goes without saying."""
_FILE = 2
"""In ``present``: it is a file, and no folder."""
SCHEMA = """
CREATE TABLE comp (cid INTEGER PRIMARY KEY, container BLOB, component BLOB, proof TEXT, seen_inode INT, seen_offset INT,
    count INT, newest INT, newest_good INT, stored INT, problems INT, lost TEXT, born INT, turn INT,
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


def load(db: sqlite3.Connection, cid: int) -> ComponentReading:
    """All of a component but its long texts."""
    reading = ComponentReading()
    for gen in map(_gen, db.execute(f"SELECT {_LIGHT_GEN} FROM gen WHERE cid = ? ORDER BY number", (cid,))):
        reading.gens[gen.number] = gen
    for snap in map(_snap, db.execute(f"SELECT {_LIGHT_SNAP} FROM snap WHERE cid = ?", (cid,))):
        reading.snaps[snap.id] = snap
    inode, offset = db.execute("SELECT seen_inode, seen_offset FROM comp WHERE cid = ?", (cid,)).fetchone()
    reading.seen_at = (inode or 0, offset or 0)
    return reading


def store(db: sqlite3.Connection, cid: int, before: ComponentReading, now: ComponentReading, proof: str) -> None:
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
    lost = sorted(gen.number for gen in now.gens.values() if (gen.trouble or gen.id in bad) and not is_known_bad(gen))
    db.execute(
        "UPDATE comp SET proof = ?, seen_inode = ?, seen_offset = ?, count = ?, newest = ?, newest_good = ?,"
        " stored = ?, problems = ?, lost = ?, turn = ? WHERE cid = ?",
        (
            proof,
            *now.seen_at,
            len(now.gens),
            max(now.gens, default=None),
            max(good, default=None),
            sum(snap.stored_size for snap in now.snaps.values() if snap.exists),
            sum(1 for gen in now.gens.values() if gen.suspicious or gen.trouble or gen.id in bad),
            " ".join(map(str, lost[:MOST_LOST])),
            turn if gens or gone_gens else turn - 1,
            cid,
        ),
    )


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
