"""The history of a row, a line or a section: a line a change, newest first; of one of them what it was and became."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.text import fit, join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import Change, HistoryLine

ARROW = "→"
WIDEST_NAME = 24
"""Cells of a column's name above its value, and of a section's."""
LEAST_NAME = 12
"""Cells of a section's name, so that the column seldom grows while lines are found."""


def line_key(line: HistoryLine) -> Hashable:
    return line.generation, line.kind, line.name


def line_words(line: HistoryLine) -> str:
    return f"{line.generation} {styles.CHANGE[line.row.change].word} {line.kind} {line.name} {summary_of(line).plain}"


def columns(times: Times, lines: Sequence[HistoryLine], *, several: bool) -> tuple[Column[HistoryLine], ...]:
    """Number, time, what happened; the cells that changed, or all. ``several``: sections are searched, and named."""
    names = max((width(line.name) for line in lines), default=0)
    wide = max(min(names, WIDEST_NAME), LEAST_NAME)
    section = Column[HistoryLine]("section", "section", wide, lambda line: plain(line.name))
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


def height(lines: Sequence[HistoryLine]) -> int:
    """Lines that the tallest of their details takes where nothing wraps: the pane keeps it while the cursor moves."""
    return 1 + max((max(len(line.columns), 1) for line in lines), default=0)


def last_seen(line: HistoryLine, lines: Sequence[HistoryLine], newest: int | None) -> str:
    """Up to which generation it is as this line has it, ``""`` where it is gone or that is not known.

    ``lines``: newest first, each found before what is older. ``newest``: the component's generation."""
    if line.row.change is Change.REMOVED:
        return ""
    later = [one for one in lines if (one.kind, one.name) == (line.kind, line.name)]
    at = next((index for index, one in enumerate(later) if one.generation == line.generation), 0)
    last = later[at - 1].before if at else newest
    if last is None or last < line.generation:
        return ""
    return f"as here up to {last}" if at else f"as here up to {last}, the newest"


def detail(line: HistoryLine, times: Times, until: str = "") -> Text:
    """Everything about one line: where it stands, and each column with its value. ``until``: from ``last_seen``."""
    where = plain(f"{line.kind} {line.name}", styles.STRONG)
    since = "; ".join(part for part in (_since(line, times), until) if part)
    lines = [join([where, plain(since, styles.DIM)], "  ")]
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
    if line.row.change is Change.ADDED:
        return f"came between {line.before} and {line.generation}"
    return f"changed between {line.before} and {line.generation}"


def working(done: int, total: int | None) -> str:
    """How far it is."""
    return f"{done} of {plural(total, 'generation')}…" if total else "reading…"


def outcome(listed: int, count: int, notes: Sequence[str]) -> str:
    """What it came to, for the frame: how many changes were found, and how many of them are listed."""
    left_out = f", {plural(len(notes), 'remark')}" if notes else ""
    only = f", the newest {listed:,} listed" if listed < count else ""
    return f"{plural(count, 'change')}{only}{left_out}"
