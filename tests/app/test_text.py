"""What comes from outside is shown and does nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_tui.app.present.text import cut, cut_middle, escaped, fit, join, plain, spread, visible

NASTY = [
    ("a\nb", "a\\nb"),
    ("\x1b[31mred", "\\x1b[31mred"),
    ("\x00", "\\x00"),
    ("bell\x07", "bell\\x07"),
    ("caf\udce9", "caf\\xe9"),
    ("x\u202eexe.txt", "x\\u202eexe.txt"),
    ("\x9b2J", "\\x9b2J"),
    ("[b]x[/y]", "[b]x[/y]"),
    ("zero\u200bwidth", "zero\\u200bwidth"),
    ("é 数", "é 数"),
]


@pytest.mark.parametrize(("raw", "shown"), NASTY)
def test_control_characters_are_written_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown
    assert plain(raw).plain == shown


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_is_shown_can_move_the_cursor(raw: str) -> None:
    shown = visible(raw)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in shown)
    shown.encode("utf-8")


def test_markup_from_outside_stays_text() -> None:
    assert plain("[red]x[/nope]").plain == "[red]x[/nope]"
    assert plain("[red]x").spans == []
    assert Text.from_markup(escaped("db[prod] [/x]")).plain == "db[prod] [/x]"


@given(st.text(st.characters(exclude_categories=())), st.integers(0, 40))
def test_cutting_never_takes_more_cells_than_there_are(raw: str, cells: int) -> None:
    assert cell_len(cut_middle(raw, cells)) <= cells
    assert cut(plain(raw), cells).cell_len <= cells
    assert fit(plain(raw), cells).cell_len == cells


def test_a_long_name_keeps_both_ends() -> None:
    shown = cut_middle("a" * 125 + "MIDDLE" + "z" * 124, 21)
    assert shown.startswith("aaaa")
    assert shown.endswith("zzzz")
    assert "…" in shown


def test_spread_keeps_the_right_end_whole() -> None:
    line = spread(plain("left " * 20), plain("RIGHT"), 40)
    assert line.cell_len == 40
    assert line.plain.endswith("RIGHT")


def test_join_leaves_out_what_is_empty() -> None:
    assert join([plain("a"), Text(""), "b", ""]).plain == "a b"


def test_plural() -> None:
    assert [plural(n, "row") for n in (0, 1, 1204)] == ["0 rows", "1 row", "1,204 rows"]
    assert plural(2, "entry", "entries") == plural(2, "entry") == "2 entries"
    assert plural(2, "key") == "2 keys"
