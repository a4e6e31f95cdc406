"""Rows found by the text of their key, in the dumps of PostgreSQL and MariaDB: never one less than parsing finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.toolkit.by_text import rows_with
from dysnomia_plugins.types.mysql import rows as mysql
from dysnomia_plugins.types.postgresql import rows as postgresql
from dysnomia_store.model import Form, Section

SECTION = Section("table", "t", Form.ROWS, 0, "", columns=("a", "b", "v"), key=("a", "b"))
CELLS = st.one_of(st.sampled_from(["4711", "-1", "lamp", "a b", "\\", "\\x34", "", "47"]), st.text(max_size=4))
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8)


def copied(cells: tuple[str, ...]) -> bytes:
    """As COPY writes a row; ``7`` also as another tool might."""
    named = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "7": "\\67"}
    return "\t".join("".join(named.get(char, char) for char in cell) for cell in cells).encode("utf-8", "surrogatepass")


def inserted(cells: tuple[str, ...]) -> bytes:
    """As mysqldump writes a row."""
    named = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0"}
    quoted = ("'" + "".join(named.get(char, char) for char in cell) + "'" for cell in cells)
    return ("(" + ",".join(quoted) + ")").encode("utf-8", "surrogatepass")


@given(rows=ROWS)
def test_a_row_is_found_by_the_key_it_shows(rows: list[tuple[str, str, str]]) -> None:
    for write, read, usual in (
        (copied, postgresql.parse_row, postgresql.USUAL_ESCAPES),
        (inserted, mysql.parse_row, mysql.USUAL_ESCAPES),
    ):
        raws = [write(cells) for cells in rows]
        for raw in raws:
            key = tuple(cell or "" for cell in read(SECTION, raw).key)
            assert raw in [one for batch in rows_with([raws], key, usual) for one in batch]


@pytest.mark.parametrize("key", [("4711", "1"), ("a b", "4711")])
def test_others_are_passed_over_without_being_parsed(key: tuple[str, str]) -> None:
    raws = [copied((str(number), "\\", "\n")) + b"\t\\N" for number in range(4000, 5000) if "7" not in str(number)]
    assert list(rows_with([raws, [b"4711\t1\tv"]], key, postgresql.USUAL_ESCAPES)) == [[b"4711\t1\tv"]]
