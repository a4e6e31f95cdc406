"""``dysnomia-snapshots --diff A B``: what two generations of a component differ in, old -> new."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dysnomia_store.model import Form
from dysnomia_tui.cli.shared.output import jsonable, say, visible, write_json, write_line, write_pieces
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.engine.errors import EngineError, Exit

if TYPE_CHECKING:
    from dysnomia_store.model import Section
    from dysnomia_tui.engine import Diff
    from dysnomia_tui.engine.engine import Engine, Side
    from dysnomia_tui.engine.records import RowChange, SectionChange

PAGE = 500
_POLL = 0.02
BETWEEN = " | "
"""Between the cells of a row."""


def compare(args: argparse.Namespace) -> int:
    """Print what differs. Exits with 0 whether anything does or not, as a question that was answered; else with what
    kept the first section from being compared.

    Raises Usage for options that exclude each other."""
    from dysnomia_tui.cli.snapshots.command import one_component

    if (args.sql or args.jsonl) and (args.rows or args.json or (args.sql and args.jsonl)):
        form = "--sql" if args.sql else "--jsonl"
        raise Usage(f"{form} cannot be combined with --rows, --json, --sql or --jsonl", "give only one of them")
    old, new = _side(args.diff[0]), _side(args.diff[1])
    key = one_component(args)
    engine = open_engine(load(args.statedir))
    _known(engine, key, (old, new))
    if args.reverse:
        old, new = new, old
    if args.sql:
        write_pieces(engine.sql_patch(key, old, new))
        return Exit.OK
    diff = engine.diff(key, old, new)
    try:
        _wait(diff)
        if args.jsonl:
            for change in diff.sections():
                for entry in _lines_of(diff, change):
                    write_line(json.dumps(entry, ensure_ascii=True))
        elif args.json:
            write_json(_as_json(diff, rows=args.rows))
        else:
            print_changes(diff, rows=args.rows)
        if diff.incomplete:
            say("not all of it could be compared: see above, or the notes of --json")
        return diff.incomplete
    finally:
        diff.close()


def _side(text: str) -> Side:
    from dysnomia_tui.engine.engine import LIVE

    if text == LIVE:
        return LIVE
    if text.isascii() and text.isdigit():
        return int(text)
    raise Usage(f"{text!r} is not a generation", "give two generation numbers, or one and 'live'; --in names whose")


def _known(engine: Engine, key: Any, sides: tuple[Side, Side]) -> None:
    """Ask for both generations now, for a message that says which of them is not there."""
    from dysnomia_tui.engine.errors import Unknown

    numbers = {generation.number for generation in engine.generations(key)}
    for side in sides:
        if isinstance(side, int) and side not in numbers:
            hint = f"it has {min(numbers)} to {max(numbers)}" if numbers else "it has none"
            raise Unknown(f"{key} has no generation {side}", hint)


def _wait(diff: Diff) -> None:
    """Until every section has been compared. Raises EngineError with what went wrong."""
    while not diff.ready:
        if diff.error:
            break
        time.sleep(_POLL)
    if diff.error:
        failed = EngineError(diff.error)
        failed.exit = Exit(diff.exit)
        raise failed


def print_changes(diff: Diff, *, rows: bool) -> None:
    """A line for each section that differs, and what is to be known of how it was compared."""
    say(f"{diff.old_title} -> {diff.new_title}")
    changes = diff.sections()
    for change in changes:
        note = diff.note(change)
        write_line(visible(section_line(change, note)))
        if note and not _same(change) and change.section.form is not Form.BYTES:  # of bytes it goes without saying
            say(f"{change.section.kind} {visible(change.section.name)}: {note}")
        if rows:
            for row in all_rows(diff, change):
                write_line("  " + visible(row_line(row)))
    if not changes:
        say("no difference")


def _same(change: SectionChange) -> bool:
    """Whether no row of it was found to differ, though its bytes do."""
    return (change.added, change.removed, change.changed) == (0, 0, 0)


def section_line(change: SectionChange, note: str = "") -> str:
    """``~ table orders  +12 -3 ~4``; ``= table orders  the same rows in another order``."""
    if note and _same(change):
        return f"= {change.section.kind} {change.section.name}  {note}"
    counts = [
        f"{sign}{count:,}"
        for sign, count in (("+", change.added), ("-", change.removed), ("~", change.changed))
        if count
    ]
    section = change.section
    after = [text for text in (" ".join(counts), change.remark) if text]
    return "  ".join((f"{change.change} {section.kind} {section.name}", *after))


def row_line(row: RowChange) -> str:
    """``+ a | b``; of a changed row each changed cell as ``old -> new``."""
    return f"{row.change} {row_cells(row)}"


def row_cells(row: RowChange) -> str:
    """The cells of a changed row alone."""
    if row.old is None or row.new is None:
        return cells_line(row.new or row.old or ())
    return BETWEEN.join(
        f"{_cell(old)} -> {_cell(new)}" if index in row.cells else _cell(new)
        for index, (old, new) in enumerate(zip(row.old, row.new, strict=False))
    )


def cells_line(cells: Sequence[str | None]) -> str:
    """``a | NULL | c``."""
    return BETWEEN.join(map(_cell, cells))


def _cell(cell: str | None) -> str:
    return "NULL" if cell is None else cell


def all_rows(diff: Diff, change: SectionChange) -> Iterator[RowChange]:
    """The changed rows of a section, a page at a time."""
    start = 0
    while page := diff.rows(change, start, PAGE):
        yield from page
        start += len(page)
        if len(page) < PAGE:
            return


def _lines_of(diff: Diff, change: SectionChange) -> Iterator[dict[str, Any]]:
    """An object for each row or line that differs, with the cells of both sides by the names of their columns; of an
    opaque section one, with its sizes."""
    section = change.section
    about: dict[str, Any] = {"section": f"{section.kind}:{section.name}"}
    sides = (("old", change.old), ("new", change.new))
    if section.form is Form.BYTES:
        yield (
            about | {"change": change.change.value} | {side: {"size": one.size} if one else None for side, one in sides}
        )
        return
    columns = section.columns + tuple(name for name in (change.old or section).columns if name not in section.columns)
    for row in all_rows(diff, change):
        entry = about | {"change": row.change.value}
        for (side, of), cells in zip(sides, (row.old, row.new), strict=True):
            entry[side] = None if cells is None or of is None else _named(columns, of, cells)
        if section.key:
            held = entry["new"] or entry["old"] or {}
            entry["key"] = [held.get(name) for name in section.key]
        elif row.line is not None:
            entry["line"] = row.line
        yield entry


def _named(columns: Sequence[str], section: Section, cells: Sequence[str | None]) -> Any:
    """The cells of one side by name; of a section without columns the line itself."""
    if not section.columns:
        return cells[0] if len(cells) == 1 else list(cells)
    return {name: cell for name, cell in zip(columns, cells, strict=False) if name in section.columns}


def _as_json(diff: Diff, *, rows: bool) -> dict[str, Any]:
    sections = []
    for change in diff.sections():
        entry = jsonable(change)
        if note := diff.note(change):
            entry["note"] = note
        if rows:
            entry["rows"] = [jsonable(row) for row in all_rows(diff, change)]
        sections.append(entry)
    return {"old": diff.old_title, "new": diff.new_title, "sections": sections}
