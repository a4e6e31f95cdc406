"""Any JSON value in the place of any field: for the property that no record on disk, whatever it says, ends in a
traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 99, 1.0, 1.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), 10**30, -(10**30),
    2**63, 2**62, 10**4000, "", "x", "1", "..", "../../etc/passwd", "a/b", "/", "\0", "\x1b]52;c;eA==\x07", "\u202eabc",
    "\u200b", "\ud800", "\udc80", "A" * 5000, "2026-13-45T99:99:99", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-11-28", [], [[]], {}, {"a": 1}, [None] * 3, {"": {"": []}}, _nested(60),
    _nested(500),
)  # fmt: skip
"""What programs trip over."""
values: st.SearchStrategy[Any] = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
"""Odd values, and any other."""


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where a value can be put: the record itself, each field, each element (of the first few)."""
    yield at
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*at, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 4)):
            yield from places(value[index], (*at, index))


def replaced(value: Any, at: Place, new: Any) -> Any:
    """The same record with another value in one place."""
    if not at:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = new
    return whole


def written(value: Any) -> bytes:
    """As another program may have written it: NaN and Infinity are no JSON, and Python writes them all the same."""
    return json.dumps(value).encode()
