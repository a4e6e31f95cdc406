"""A key as a command shows it is the same key when it is typed again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.component.rows import typed
from dysnomia_tui.engine.finding.asked import HistoryAsked, key_typed


def keyed(*names: str) -> Section:
    return Section("table", "t", Form.ROWS, 0, "", columns=names, key=names)


CELLS = st.text() | st.text(alphabet=',"\r\n =a')


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_whatever_is_in_its_cells(cells: list[str]) -> None:
    section = keyed(*"abcd"[: len(cells)])
    assert key_typed(section, typed(tuple(cells))) == tuple(cells)


def test_names_of_columns_count_where_all_are_given() -> None:
    assert HistoryAsked("sku=lamp,shelf=1").key_in(keyed("sku", "shelf")) == ("lamp", "1")
    assert HistoryAsked("sku=lamp,1").key_in(keyed("sku", "shelf")) == ("sku=lamp", "1")
    assert key_typed(keyed("sku", "shelf"), "sku=lamp,shelf=1") == ("sku=lamp", "shelf=1"), "for what changes rows"
    assert key_typed(keyed("sku", "shelf"), "lamp") is None
