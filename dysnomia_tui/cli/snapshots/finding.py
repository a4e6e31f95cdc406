"""``dysnomia-snapshots --history-of TEXT`` and ``--find TEXT``: a row through the generations, rows with a text."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.moving import MovingLine
from dysnomia_tui.cli.shared.output import jsonable, say, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import load, open_engine
from dysnomia_tui.cli.snapshots.diff import cells_line, row_cells
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.records import Change

if TYPE_CHECKING:
    from dysnomia_tui.engine.records import FoundRow, HistoryLine


def history(args: argparse.Namespace) -> int:
    """Print what became of a row, newest first. Exits with 5 where no generation has it."""
    from dysnomia_tui.cli.shared.selection import newest
    from dysnomia_tui.cli.snapshots.command import one_component
    from dysnomia_tui.engine import HistoryAsked

    key = one_component(args)
    engine = open_engine(load(args.statedir), read_only=True)
    lines: list[HistoryLine] = []
    with engine.history(key, HistoryAsked(args.history_of, args.section)) as search, MovingLine() as moving:
        latest = newest(engine, key)  # while the other process reads
        for line in search.follow(_counting(moving, "generations")):
            lines.append(line)
            if not args.json:
                moving.end()
                write_line(visible(history_line(line)))
        notes = search.notes
    for note in notes:
        say(f"WARNING: {note}")
    for text in summary(lines, latest.number, all_read=not notes):
        say(text)
    if args.json:
        write_json({"lines": lines, "notes": notes})
    if not lines:
        where = f" in {args.section}" if args.section else ""
        text = visible(args.history_of)
        say(f"no generation of {key} has {text}{where} as a whole key, line or name of a section; part of one: --find")
        return Exit.NOT_FOUND
    return Exit.OK


def _counting(moving: MovingLine, what: str) -> Callable[[int, int | None], None]:
    """What shows how many were looked into, of how many."""

    def show(done: int, of: int | None) -> None:
        moving.show(f"{done:,}{'' if of is None else f' of {of:,}'} {what}")

    return show


def history_line(line: HistoryLine) -> str:
    """``32  2026-11-22 13:56:12Z  ~ table orders  4711 | new -> paid``."""
    if line.before is None:
        note = "  (the oldest generation)"
    elif line.before != line.generation - 1:
        note = f"  (generation {line.before} is the one before)"
    else:
        note = ""
    what = f"{line.row.change} {line.kind} {line.name}"
    return f"{line.generation}  {_time(line.as_of)}  {what}  {row_cells(line.row)}{note}"


def summary(lines: Iterable[HistoryLine], newest: int, *, all_read: bool) -> Iterator[str]:
    """Of each section in which it was found, when it changed last and was last seen."""
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if (line.kind, line.name) in seen:
            continue
        seen.add((line.kind, line.name))
        where = f"{line.kind} {visible(line.name)}"
        if line.row.change is Change.REMOVED and line.before is not None and line.before_as_of is not None:
            last = f"last seen in generation {line.before} of {_time(line.before_as_of)}"
            yield f"{where}: {last}, gone in {line.generation} of {_time(line.as_of)}"
            continue
        text = f"still in {newest}, the newest" if all_read else "still in the newest that can be read"
        yield f"{where}: last changed in generation {line.generation} of {_time(line.as_of)}, {text}"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}Z"


def find(args: argparse.Namespace) -> int:
    """Print the rows that hold a text as they are found. Exits with 5 where there is none."""
    from dysnomia_tui.cli.shared.selection import asked
    from dysnomia_tui.cli.snapshots.command import one_component
    from dysnomia_tui.engine import FindAsked

    key = one_component(args)
    engine = open_engine(load(args.statedir), read_only=True)
    generation = asked(engine, key, args.generation)
    with engine.find(key, FindAsked(generation.number, args.find, args.section)) as search, MovingLine() as moving:
        rows = search.follow(_counting(moving, "rows and lines"))
        count = _write_found(rows, moving, as_json=args.json)
        _, read = search.progress()
    where = f"generation {generation.number} of {_time(generation.as_of)}"
    say(f"{count:,} found in {read or 0:,} rows and lines of {where}")
    return Exit.OK if count else Exit.NOT_FOUND


def _write_found(rows: Iterable[FoundRow], moving: MovingLine, *, as_json: bool) -> int:
    """Write them one by one, also as JSON: there may be more than memory holds."""
    count = 0
    for row in rows:
        moving.end()
        if as_json:
            write_line(("[" if not count else ",") + json.dumps(jsonable(row), sort_keys=True))
        else:
            write_line(visible(found_line(row)))
        count += 1
    if as_json:
        write_line("]" if count else "[]")
    return count


def found_line(row: FoundRow) -> str:
    """``table customers 17  4711 | Ada Abel``: section, place of the row in it, cells."""
    where = f"{row.kind} {row.name}"
    if row.number:
        return f"{where} {row.number}  {cells_line(row.cells)}"
    return f"{where}  {cells_line(row.cells)}" if row.cells else where
