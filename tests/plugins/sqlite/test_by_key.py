"""Rows found by their key: never one less than a look at every row finds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.types.sqlite.by_key import rows_of_key
from dysnomia_plugins.types.sqlite.contents import parse_row
from dysnomia_plugins.types.sqlite.reader import Reader
from dysnomia_store.model import Form, Section

KEYS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.sampled_from(["4711", "4711.0", "'4711'", "inf", r"\x00", "", "a'b", "a\0b", "ß", 4711, 4711.0, b"4711"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=4),
)
TABLES = (
    "CREATE TABLE t (k INTEGER PRIMARY KEY, v)",
    "CREATE TABLE t (k TEXT PRIMARY KEY COLLATE NOCASE, v)",
    "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE TABLE t (k REAL, v, PRIMARY KEY (v, k))",
    "CREATE TABLE t (k NUMERIC, v)",
)


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=25)
@example(keys=[-(1 << 63)])
@example(keys=[(1 << 63) - 1])
@given(keys=st.lists(KEYS, max_size=6))
def test_each_row_is_found_by_the_key_it_shows(
    table: str, keys: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("by-key") / "db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(table)
        for number, key in enumerate(keys):
            if not isinstance(key, int) and "INTEGER PRIMARY KEY" in table:
                continue
            db.execute("INSERT OR IGNORE INTO t (k, v) VALUES (?, ?)", (key, number))
    found_everywhere(path)


@pytest.mark.parametrize("table", TABLES[:3])
def test_no_other_row_is_parsed(table: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as db, db:
        db.execute(table)
        db.executemany("INSERT INTO t VALUES (?, 'v')", [(number,) for number in range(100)])
    with Reader(tmp_path / "db") as reader:
        (found,) = reader.tables(reader.objects())
        assert [len(batch) for batch in rows_of_key(reader, found, ("47",))] == [1]


def found_everywhere(path: Path) -> None:
    with Reader(path) as reader:
        (table,) = reader.tables(reader.objects())
        section = Section(
            "table", "t", Form.ROWS, 0, "", columns=table.shown_columns, key=table.key,
            attributes={"affinity": " ".join(table.shown_affinities)},
        )  # fmt: skip
        for raw in reader.rows(table):
            key = tuple(cell for cell in parse_row(section, raw).key if cell is not None)
            assert raw in [one for batch in rows_of_key(reader, table, key) for one in batch]
