"""One table as a script: what the sqlite3 program makes of it is that table, to the last byte of its digest."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.types.sqlite.reader import Reader, SchemaObject
from dysnomia_plugins.types.sqlite.script import section_script, statement
from tests.plugins.sqlite.test_reader import Contents
from tests.plugins.sqlite.world import SEED

ZOO = Path(__file__).with_name("zoo.sql")
MORE = """
CREATE TABLE "a ""table; -- 'of'" ([x y] INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, twice AS (length(b)) STORED);
CREATE TRIGGER heard AFTER INSERT ON "a ""table; -- 'of'" BEGIN DELETE FROM "a ""table; -- 'of'"; SELECT ';'; END;
INSERT INTO "a ""table; -- 'of'" VALUES (7, x'00ff00'), (9, 'a' || char(0, 13, 10) || 'b');
CREATE TABLE kept (id INTEGER PRIMARY KEY AUTOINCREMENT, r REAL, t TEXT COLLATE NOCASE UNIQUE);
INSERT INTO kept VALUES (3, 0.1, 'it''s'), (90, 9e999, '.shell'); DELETE FROM kept WHERE id = 90;
CREATE INDEX kept_r ON kept (r) WHERE r > 0 -- a comment
;
CREATE VIEW seen AS SELECT * FROM kept -- a comment
;
"""


@pytest.fixture(params=["UTF-8", "UTF-16le"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "source"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"PRAGMA encoding = '{request.param}'; {SEED} {ZOO.read_text()} {MORE}")
        db.execute("INSERT INTO loose VALUES (1), ('1'), (1.0), (NULL), (x'00')")
    return path


def load(path: Path, script: str) -> subprocess.CompletedProcess[bytes]:
    encoded = script.encode("utf-8", "surrogateescape")
    return subprocess.run(["sqlite3", path], input=encoded, capture_output=True, check=False)


def test_each_table_comes_out_as_it_was(source: Path, tmp_path: Path) -> None:
    contents = Contents(source)
    tables = [one for (kind, name), one in contents.sections.items() if kind == "table" and name[:7] != "sqlite_"]
    assert len(tables) > 5
    for number, section in enumerate(tables):
        with Reader(source) as reader:
            script = "".join(section_script(reader, section))
            declared = [one for one in reader.objects() if one.table == section.name and one.type != "view"]
        made = tmp_path / str(number)
        done = load(made, script)
        assert (done.returncode, done.stderr) == (0, b""), section.name
        again = Contents(made)
        assert again.sections["table", section.name] == section
        with Reader(made) as reader:
            assert [one for one in reader.objects() if not one.name.startswith("sqlite_")] == declared
        assert load(made, script).returncode != 0
        assert Contents(made).digest == again.digest, "all or nothing"


def test_counters_of_autoincrement_go_on(source: Path, tmp_path: Path) -> None:
    with Reader(source) as reader:
        script = "".join(section_script(reader, Contents(source).sections["table", "kept"]))
    load(tmp_path / "made", script)
    with closing(sqlite3.connect(tmp_path / "made")) as db:
        assert db.execute("INSERT INTO kept (r) VALUES (1) RETURNING id").fetchone() == (91,)


def test_the_schema_makes_all_that_was_declared(source: Path, tmp_path: Path) -> None:
    contents = Contents(source)
    with Reader(source) as reader:
        script = "".join(section_script(reader, contents.sections["schema", "main"]))
        declared = [one for one in reader.objects() if not one.name.startswith("sqlite_")]
    done = load(tmp_path / "made", script)
    assert (done.returncode, done.stderr) == (0, b"")
    with Reader(tmp_path / "made") as reader:
        assert [one for one in reader.objects() if not one.name.startswith("sqlite_")] == declared


def test_tables_of_sqlite_itself_are_refused_before_the_first_line(source: Path) -> None:
    with Reader(source) as reader, pytest.raises(Unsupported, match="SQLite's own"):
        next(section_script(reader, Contents(source).sections["table", "sqlite_sequence"]))


@pytest.mark.parametrize("tail", ["; DROP TABLE u", ";\n.shell id", "; -- it's\n.shell id"])
def test_what_hides_behind_a_declaration_is_refused(tail: str) -> None:
    with pytest.raises(Unsupported, match="more than one statement"):
        statement(SchemaObject("table", "t", "t", f"CREATE TABLE t (a){tail}"))


def test_what_goes_on_behind_a_nul_is_refused() -> None:
    with pytest.raises(Unsupported, match="has a NUL in it"):
        statement(SchemaObject("table", "t", "t", "CREATE TABLE t (a)\0;\n.shell id"))
