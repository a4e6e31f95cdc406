"""Rows of a dump of MariaDB that are read line by line, where lines before and after them may be missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mysql.rows import rows_in_lines

HEADS = (b"INSERT INTO `t` VALUES", b"INSERT INTO `a b` (`x`, `VALUES`) VALUES", b"UNLOCK TABLES;", b"", b"commit;")


def test_a_line_is_a_row_and_what_is_no_row_is_none() -> None:
    lines = [b"(2,'it\\'s'),", b"(3,'),(');", HEADS[0], b"(4,NULL),", *HEADS[1:]]
    assert rows_in_lines(lines) == [b"(2,'it\\'s')", b"(3,'),(')", b"(4,NULL)"]


def test_a_statement_on_one_line_is_all_its_rows() -> None:
    assert rows_in_lines([b"INSERT INTO `t` VALUES (1,'a'),(2,'x),(y');"]) == [b"(1,'a')", b"(2,'x),(y')"]
    assert rows_in_lines([b"(1,'a'),(2,'b'),"]) == [b"(1,'a')", b"(2,'b')"]


@pytest.mark.parametrize(
    "lines",
    [
        [b"(1,'a", b"b'),"],
        [b"(1,'a),", b"(b'),"],
        [b"(1,'a", b"UNLOCK TABLES;", b"b'),"],
        [b"b'),", b"(2,'c'),"],
        [b"INSERT INTO `t` VALUES (1,'a),", b"(b'),"],
        [b"(1,'a'),(2,'b),"],
    ],
)
def test_a_row_that_goes_on_in_another_line_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(PluginError, match="not on one line"):
        rows_in_lines(lines)


@given(st.lists(st.tuples(st.integers(), st.text()), max_size=20), st.sampled_from(HEADS))
def test_whatever_is_in_them_rows_as_the_server_writes_them_are_found(rows: list[tuple[int, str]], head: bytes) -> None:
    written = [b"(%d,'%s')" % (number, _escaped(text)) for number, text in rows]
    assert rows_in_lines([head, *(row + b"," for row in written), head]) == written


def _escaped(text: str) -> bytes:
    named = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1a": "\\Z"}
    return "".join(named.get(char, char) for char in text).encode("utf-8", "surrogatepass")
