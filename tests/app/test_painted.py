"""What is written to the terminal: only what differs, and the screen is the same as if everything were written."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from dysnomia_tui.app.terminal.painted import Painted

WIDTH, HEIGHT = 24, 3
CONSOLE = Console(force_terminal=True, color_system="truecolor", width=WIDTH)
STYLES = [None, Style(bold=True), Style(color="red"), Style(color="red", meta={"offset": (1, 2)}), Style(link="a://b")]
LETTERS = ["a", "b", " ", "│", "●", "…", "宽", "é", "e\u0301", "🙂", "\u200b"]


def strip_of(words: Sequence[tuple[str, int]], width: int) -> Strip:
    """As wide as it is said, as every strip that Textual paints."""
    return Strip([Segment(text, STYLES[style]) for text, style in words]).adjust_cell_length(width)


rows = st.lists(
    st.tuples(st.lists(st.sampled_from(LETTERS), max_size=8).map("".join), st.integers(0, len(STYLES) - 1)), max_size=5
)


@st.composite
def updates(draw: st.DrawFn) -> CompositorUpdate:
    """A region of the screen, or spans of its rows with more beside them."""
    x = draw(st.integers(0, WIDTH - 1))
    width = draw(st.integers(1, WIDTH - x))
    y = draw(st.integers(0, HEIGHT - 1))
    height = draw(st.integers(1, HEIGHT - y))
    strips = [strip_of(draw(rows), width) for _ in range(height)]
    if draw(st.booleans()):
        return LayoutUpdate([[strip] for strip in strips], Region(x, y, width, height))
    chops: list[dict[int, Strip | None]] = [{0: None, x: None, x + width: None} for _ in range(HEIGHT)]
    for at, strip in enumerate(strips, y):
        chops[at][x] = strip
    ends = [[*sorted(chop)[1:], WIDTH] for chop in chops]
    return ChopsUpdate(chops, [(at, x, x + width) for at in range(y, y + height)], ends)


def shown(screen: pyte.Screen) -> list[list[pyte.screens.Char]]:
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


def feed(screen: pyte.Screen, text: str) -> None:
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))


def filled(style: int = 0) -> LayoutUpdate:
    return LayoutUpdate([[strip_of([("." * WIDTH, style)], WIDTH)] for _ in range(HEIGHT)], Region(0, 0, WIDTH, HEIGHT))


@given(st.lists(updates(), max_size=8))
def test_the_screen_is_the_same(some: list[CompositorUpdate]) -> None:
    ours, theirs, painted = pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT), Painted()
    for update in (filled(), *some, filled(1)):
        feed(ours, painted.changes(update).render_segments(CONSOLE))
        feed(theirs, update.render_segments(CONSOLE))
    assert shown(ours) == shown(theirs)


@given(st.lists(updates(), max_size=8))
def test_what_stands_there_is_not_written_again(some: list[CompositorUpdate]) -> None:
    painted = Painted()
    for update in some:
        painted.changes(update).render_segments(CONSOLE)
        assert painted.changes(update).render_segments(CONSOLE) == ""


def _lines() -> Iterator[LayoutUpdate]:
    """Three seconds of a screen of which one line tells the time."""
    chance = random.Random(1)
    text = "".join(chance.choice("abc ") for _ in range(WIDTH))
    for second in range(3):
        clock = strip_of([(f"{text[:-2]}{second:2d}", 1)], WIDTH)
        lines: list[Iterable[Strip]] = [[clock], *([strip_of([(text, 0)], WIDTH)],) * 2]
        yield LayoutUpdate(lines, Region(0, 0, WIDTH, HEIGHT))


def test_a_second_later_only_the_second_is_written() -> None:
    painted = Painted()
    first, *others = [painted.changes(update).render_segments(CONSOLE) for update in _lines()]
    assert len(first) > WIDTH * HEIGHT
    assert [len(one) < 20 for one in others] == [True, True]


def test_after_another_program_everything_is_written() -> None:
    painted = Painted()
    whole = painted.changes(filled()).render_segments(CONSOLE)
    painted.forget()
    assert painted.changes(filled()).render_segments(CONSOLE) == whole


def test_an_update_that_textual_drops_is_not_taken_for_written() -> None:
    painted = Painted()
    painted.changes(filled())
    assert painted.changes(filled()).render_segments(CONSOLE)


@pytest.mark.parametrize("text", ["e\u0301" * 8, "宽" * 10, "🙂 ok"])
def test_where_a_width_is_doubtful_the_piece_is_written_whole(text: str) -> None:
    """Terminals do not agree on it: what stands behind it may stand elsewhere."""
    painted = Painted()

    def update(end: str) -> LayoutUpdate:
        return LayoutUpdate([[strip_of([(text + end, 0)], WIDTH)]], Region(0, 0, WIDTH, 1))

    painted.changes(update("x")).render_segments(CONSOLE)
    assert text in painted.changes(update("y")).render_segments(CONSOLE)
