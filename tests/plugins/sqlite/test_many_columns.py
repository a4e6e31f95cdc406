"""Tables with as many columns as SQLite takes: the rowid, or the two readings of a column in UTF-16, are more than a
result may have."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import World

MOST = 2000


def lines(database: Path) -> str:
    """What SQLite's own program says is in it (its ``.dump`` cannot take as many columns)."""
    script = ".mode quote\nPRAGMA encoding;\n.schema\nSELECT * FROM t;\n"
    return subprocess.run(["sqlite3", database], input=script, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("encoding", "form", "long"),
    [("UTF-8", "", True), ("UTF-16", "", False), ("UTF-16", " WITHOUT ROWID", True)],
)
def test_a_table_of_as_many_columns_as_there_can_be(tmp_path: Path, encoding: str, form: str, long: bool) -> None:
    world = World(tmp_path)
    folder = tmp_path / "live"
    folder.mkdir()
    world.container("db", type="sqlite-database", sqliteDir=str(folder))
    key = "PRIMARY KEY NOT NULL" if form else ""
    columns = ", ".join(f"c{at} {key if at == 0 else ''}" for at in range(MOST))
    with closing(sqlite3.connect(folder / "orders")) as db:
        db.executescript(f"PRAGMA encoding = '{encoding}'; CREATE TABLE t ({columns}){form};")
        text = "é" * ((3 << 20) if long else 3)
        db.execute(f"INSERT INTO t VALUES ({', '.join(['?'] * MOST)})", (*range(MOST - 1), text))
        db.execute("INSERT INTO t (c0) VALUES ('another')")
        db.commit()
    was = lines(folder / "orders")
    world.component("db/orders", "x", "")
    (tmp_path / "components" / "db" / "orders" / "x").unlink()
    snapshot = ("dysnomia", "-o", "snapshot", "-C", "db", "-c", "orders")
    world.run(*snapshot)
    with closing(sqlite3.connect(folder / "orders")) as db:
        db.execute("UPDATE t SET c1999 = 'new' WHERE c0 = 'another'")
        db.commit()
    world.run(*snapshot)
    rows = world.run("dysnomia-snapshots", "--diff", "1", "2", "--rows", "-C", "db", "-c", "orders").out
    assert "new" in rows
    assert len(world.run("dysnomia-snapshots", "--query-all").lines) == 2
    world.run("dysnomia", "-o", "restore", "-C", "db", "-c", "orders", "--generation", "1")
    assert lines(folder / "orders") == was
