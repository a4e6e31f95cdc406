"""What stands on the terminal, so that only what differs is written to it.

Textual paints whatever asked to be painted: a state that changes in one cell has it write the whole screen, 20 KB at
120x36, and a screen that opens is written as often as its widgets find their sizes. Over a slow line each of these is
seconds. Here the same updates are compared, cell by cell, with what was written before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from rich.cells import get_character_cell_size
from rich.console import Console, RenderableType
from rich.style import Style
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip

_GAP = 8
"""Cells that are written again rather than passed over: going to a place takes as many bytes."""
_MOST_STYLES = 10_000
"""What Textual notes of a place is part of a style, so there are ever new ones."""
_Cell = tuple[str, int]
"""A character, and the number of its look."""
_UNKNOWN: _Cell = ("", 0)


class _Piece(NamedTuple):
    """A part of a row that is to be painted."""

    y: int
    x: int
    strip: Strip


class Painted:
    """The cells of the terminal as they were last written."""

    def __init__(self) -> None:
        self._rows: dict[int, list[_Cell]] = {}
        self._strips: dict[int, dict[int, Strip]] = {}
        """By row and column: strips that stand there whole, for these are compared many times as fast."""
        self._looks: dict[Style | None, int] = {}
        self._by_bytes: dict[tuple[str, str | None], int] = {}

    def forget(self) -> None:
        """Another program may have written on the terminal, or its size is another: all is to be written again."""
        self._rows.clear()
        self._strips.clear()

    def changes(self, update: CompositorUpdate) -> CompositorUpdate:
        """What of an update is to be written; it is compared when that is done."""
        if isinstance(update, LayoutUpdate | ChopsUpdate):
            return _Changes(self, update)
        self.forget()
        return update

    def write(self, piece: _Piece, console: Console) -> str:
        """The bytes that make the terminal show a piece; none where it does."""
        strips = self._strips.setdefault(piece.y, {})
        if strips.get(piece.x) == piece.strip:
            return ""
        cells, plain = self._cells(piece.strip)
        end = piece.x + len(cells)
        for x in [x for x, strip in strips.items() if x < end and piece.x < x + strip.cell_length]:
            del strips[x]
        strips[piece.x] = piece.strip
        row = self._rows.setdefault(piece.y, [])
        row.extend([_UNKNOWN] * (end - len(row)))
        before = row[piece.x : end]
        if cells == before:
            return ""
        row[piece.x : end] = cells
        runs = _runs(before, cells) if plain else [(0, len(cells))]
        return "".join(
            f"\x1b[{piece.y + 1};{piece.x + start + 1}H{piece.strip.crop(start, stop).render(console)}"
            for start, stop in runs
        )

    def _cells(self, strip: Strip) -> tuple[list[_Cell], bool]:
        """The cells of a strip, and whether each holds one character.

        Terminals do not agree how wide some characters are, and half of a wide one cannot be written: a strip with one
        of these is compared, and written, as a whole."""
        cells: list[_Cell] = []
        plain = True
        for text, style, control in strip:
            if control:
                continue
            look = self._look(style)
            plain = plain and _is_narrow(text)
            cells += [(character, look) for character in text]
        if plain:
            return cells, True
        whole = "".join(f"{character}\0{look}\0" for character, look in cells)
        return [(whole, -1), *[_UNKNOWN] * (strip.cell_length - 1)], False

    def _look(self, style: Style | None) -> int:
        look = self._looks.get(style)
        if look is None:
            shown, link = ("", None) if style is None else (style.update_link(None).render("x"), style.link)
            look = self._by_bytes.setdefault((shown, link), len(self._by_bytes) + 1)
            if len(self._looks) >= _MOST_STYLES:
                self._looks.clear()
            self._looks[style] = look
        return look


class _Changes(CompositorUpdate):
    """An update without what stands there already."""

    def __init__(self, painted: Painted, update: LayoutUpdate | ChopsUpdate) -> None:
        self._painted = painted
        self._update = update

    def render_segments(self, console: Console) -> str:
        """Called when it is written, and not where Textual drops it: so it is compared here."""
        pieces = _of_layout(self._update) if isinstance(self._update, LayoutUpdate) else _of_chops(self._update)
        return "".join(self._painted.write(piece, console) for piece in pieces)


class PaintsChanges(App[str]):
    """An app that writes to the terminal only what differs from what stands there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._painted = Painted()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Resize):
            self._painted.forget()  # the terminal has moved its lines, whatever size it has in the end
            event = event if self.is_headless else _as_it_is_now(event)
        await super().on_event(event)

    def _display(self, screen: Screen[Any], renderable: RenderableType | CompositorUpdate | None) -> None:
        changed = self._painted.changes(renderable) if isinstance(renderable, CompositorUpdate) else renderable
        super()._display(screen, cast("RenderableType", changed))  # Textual takes either

    def paint_all(self) -> None:
        """Write the whole screen, whatever is believed to stand there."""
        self._painted.forget()
        self.refresh(layout=True)


def _as_it_is_now(event: events.Resize) -> events.Resize:
    """The event with the size that the terminal has now.

    Textual reads the size in its handler of SIGWINCH, which another such signal may interrupt: the event of the first
    is then posted behind that of the second, and the size that the terminal had for a moment would be believed from
    then on. Read here, behind both, it is the last; what comes later has a signal of its own."""
    size = Size(*shutil.get_terminal_size(event.size))
    return event if size == event.size else events.Resize(size, size)


def _of_layout(update: LayoutUpdate) -> Iterator[_Piece]:
    for y, line in enumerate(update.strips, update.region.y):
        yield _Piece(y, update.region.x, Strip.join(line))


def _of_chops(update: ChopsUpdate) -> Iterator[_Piece]:
    """What ``ChopsUpdate.render_segments`` writes, each strip cut to what is to be painted."""
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            start, stop = max(x, left), min(end, right)
            if strip is not None and start < stop:
                yield _Piece(y, start, strip.crop(start - x, stop - x))


def _runs(before: Sequence[_Cell], after: Sequence[_Cell]) -> list[tuple[int, int]]:
    """Where they differ, from and to; what is nearly side by side as one."""
    runs: list[tuple[int, int]] = []
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        if runs and at - runs[-1][1] <= _GAP:
            runs[-1] = runs[-1][0], at + 1
        else:
            runs.append((at, at + 1))
    return runs


def _is_narrow(text: str) -> bool:
    return text.isascii() or all(get_character_cell_size(character) == 1 for character in text)
