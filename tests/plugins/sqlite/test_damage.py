"""What is damage and what is none: a snapshot that is good can be restored, and what could not is not kept as one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.types.sqlite.opening import NotADatabase
from tests.plugins.sqlite.bench import SqliteBench

SOUND = {
    "a key in another order than the columns": (
        "CREATE TABLE t(a, b, c, PRIMARY KEY(c, a)) WITHOUT ROWID",
        "INSERT INTO t VALUES(1,2,3),(1,2,4)",  # SQLite 3.40: NULL value in t.a
    ),
    "a value from before NOT NULL": (
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES(NULL)",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql='CREATE TABLE t(a NOT NULL)' WHERE name='t'",
    ),
    "a value from before CHECK": (
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES(5)",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql='CREATE TABLE t(a CHECK(a > 9))' WHERE name='t'",
    ),
    "a value from before STRICT": (
        "CREATE TABLE t(a INTEGER)",
        "INSERT INTO t VALUES('text')",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql='CREATE TABLE t(a INTEGER) STRICT' WHERE name='t'",
    ),
    "a page that is lost": (
        "CREATE TABLE t(a)",
        "CREATE TABLE gone(a)",
        "PRAGMA writable_schema=ON",
        "DELETE FROM sqlite_master WHERE name='gone'",
    ),
}


@pytest.mark.parametrize("statements", SOUND.values(), ids=SOUND)
def test_what_is_kept_against_its_declaration_can_be_restored(tmp_path: Path, statements: tuple[str, ...]) -> None:
    """As it was. Its snapshots were good, and each restore of one was refused as damaged."""
    bench = SqliteBench(tmp_path, *statements)
    first = bench.dump()
    before = bench.run("SELECT * FROM t")
    bench.run("CREATE TABLE another(a)")
    bench.replace(first, bench.job())
    assert bench.run("SELECT * FROM t") == before
    assert bench.identity() == first.digest


def _overwrite_index(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size + 8 : root * size] = b"\xee" * (size - 8)
    path.write_bytes(data)


def _overwrite_rows(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-4096 * 5 : -4096 * 5 + 100] = bytes(100)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_overwrite_index, _overwrite_rows])
def test_a_damaged_database_is_refused_by_its_own_name(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Rows are read without indexes: of one that was damaged snapshots were good, and none could be restored."""
    numbers = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 200)"
    bench = SqliteBench(tmp_path, "CREATE TABLE i(v)", "CREATE INDEX ix ON i(v)", "INSERT INTO i VALUES('a'),('b')",
        "CREATE TABLE t(v)", f"INSERT INTO t {numbers} SELECT hex(randomblob(450)) FROM r")  # fmt: skip
    first = bench.dump()
    damage(bench.live)
    with pytest.raises(NotADatabase) as raised:
        bench.dump()
    assert raised.value.message.startswith(f"{bench.live} is damaged (")
    bench.replace(first, bench.job())
    assert bench.identity() == first.digest
