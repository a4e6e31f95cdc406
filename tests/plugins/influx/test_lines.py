"""Line protocol and statements: what is written is read again, and what no line can hold is refused."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.types.influx import line
from dysnomia_plugins.types.influx.influxql import ContinuousQuery, duration, identifier, of_kept, shown, unquoted

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd\n\\"), min_size=1, max_size=8)


@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=3), st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3))
def test_a_point_is_read_as_it_was_written(measurement: str, tags: dict[str, str], fields: dict[str, str]) -> None:
    if measurement.startswith(("#", "\t", "\0")):
        with pytest.raises(line.BadLine):
            line.head(measurement, tags)
        return
    names = sorted(fields)
    write = line.writer([(name, "string") for name in names])
    raw = write(line.head(measurement, tags), ["-5", *(fields[name] for name in names)]).encode()
    assert list(line.rows(BytesIO(raw))) == [raw]
    assert line.parsed(raw) == (tags, fields, "-5")


def test_several_lines_of_a_text_are_one_point() -> None:
    text = b'm a="one\n# two\n\n\\" three" 1\n# comment\n\nm a=1 2\nm,t="q b=t 3\n'
    assert list(line.rows(BytesIO(text))) == [
        b'm a="one\n# two\n\n\\" three" 1\n', b"m a=1 2\n", b'm,t="q b=t 3\n'
    ]  # fmt: skip
    with pytest.raises(line.BadLine):
        list(line.rows(iter([b'm a="not ended 1\n'])))


@pytest.mark.parametrize("odd", ["two\nlines", "\ufffd", "end\\"])
def test_what_no_line_can_hold_is_refused(odd: str) -> None:
    for measurement, tags in (("m", {"t": odd}), ("m", {odd: "t"}), (odd, {"t": "t"})):
        with pytest.raises(line.BadLine):
            line.head(measurement, tags)
    with pytest.raises(line.BadLine):
        line.writer([("f", "string")])("m ", ["1", "\ufffd"])
    for name in ("end\\", "two\nlines"):
        with pytest.raises(line.BadLine):
            line.writer([(name, "float")])


def test_cells_stand_in_the_order_of_columns() -> None:
    columns, key = line.columns_of({"host"}, {"host", "load", "time"})
    assert columns == ("time", "host", "host (field)", "load", "time (field)")
    row = line.parse_row(b'm,host=a\\ b host="x \\"y\\"",time=1i 7', columns, key)
    assert row.key == ("7", "a b")
    assert row.cells == ("7", "a b", 'x "y"', None, "1i")


@given(st.text(max_size=20))
def test_a_name_in_quotes_is_the_name(name: str) -> None:
    assert unquoted(identifier(name)) == name
    assert unquoted(shown(name)) == name


@pytest.mark.parametrize(
    ("said", "taken"),
    [("0s", "INF"), ("168h0m0s", "168h"), ("1h30m0s", "90m"), ("1h0m5s", "3605s"), ("1m0.000000001s", "60000000001ns")],
)
def test_durations_are_said_as_statements_take_them(said: str, taken: str) -> None:
    assert duration(said) == taken


def test_a_query_that_is_none_of_ours_is_itself() -> None:
    query = ContinuousQuery.of('CREATE CONTINUOUS QUERY "a b" ON "d\\"b" BEGIN SELECT 1 END')
    assert (query.name, query.database) == ("a b", 'd"b')
    assert of_kept(query) == (query, True)
