"""SQL patches: what the sqlite3 program makes of one state with them is the other state, to the last byte of its id."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.types.sqlite.literals import literal
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.patch import sql_patch
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.sqlite.test_reader import Contents
from tests.plugins.sqlite.world import SEED

ZOO = Path(__file__).with_name("zoo.sql")
SCHEMA = """
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE ON CONFLICT REPLACE);
CREATE TABLE named (k TEXT PRIMARY KEY COLLATE NOCASE, r REAL, i INTEGER, twice AS (i + i) STORED) WITHOUT ROWID;
CREATE TABLE plain (a, b REFERENCES counted (id) ON DELETE CASCADE);
CREATE TRIGGER heard AFTER DELETE ON counted BEGIN INSERT INTO plain VALUES ('a row; went', old.id); END;
CREATE TRIGGER told AFTER INSERT ON plain WHEN new.a IS NULL BEGIN DELETE FROM counted; END;
"""
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=6),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["it's", "a\r\nb", ".bail off\n;", "a\0b", "--", "\ufeff", "COMMIT;\n", "\\", "12", "1e3"]),
)
WHOLE = st.one_of(st.none(), st.integers(-(2**62), 2**62 - 1))
STATE = st.tuples(
    st.lists(st.tuples(st.integers(1, 5), VALUES), max_size=4, unique_by=lambda row: row[0]),
    st.lists(st.tuples(st.text("abA", max_size=2), st.floats(allow_nan=False), WHOLE), max_size=4),
    st.lists(st.tuples(VALUES, st.integers(1, 5)), max_size=4),
)


def make(path: Path, rows: tuple[Sequence[Any], ...], schema: str = SCHEMA) -> None:
    """A database with these rows, and no trigger or reference that had a say in it."""
    tables, _, triggers = schema.partition("CREATE TRIGGER")
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(tables)
        db.executemany("INSERT OR IGNORE INTO counted VALUES (?, ?)", rows[0])
        db.executemany("INSERT OR IGNORE INTO named (k, r, i) VALUES (?, ?, ?)", rows[1])
        db.executemany("INSERT INTO plain VALUES (?, ?)", rows[2])
        db.executescript(f"CREATE TRIGGER{triggers}" if triggers else "")


def patch(old: Path, new: Path) -> str:
    """The patch between two files."""
    plugin = SqliteDatabase()
    with TemporaryDirectory() as name:
        folder = Path(name)
        bare = Bare(plugin, folder, component(folder, sqliteDir=name))
        sides = [Opened(plugin, bare.dump(Place(str(path)))) for path in (old, new)]
        return "".join(sql_patch(sides[0], sides[1], folder, "1 -> 2"))


def apply(path: Path, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script with the program that operators have."""
    return subprocess.run(["sqlite3", str(path)], input=script.encode(), capture_output=True, check=False)


def digest(path: Path) -> str:
    return Contents(path).digest


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(before=STATE, after=STATE)
def test_a_patch_gives_exactly_the_other_state_and_fits_no_third_one(
    before: tuple[Sequence[Any], ...], after: tuple[Sequence[Any], ...]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        old, new = folder / "old", folder / "new"
        make(old, before)
        make(new, after)
        wanted, was = digest(new), digest(old)
        script = patch(old, new)
        done = apply(old, script)
        assert (done.returncode, done.stderr) == (0, b"")
        assert digest(old) == wanted
        if script.count("DELETE FROM main") > 1 and was != wanted:  # one is of the counters
            again = apply(old, script)
            assert again.returncode != 0
            assert digest(old) == wanted, "all or nothing"


def test_a_state_that_a_patch_was_not_made_for_is_left_as_it_is(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    make(old, ([(1, "a")], [], []))
    make(new, ([(1, "b")], [], []))
    script = patch(old, new)
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("UPDATE counted SET v = 'changed meanwhile'")
    meanwhile = digest(old)
    done = apply(old, script)
    assert done.returncode != 0
    assert b"this database is not in the state that the patch was made for" in done.stderr
    assert digest(old) == meanwhile


def test_one_of_everything_forth_and_back(tmp_path: Path) -> None:
    """Each table of the zoo loses a row and gets one, but those that a patch does not take."""
    old, new = tmp_path / "old", tmp_path / "new"
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.executescript(SEED + ZOO.read_text())
        db.execute("INSERT INTO customers (name) VALUES ('a'), ('b')")
        db.executescript(
            "INSERT INTO loose VALUES(1), ('1'), (1.0), (NULL), (x'00'), (9e999), (CAST(x'ff00' AS TEXT));"
        )
        with closing(sqlite3.connect(new)) as copy:
            db.backup(copy)
    tables = {key[1]: section for key, section in Contents(old).sections.items() if key[0] == "table"}
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f'DROP TRIGGER "{name}"')
        for table, section in tables.items():
            if section.key and not table.startswith("sqlite_"):
                quoted = table.replace('"', '""')
                column = section.key[0].replace('"', '""')
                db.execute(f'DELETE FROM "{quoted}" WHERE "{column}" IS (SELECT max("{column}") FROM "{quoted}")')
        for _, sql in triggers:
            db.execute(sql)
        db.execute("PRAGMA user_version = 41")
        db.execute("ANALYZE")
    for before, after in ((old, new), (new, old)):
        patched = tmp_path / f"patched-{before.name}"
        with closing(sqlite3.connect(before)) as db, closing(sqlite3.connect(patched)) as copy:
            db.backup(copy)
        script = patch(before, after)
        done = apply(patched, script)
        assert (done.returncode, done.stderr) == (0, b"")
        assert digest(patched) == digest(after)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_texts_of_other_encodings_come_out_alike(encoding: str, tmp_path: Path) -> None:
    schema = f"PRAGMA encoding = '{encoding}'; {SCHEMA}"
    make(tmp_path / "old", ([], [("ß✓", 0.1, 1)], []), schema)
    make(tmp_path / "new", ([], [("ß✓", 0.2, 1)], [("a\r✓\0", 1)]), schema)
    assert apply(tmp_path / "old", patch(tmp_path / "old", tmp_path / "new")).returncode == 0
    assert digest(tmp_path / "old") == digest(tmp_path / "new")


@pytest.mark.parametrize(
    ("schema", "other", "words"),
    [
        ("CREATE TABLE t (a)", "CREATE TABLE t (a, b)", "schemas differ"),
        ("CREATE TABLE t (rowid, oid, _rowid_)", "", "neither key nor rowid"),
        ("CREATE VIRTUAL TABLE t USING fts5 (a)", "", "virtual table"),
    ],
)
def test_what_a_patch_cannot_say_is_refused_before_its_first_line(
    schema: str, other: str, words: str, tmp_path: Path
) -> None:
    for name, sql in (("old", schema), ("new", other or schema)):
        with closing(sqlite3.connect(tmp_path / name)) as db, db:
            db.execute(sql)
            if name == "new" and not other:
                columns = [row[1] for row in db.execute("PRAGMA table_info(t)")]
                db.execute(f"INSERT INTO t ({', '.join(columns)}) VALUES ({', '.join('1' for _ in columns)})")
    with pytest.raises(Unsupported, match=words):
        patch(tmp_path / "old", tmp_path / "new")


@given(st.floats(allow_nan=False))
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        (back,) = db.execute(f"SELECT {literal(value)}").fetchone()
    assert (back, type(back)) == (value, float)
