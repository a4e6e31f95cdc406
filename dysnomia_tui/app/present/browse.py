"""A look into a generation: its sections in a list, the rows or lines of one in columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Form, Section
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import size, tally
from dysnomia_tui.app.present.text import cut, cut_middle, plain, visible, width
from dysnomia_tui.engine import HistoryAsked

UNKNOWN_ROWS = 1_000_000
"""Rows assumed where the index does not count them; the end is found when it is reached."""
CELL = 24
"""Cells of a column of rows before the first of them were read."""
WORDED = 28
"""Cells of the list of sections from which numbers of rows are followed by the word: 3.8K alone could be bytes."""
IN_ROWS = "Enter goes into the rows, where / finds in them"
"""For whoever looks for a row among the names of the sections."""
NONE_FOUND = "no row holds it; H looks for this key in all generations"
TITLE = 32
"""Cells of a key or a text in a frame."""
WIDEST = 40
"""Cells that a column of rows never exceeds by itself."""


def section_key(section: Section) -> Hashable:
    return section.kind, section.name, section.artefact


def section_words(section: Section, remarks: Mapping[str, str]) -> str:
    """What a list of them is filtered by."""
    return f"{section.kind} {section.name} {remarks.get(section.name, '')}".rstrip()


def section_columns(cells: int, remarks: Mapping[str, str] | None = None) -> tuple[Column[Section], ...]:
    """``remarks``: what tells which sections they are, by their names.

    Return the columns: name, and rows or bytes. Where there is room the word says which of them a number counts."""
    worded = cells >= WORDED
    amount = 9 if worded else 5
    name = max(cells - amount - 1, 8)
    return (
        Column(
            "name",
            "section",
            name,
            lambda section: _told(section, remarks, name),
            lambda section: section.name,
            gap=0,
        ),
        Column(
            "size",
            "size",
            amount,
            lambda section: plain(_amount(section, worded), styles.DIM),
            lambda section: section.rows or section.size,
            "right",
            descending=True,
        ),
    )


def _told(section: Section, remarks: Mapping[str, str] | None, cells: int) -> Text:
    remark = remarks.get(section.name) if remarks else None
    return plain(cut_middle(section.name, cells)) if remark is None else cut(plain(f"{remark}  {section.name}"), cells)


def _amount(section: Section, worded: bool) -> str:
    if section.rows is None:
        return size(section.size)
    unit = "row" if section.rows == 1 else "rows"
    return f"{tally(section.rows)} {unit}" if worded else tally(section.rows)


def title(section: Section) -> str:
    """``table orders, 4,102,331 rows``."""
    if section.form is Form.BYTES:
        return f"{section.kind} {section.name}, {size(section.size)}"
    what = plural(section.rows, "row") if section.rows is not None else size(section.size)
    return f"{section.kind} {section.name}, {what}"


def row_count(section: Section) -> int:
    """Rows to be offered for scrolling."""
    if section.form is Form.BYTES:
        return 0
    return section.rows if section.rows is not None else UNKNOWN_ROWS


def why_empty(section: Section) -> str:
    if section.form is Form.BYTES:
        attributes = "  ".join(f"{name} {value}" for name, value in section.attributes.items())
        return f"opaque: {size(section.size)}, {section.digest[:16]}  {attributes}".rstrip()
    return "no rows"


def history_of(section: Section, cells: Sequence[str | None]) -> tuple[HistoryAsked, str]:
    """What to follow a row by (its key, else all of it), and its name for a title."""
    held = dict(zip(section.columns, cells, strict=False))
    keyed = bool(section.key) and all(held.get(name) is not None for name in section.key)
    row = tuple(held[name] for name in section.key) if keyed else tuple(cells)
    words = ", ".join("NULL" if cell is None else cell for cell in row)
    return HistoryAsked("", f"{section.kind}:{section.name}", row), f"{section.name} {cut_middle(words, TITLE)}"


def history_of_section(section: Section) -> tuple[HistoryAsked, str]:
    """What to follow a whole section by, and its name for a title."""
    return HistoryAsked(f"{section.kind}:{section.name}"), f"{section.kind} {section.name}"


def history_of_text(section: Section | None, text: str) -> tuple[HistoryAsked, str]:
    """What to follow that was typed, in one section or in every one; and its name for a title."""
    if section is None:
        return HistoryAsked(text), cut_middle(text, TITLE)
    return HistoryAsked(text, f"{section.kind}:{section.name}"), f"{section.name} {cut_middle(text, TITLE)}"


def what_to_follow(section: Section | None) -> str:
    """What can be typed: how this section's rows are known, or what every section is looked through for."""
    if section is None:
        return "The primary key of a row, a whole line, or the name of a file or key. All sections are searched."
    if not section.key:
        return "The whole line."
    return f"The primary key ({', '.join(section.key)})" + (
        ", its cells separated by commas." if len(section.key) > 1 else "."
    )


def key_example(section: Section | None) -> str:
    """What the field shows while it is empty."""
    return "4711, or documents/guide.md" if section is None else ",".join(section.key)


def found_words(text: str, at: int, count_found: int, read: int, *, over: bool) -> str:
    """``/lyon: 3 of 351``: which hit the cursor is on; while the search goes on, ``3 of 17+ so far``."""
    count = f"{at:,} of {count_found:,}" if count_found else "none"
    return f"/{cut_middle(text, TITLE)}: {count}" + (
        "" if over else f"{'+' * bool(count_found)} so far, {plural(read, 'row')} read"
    )


def row_columns(
    section: Section,
    cells_of: Callable[[int], Sequence[str | None] | None],
    sample: Sequence[Sequence[str | None]] = (),
) -> tuple[Column[int], ...]:
    """A column for each of the section's, as wide as the sample needs; one for the line where it is text."""
    number = Column[int]("#", "#", 7, lambda row: plain(str(row + 1), styles.DIM), align="right", gap=0)
    if section.form is Form.TEXT or not section.columns:
        return (number, Column("line", "", 200, lambda row: _cell(cells_of(row), 0)))
    columns = [
        Column[int](
            f"c{at}",
            _column_title(section, name),
            _cells_needed(_column_title(section, name), at, sample),
            lambda row, at=at: _cell(cells_of(row), at),  # type: ignore[misc]
        )
        for at, name in enumerate(section.columns)
    ]
    return (number, *columns)


def _column_title(section: Section, name: str) -> str:
    return visible(name) + (" key" if name in section.key else "")


def _cells_needed(title: str, at: int, sample: Sequence[Sequence[str | None]]) -> int:
    if not sample:
        return CELL
    longest = max((width(row[at] or "NULL") for row in sample if at < len(row)), default=4)
    return min(max(longest, cell_len(title) + 1), WIDEST)


def _cell(cells: Sequence[str | None] | None, at: int) -> Text:
    if cells is None:
        return plain("…", styles.DIM)
    if at >= len(cells):
        return Text("")
    cell = cells[at]
    return plain("NULL", styles.DIM) if cell is None else plain(cell)
