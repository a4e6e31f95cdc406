"""Rows and lines of one generation that hold a text, as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from dysnomia_store.model import Form, Generation, Section
from dysnomia_tui.engine.contents.contents import is_meant
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.finding.asked import FindAsked, Wanted
from dysnomia_tui.engine.finding.history import Tick
from dysnomia_tui.engine.finding.opening import opened
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import FoundRow

ROWS_A_TICK = 1000


def found_rows(
    machine: Machine, generation: Generation, asked: FindAsked, scratch: Path, tick: Tick
) -> Iterator[FoundRow]:
    """Every row or line that holds what is asked for, in the order of the contents; where no section is asked for, also
    the names of files and other sections that are no tables, and what tells which they are (of a message its decoded
    subject); of an opaque section its name.

    ``tick`` is told how many rows were read, of how many, and may raise to stop.

    Raises Unknown where there is no such section; StoreError, PluginError, OSError."""
    with opened(machine, generation, scratch) as side:
        metadata = generation.metadata
        total = (metadata.rows if metadata is not None else None) or 0
        done, sections = 0, 0
        for section in side.stored.sections():
            if not is_meant(section, asked.section):
                continue
            sections += 1
            wanted = Wanted(asked.text, section.columns)
            remark = side.remark(section)
            about = (remark,) if remark else ()
            if section.form is Form.BYTES:
                done += bool(remark)
                if wanted((section.name, *about)):
                    yield FoundRow(section.kind, section.name, (), 0, about)
                continue
            if section.form is Form.TEXT and not asked.section and any(map(wanted.in_name, (section.name, *about))):
                yield FoundRow(section.kind, section.name, (), 0, about)
            for number, cells in _in_section(side, section, wanted):
                done += 1
                if cells is not None:
                    yield FoundRow(section.kind, section.name, section.columns, number, cells)
                if done % ROWS_A_TICK == 0:
                    tick(done, max(done, total))
        if not sections and asked.section:
            raise Unknown(f"generation {generation.number} has no section {asked.section!r}", "see --diff, or the app")
        tick(done, done)


def _in_section(side: Opened, section: Section, wanted: Wanted) -> Iterator[tuple[int, tuple[str | None, ...] | None]]:
    """(number, cells) of each row, the cells None where it is not wanted."""
    rows = chain.from_iterable(side.reader.raw_rows(side.stored, section))
    for number, raw in enumerate(rows, 1):
        cells = side.reader.parse_row(section, raw).cells
        yield number, cells if wanted(cells) else None
