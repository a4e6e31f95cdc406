"""The history of a row, a line or a section: a line a change, newest first; of one of them what it was and became."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.text import Text

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.text import fit, join, plain, plural, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import Change, HistoryLine

ARROW = "→"
WIDEST_NAME = 24
"""Cells of a column's name above its value."""


def line_key(line: HistoryLine) -> Hashable:
    return line.generation, line.kind, line.name


def line_words(line: HistoryLine) -> str:
    return f"{line.generation} {styles.CHANGE[line.row.change].word} {line.kind} {line.name} {summary_of(line).plain}"


def columns(times: Times, lines: Sequence[HistoryLine]) -> tuple[Column[HistoryLine], ...]:
    """Number, time, what happened; the section where there are several; the cells that changed, or all."""
    several = len({(line.kind, line.name) for line in lines}) > 1
    names = max((width(line.name) for line in lines), default=0)
    section = Column[HistoryLine]("section", "section", min(names, WIDEST_NAME), lambda line: plain(line.name))
    return (
        Column("number", "#", 4, lambda line: plain(str(line.generation), styles.STRONG), align="right", gap=0),
        Column("as_of", "as of", 17, lambda line: plain(times.long(line.as_of))),
        Column("change", "", 9, _what),
        *((section,) if several else ()),
        Column("cells", "", 300, summary_of),
    )


def _what(line: HistoryLine) -> Text:
    look = styles.CHANGE[line.row.change]
    if line.before is None:
        return plain("+ oldest", styles.DIM)
    word = "gone" if line.row.change is Change.REMOVED else look.word
    return plain(f"{look.glyph} {word}", look.style)


def summary_of(line: HistoryLine) -> Text:
    """Of a change the cells that changed, by name; else all cells."""
    row = line.row
    if row.old is None or row.new is None:
        cells = row.new if row.new is not None else row.old or ()
        return join([_value(cell) for cell in cells], "  ")
    parts = [_changed(line, at) for at in sorted(row.cells)]
    return join(parts, "  ")


def _changed(line: HistoryLine, at: int) -> Text:
    row = line.row
    assert row.old is not None
    assert row.new is not None
    name = f"{line.columns[at]} " if at < len(line.columns) else ""
    old, new = _value(row.old[at], styles.BAD), _value(row.new[at], styles.GOOD)
    return join([plain(name, styles.DIM), old, plain(f" {ARROW} ", styles.DIM), new], "")


def _value(cell: str | None, style: str = "") -> Text:
    if cell is None:
        return plain("NULL", styles.DIM)
    return plain(cell or "''", style)


def detail(line: HistoryLine, times: Times) -> Text:
    """Everything about one line: where it stands, and each column with its value."""
    where = plain(f"{line.kind} {line.name}", styles.STRONG)
    lines = [join([where, plain(_since(line, times), styles.DIM)], "  ")]
    row = line.row
    cells = row.new if row.new is not None else row.old or ()
    names = max((width(name) for name in line.columns), default=0)
    for at, cell in enumerate(cells):
        name = line.columns[at] if at < len(line.columns) else ""
        if row.old is not None and row.new is not None and at in row.cells:
            old, new = _value(row.old[at], styles.BAD), _value(cell, styles.GOOD)
            value = join([old, plain(ARROW, styles.DIM), new])
        else:
            value = _value(cell)
        lines.append(join([fit(plain(name, styles.DIM), min(names, WIDEST_NAME)), value], "  "))
    return Text("\n").join(lines)


def _since(line: HistoryLine, times: Times) -> str:
    if line.before is None or line.before_as_of is None:
        return f"there in {line.generation}, the oldest generation"
    if line.row.change is Change.REMOVED:
        return f"last seen in {line.before}, {times.full(line.before_as_of)}; gone in {line.generation}"
    return f"changed between {line.before} and {line.generation}"


def working(done: int, total: int | None) -> str:
    """How far it is."""
    return f"{done} of {plural(total, 'generation')}…" if total else "reading…"


def outcome(listed: int, count: int, notes: Sequence[str]) -> str:
    """What it came to, for the frame: how many changes were found, and how many of them are listed."""
    left_out = f", {plural(len(notes), 'remark')}" if notes else ""
    only = f", the newest {listed:,} listed" if listed < count else ""
    return f"{plural(count, 'change')}{only}{left_out}"
