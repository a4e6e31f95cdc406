"""Rows that are lines: the same lines however the stream is cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.toolkit.line_batches import Lines, in_lines

streams = st.lists(st.sampled_from([b"", b"a", b"\n", b"bc\n", b"\n\n", b"d\ne", b"\r", b"\\"]), max_size=12)


@given(streams)
def test_pieces_of_a_stream_give_its_lines(pieces: list[bytes]) -> None:
    lines = b"".join(pieces).split(b"\n")
    if not lines[-1]:
        lines.pop()
    batches = list(in_lines(filter(None, pieces)))
    assert [line for batch in batches for line in batch] == lines
    assert [len(batch) for batch in batches] == [len(list(batch)) for batch in batches]
    assert all(batches), "a batch without lines"


def test_a_batch_is_a_sequence() -> None:
    lines = Lines(b"a", b"b\n\nc\nrest")
    assert (lines[0], lines[-1], lines[1:]) == (b"ab", b"c", [b"", b"c"])
    assert b"c" in lines
    assert b"rest" not in lines
