"""A comparison, always old -> new: the sections that differ in a list, the changed rows or lines of one in columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Form, Section
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import signed, size, tally
from dysnomia_tui.app.present.text import cut, cut_start, join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine import WAS_GONE, RowsAsked
from dysnomia_tui.engine.engine import Side
from dysnomia_tui.engine.records import Change, RowChange, SectionChange

UNKNOWN_ROWS = 1_000_000
"""Rows offered while it is not known how many differ; the end is found when it is reached."""
CELL = 40
"""Cells of a column of rows at most."""
UNREAD = 12
"""Cells of a column before any row was read."""
ARROW = "→"
RowOf = Callable[[int], RowChange | None]


def change_key(change: SectionChange) -> Hashable:
    return change.section.kind, change.section.name, change.section.artefact


def change_words(change: SectionChange) -> str:
    return f"{change.section.kind} {change.section.name} {change.remark} {styles.CHANGE[change.change].word}"


def section_columns(cells: int) -> tuple[Column[SectionChange], ...]:
    """Glyph, name, and what changed in it."""
    counts = 20 if cells >= 50 else 11 if cells >= 28 else 8
    name = max(cells - counts - 4, 8)
    return (
        Column("change", "~", 1, _glyph, lambda change: change.change.value, gap=0),
        Column("mark", "", 1, lambda _change: Text(""), gap=0, is_mark=True),
        Column("name", "section", name, lambda change: _told(change, name), _name),
        Column("counts", "changes", counts, counts_of, _weight, "right", descending=True),
    )


def _glyph(change: SectionChange) -> Text:
    look = styles.CHANGE[change.change]
    return plain(look.glyph, look.style)


def _name(change: SectionChange) -> str:
    section = change.section
    return section.name if section.kind in ("table", "file") else f"{section.kind} {section.name}"


def _told(change: SectionChange, cells: int) -> Text:
    """Its name, or what tells which it is, and the name as far as there is room."""
    if not change.remark:
        return plain(cut_start(_name(change), cells))
    return cut(plain(f"{change.remark}  {_name(change)}"), cells)


def _weight(change: SectionChange) -> int:
    return (change.added or 0) + (change.removed or 0) + (change.changed or 0)


def counts_of(change: SectionChange) -> Text:
    """``+12 -3 ~7`` once the rows were compared; before that the net rows, and bytes of what is opaque."""
    if change.section.form is Form.BYTES:
        before, after = _size(change.old), _size(change.new)
        return plain(f"{size(before)}{ARROW}{size(after)}" if change.old and change.new else size(after or before))
    if change.added is None or change.removed is None:
        net = _net_rows(change)
        if net is None and not (change.old and change.new):
            return plain(size(_size(change.old) or _size(change.new)), styles.DIM)
        return plain("…" if net is None else f"{signed(net)} …", styles.DIM)
    parts = [
        plain(f"{sign}{tally(count)}", style)
        for sign, count, style in (
            ("+", change.added, styles.GOOD),
            ("-", change.removed, styles.BAD),
            ("~", change.changed or 0, styles.WARN),
        )
        if count
    ]
    return join(parts) if parts else plain("order only" if change.change is Change.CHANGED else "", styles.DIM)


def _size(section: Section | None) -> int:
    return section.size if section is not None else 0


def _net_rows(change: SectionChange) -> int | None:
    old = change.old.rows if change.old is not None else 0
    new = change.new.rows if change.new is not None else 0
    return new - old if old is not None and new is not None else None


def summary(changes: Sequence[SectionChange]) -> Text:
    """``2 tables changed, 1 added``: the whole comparison in a line."""
    counted = [(look, sum(1 for change in changes if change.change is kind)) for kind, look in styles.CHANGE.items()]
    parts = [plain(f"{look.glyph}{count} {look.word}", look.style) for look, count in counted if count]
    return join(parts, "  ") if parts else plain("nothing differs", styles.GOOD)


def row_count(change: SectionChange) -> int:
    """Rows to be offered for scrolling."""
    if change.section.form is Form.BYTES:
        return 0
    if change.added is not None and change.removed is not None:
        return change.added + change.removed + (change.changed or 0)
    return UNKNOWN_ROWS


def title(change: SectionChange) -> str:
    look = styles.CHANGE[change.change]
    remark = f"{change.remark}  " if change.remark else ""
    return f"{look.glyph} {look.word} {remark}{change.section.kind} {change.section.name}"


def about(change: SectionChange, note: str) -> list[Text]:
    """What stands above the rows: attributes that changed, columns that came and went, how it was compared."""
    lines = [plain(note, styles.WARN)] if note else []
    old, new = change.old, change.new
    before = old.attributes if old is not None else {}
    after = new.attributes if new is not None else {}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            lines.append(_from_to(name, before.get(name), after.get(name)))
    if old is not None and new is not None and old.columns != new.columns:
        added = [column for column in new.columns if column not in old.columns]
        went = [column for column in old.columns if column not in new.columns]
        lines.extend(plain(f"+ column {column}", styles.GOOD) for column in added)
        lines.extend(plain(f"- column {column}", styles.BAD) for column in went)
        if not added and not went:
            lines.append(plain("the columns are in another order", styles.WARN))
    return lines


def _from_to(name: str, before: str | None, after: str | None) -> Text:
    old = plain("(none)" if before is None else before, styles.BAD)
    new = plain("(none)" if after is None else after, styles.GOOD)
    return join([plain(name, styles.STRONG), old, ARROW, new])


def sides(old: Side, new: Side, at: Mapping[Side, datetime], times: Times, cells: int) -> Text:
    """``25 as of 20 Nov 2025 02:00:11 UTC → live, 22 Nov 2025 02:00:04 UTC``: always old -> new; shorter where that is
    wider than ``cells``. Of a side that is not in ``at`` the time is not known yet."""

    def line(write: Callable[[datetime], str]) -> Text:
        words = [
            f"{side}{' as of' if isinstance(side, int) else ','} {write(at[side]).strip()}" if side in at else f"{side}"
            for side in (old, new)
        ]
        return join([plain(words[0], styles.STRONG), ARROW, plain(words[1], styles.STRONG)])

    whole = line(times.full)
    return whole if whole.cell_len <= cells else line(times.short)


def why_empty(change: SectionChange) -> str:
    if change.section.form is Form.BYTES:
        return f"opaque: {size(_size(change.old))} {ARROW} {size(_size(change.new))}; only size and digest are compared"
    if change.change is Change.CHANGED:
        return "the same rows in another order, or only what is listed above changed"
    return "no rows"


def row_columns(change: SectionChange, row_of: RowOf, read: Sequence[RowChange] = ()) -> tuple[Column[int], ...]:
    """Glyph, mark, a column for each of the section's with changed cells as ``old → new``; lines of a text by number.

    A column is as wide as its widest cell among the rows that were ``read``, at most ``CELL``.
    """
    mark = Column[int]("mark", "", 1, lambda _at: Text(""), gap=0, is_mark=True)
    glyph = Column[int]("change", "", 1, lambda at: _row_glyph(row_of(at)), gap=0)
    if change.section.form is Form.TEXT or not change.section.columns:
        number = Column[int]("#", "#", 6, lambda at: _line_number(row_of(at)), align="right", gap=0)
        return (glyph, mark, number, Column("line", "", 300, lambda at: _line(row_of(at))))
    keys = change.section.key
    columns = [
        Column[int](
            f"c{at}",
            name + (" key" if name in keys else ""),
            _width(name + (" key" if name in keys else ""), read, at),
            lambda row, at=at: cell(row_of(row), at),  # type: ignore[misc]
            gap=1 if at else 0,
        )
        for at, name in enumerate(columns_of(change))
    ]
    return (glyph, mark, *columns)


def columns_of(change: SectionChange) -> tuple[str, ...]:
    """In the order of a row's cells: the new section's columns, then those that only the old one had."""
    columns = change.section.columns
    old = change.old.columns if change.old is not None else ()
    return columns + tuple(name for name in old if name not in columns)


def marked(count: int, key: str, what: str = "row") -> Text:
    """``3 rows marked: r puts them back``."""
    if not count:
        return Text("", end="")
    pronoun = "it" if count == 1 else "them"
    return plain(f"{plural(count, what)} marked: {key} puts {pronoun} back into live", styles.MARK)


def rows_asked(change: SectionChange, rows: Sequence[RowChange]) -> RowsAsked:
    """Changed rows as they are to be put back. Of those that are gone it is known that live had none: a key that is
    used again by then is another row's. A row whose key holds NULL cannot be named, and is left out."""
    section, columns = change.section, columns_of(change)
    places = [columns.index(name) for name in section.key]
    keys: dict[tuple[str, ...], str] = {}
    for row in rows:
        cells = row.new if row.new is not None else row.old or ()
        key = tuple(cell for at in places if at < len(cells) and (cell := cells[at]) is not None)
        if key and len(key) == len(places):
            keys[key] = WAS_GONE if row.change is Change.REMOVED else ""
    return RowsAsked(f"{section.kind}:{section.name}", tuple(keys), tuple(keys.values()))


def _width(title: str, read: Sequence[RowChange], at: int) -> int:
    widest = max((cell(row, at).cell_len for row in read), default=UNREAD)
    return min(max(widest, len(title)), CELL)


def _row_glyph(row: RowChange | None) -> Text:
    if row is None:
        return plain("…", styles.DIM)
    look = styles.CHANGE[row.change]
    return plain(look.glyph, look.style)


def _line_number(row: RowChange | None) -> Text:
    return plain(str(row.line) if row is not None and row.line is not None else "", styles.DIM)


def _line(row: RowChange | None) -> Text:
    if row is None:
        return plain("…", styles.DIM)
    cells = row.new if row.new is not None else row.old
    return plain((cells[0] or "") if cells else "", _side_style(row.change))


def _side_style(change: Change) -> str:
    return {Change.ADDED: styles.GOOD, Change.REMOVED: styles.BAD}.get(change, styles.PLAIN)


def cell(row: RowChange | None, at: int) -> Text:
    """One cell; a changed one as old and new, both marked."""
    if row is None:
        return plain("…", styles.DIM)
    if row.change is Change.CHANGED and at in row.cells and row.old is not None and row.new is not None:
        old, new = _value(row.old, at, "strike red"), _value(row.new, at, "bold green")
        return join([old, plain(ARROW, styles.DIM), new])
    cells = row.new if row.new is not None else row.old or ()
    return _value(cells, at, _side_style(row.change))


def _value(cells: Sequence[str | None], at: int, style: str) -> Text:
    if at >= len(cells):
        return Text("")
    value = cells[at]
    if value is None:
        return plain("NULL", f"{style} dim".strip())
    return plain(value or "''", style)


def working(done: int, total: int | None) -> str:
    """How far the comparison is, in words."""
    if not done:
        return "comparing…"
    return f"comparing… {plural(done, 'row')}" + (f" of {total:,}" if total else "")
