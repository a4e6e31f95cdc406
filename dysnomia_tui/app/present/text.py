"""Text from outside made safe to show: names, paths, rows and errors become ``Text``, never markup.

Control characters, bytes that are not UTF-8 and characters that change the direction of writing are shown as escapes,
so that no name can move the cursor, hide itself, or pass for another.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text

from dysnomia_base.escape import visible as visible  # this module is what the screens import

ELLIPSIS = "…"


def plain(raw: str, style: str = "") -> Text:
    """One line of ``Text`` from outside."""
    return Text(visible(raw), style=style, no_wrap=True, end="")


def join(parts: Iterable[Text | str], between: str = " ") -> Text:
    """Parts that are not empty, with ``between`` between them."""
    kept = [part if isinstance(part, Text) else plain(part) for part in parts if len(part)]
    return Text(between, no_wrap=True, end="").join(kept)


def width(raw: str) -> int:
    """Cells that ``raw`` takes once it is made visible."""
    return cell_len(visible(raw))


def cut(text: Text, cells: int) -> Text:
    """``text`` in at most ``cells`` cells, its end replaced by ``…`` where it is longer."""
    if text.cell_len <= cells:
        return text
    if cells <= 0:
        return Text("", no_wrap=True, end="")
    shorter = text.copy()
    shorter.truncate(cells, overflow="ellipsis")
    return shorter


def cut_middle(raw: str, cells: int) -> str:
    """``raw`` made visible in at most ``cells`` cells, its middle replaced by ``…`` where it is longer.

    For names and paths: both ends tell them apart.
    """
    shown = visible(raw)
    if cell_len(shown) <= cells:
        return shown
    if cells <= 1:
        return ELLIPSIS[:cells]
    tail_cells = (cells - 1) // 2
    head = _take(shown, cells - 1 - tail_cells)
    tail = _take(shown[::-1], tail_cells)[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def cut_start(raw: str, cells: int) -> str:
    """``raw`` made visible in at most ``cells`` cells, its start replaced by ``…`` where it is longer.

    For the paths of files under one folder: their ends tell them apart.
    """
    shown = visible(raw)
    if cell_len(shown) <= cells:
        return shown
    return ELLIPSIS + _take(shown[::-1], cells - 1)[::-1] if cells > 1 else ELLIPSIS[:cells]


def _take(raw: str, cells: int) -> str:
    used = 0
    for index, char in enumerate(raw):
        used += cell_len(char)
        if used > cells:
            return raw[:index]
    return raw


def fit(text: Text, cells: int, align: str = "left") -> Text:
    """``text`` in exactly ``cells`` cells."""
    shorter = cut(text, cells)
    missing = cells - shorter.cell_len
    if missing <= 0:
        return shorter
    padded = shorter.copy()
    if align == "right":
        padded.pad_left(missing)
    else:
        padded.pad_right(missing)
    return padded


def spread(left: Text, right: Text, cells: int) -> Text:
    """``left`` at the start and ``right`` at the end of ``cells`` cells; the right one stays whole if it can."""
    room = cells - right.cell_len
    if room < 8:
        return fit(left, cells)
    line = fit(left, room)
    line.append_text(right)
    return line


def escaped(raw: str) -> str:
    """``raw`` for the few places that take markup and nothing else (the titles of frames): shown as it is."""
    return visible(raw).replace("[", r"\[")
