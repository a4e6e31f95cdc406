"""A row, all of it: a line a column, and as many lines as its cell has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.diff import ARROW
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.engine.records import Change, RowChange

Cells = Sequence[str | None]
NULL = "NULL"


@dataclass(frozen=True, slots=True)
class CellLine:
    """A line of it, and the cell that it belongs to."""

    text: Text
    cell: str


def of_row(names: Sequence[str], cells: Cells) -> list[CellLine]:
    """A row of a section."""
    lines: list[CellLine] = []
    for at, cell in enumerate(cells):
        lines.append(_name(_name_of(names, at), cell))
        lines += _value("  ", cell, styles.PLAIN)
    return lines


def of_change(names: Sequence[str], row: RowChange) -> list[CellLine]:
    """A changed row: what it was and what it is now, where that is another."""
    old, new = row.old, row.new
    if row.change is not Change.CHANGED or old is None or new is None:
        return of_row(names, new if new is not None else old or ())
    lines: list[CellLine] = []
    for at in range(max(len(old), len(new))):
        was, now = _at(old, at), _at(new, at)
        lines.append(_name(_name_of(names, at), now))
        if was == now:
            lines += _value("  ", now, styles.PLAIN)
        else:
            lines += [*_value("- ", was, styles.BAD), *_value("+ ", now, styles.GOOD)]
    return lines


def as_text(cells: Cells) -> str:
    """A row as it is copied: cells with tabs between them."""
    return "\t".join(NULL if cell is None else cell for cell in cells)


def changed_as_text(row: RowChange) -> str:
    """A changed row as it is copied: what it is now; of one that is gone, what it was."""
    return as_text(row.new if row.new is not None else row.old or ())


def title_of(change: RowChange) -> str:
    """What became of it."""
    return f"{styles.CHANGE[change.change].word} row" + (f" (old {ARROW} new)" if change.cells else "")


def _at(cells: Cells, at: int) -> str | None:
    return cells[at] if at < len(cells) else None


def _name_of(names: Sequence[str], at: int) -> str:
    return names[at] if at < len(names) else ("line" if at == 0 and not names else f"column {at + 1}")


def _name(name: str, cell: str | None) -> CellLine:
    size = "" if cell is None or len(cell) < 80 else f"{len(cell):,} characters"
    return CellLine(join([plain(name, styles.STRONG), plain(size, styles.DIM)], "  "), cell or "")


def _value(lead: str, cell: str | None, style: str) -> Iterator[CellLine]:
    if cell is None:
        yield CellLine(join([plain(lead, style), plain(NULL, styles.DIM)], ""), NULL)
        return
    for line in cell.split("\n") or [""]:
        yield CellLine(join([plain(lead, style), plain(line, style)], ""), cell)
